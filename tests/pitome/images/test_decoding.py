"""Decoding against values worked out by hand: each mode, each rule."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pitome.errors import ImageError, InputError
from pitome.images.decoding import check_header, decode, decode_image, open_image
from pitome.images.depth import FLOAT_REMARK
from tests.pitome.images.image_files import numbers, oriented, png, saved

CORNER = np.zeros((2, 3), np.uint8)
CORNER[0, 0] = 255
"""White at the left of the upper of two rows of three."""


def grey(source: Any) -> list[Any]:
    return numbers(decode_image(source, 1))


def colours(source: Any) -> list[Any]:
    return numbers(decode_image(source, 3))


# Orientation


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize(
    ("orientation", "size", "white"),
    [
        (1, (3, 2), (0, 0)),
        (2, (3, 2), (0, 2)),
        (3, (3, 2), (1, 2)),
        (4, (3, 2), (1, 0)),
        (5, (2, 3), (0, 0)),
        (6, (2, 3), (0, 1)),
        (7, (2, 3), (2, 1)),
        (8, (2, 3), (2, 0)),
    ],
)
def test_exif_orientation_is_turned(form: str, orientation: int, size: tuple[int, int], white: Any) -> None:
    """Row and column of the white corner as EXIF 2.3 draws them."""
    large = Image.fromarray(CORNER.repeat(16, 0).repeat(16, 1)).convert("RGB")
    found = decode_image(oriented(large, orientation, form), 1)
    assert found.size == (16 * size[0], 16 * size[1])
    middles = np.asarray(found)[8::16, 8::16]
    assert np.argwhere(middles > 200).tolist() == [list(white)]


def test_turned_once_only() -> None:
    turned = decode_image(oriented(Image.fromarray(CORNER), 6), 1)
    assert turned.info == {}
    assert numbers(decode_image(turned, 1)) == numbers(turned)
    image = Image.open(io.BytesIO(oriented(Image.fromarray(CORNER), 6)))
    assert decode_image(image, 1).size == (2, 3)
    assert image.size == (3, 2)  # what was given is left as it is


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_orientation_that_exif_does_not_know(orientation: int) -> None:
    assert numbers(decode_image(oriented(Image.fromarray(CORNER), orientation), 1)) == CORNER.tolist()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_around_a_whole_image() -> None:
    file = saved(Image.fromarray(CORNER), "PNG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xffrubbish")
    assert numbers(decode_image(file, 1)) == CORNER.tolist()


# Depth


def test_sixteen_bits_by_the_range_of_the_type() -> None:
    """v / 257, rounded: 128 / 257 is below a half, 129 / 257 above; 65535 / 257 is 255."""
    values = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)
    expected = [[0, 0, 1, 1, 128, 255]]
    assert grey(values) == expected
    image = Image.fromarray(values)
    assert image.mode == "I;16"
    assert grey(image) == expected
    assert grey(saved(image, "PNG")) == grey(saved(image, "TIFF")) == expected
    assert colours(values) == [[[value] * 3 for value in expected[0]]]


def test_big_endian_sixteen_bits() -> None:
    values = np.array([[0, 257, 65535]], ">u2")
    assert grey(values) == [[0, 1, 255]]
    assert grey(Image.frombytes("I;16B", (3, 1), values.tobytes())) == [[0, 1, 255]]


def test_a_pgm_of_sixteen_bits_is_of_mode_i_and_yet_of_sixteen_bits() -> None:
    file = b"P5 3 1 65535\n" + np.array([0, 32896, 65535], ">u2").tobytes()
    assert Image.open(io.BytesIO(file)).mode == "I"
    assert grey(file) == [[0, 128, 255]]


def test_int32_by_the_range_of_the_type() -> None:
    """2^30 / (2^31 - 1) * 255 is 127.5 and a little more."""
    values = np.array([[0, 2**30, 2**31 - 1]], np.int32)
    assert grey(values) == grey(Image.fromarray(values)) == [[0, 128, 255]]
    assert grey(saved(Image.fromarray(values), "TIFF")) == [[0, 128, 255]]


@pytest.mark.parametrize(
    ("kind", "largest"),
    [("int16", 2**15 - 1), ("uint32", 2**32 - 1), ("int64", 2**63 - 1), ("uint64", 2**64 - 1)],
)
def test_other_integers_by_the_range_of_their_type(kind: str, largest: int) -> None:
    assert grey(np.array([[0, largest // 2 + 1, largest]], kind)) == [[0, 128, 255]]


def test_booleans_and_one_bit() -> None:
    values = np.array([[True, False]])
    assert grey(values) == grey(Image.fromarray(values)) == [[255, 0]]
    assert Image.fromarray(values).mode == "1"
    assert grey(png([b"\x80"], 2, 1, 0)) == [[255, 0]]


@pytest.mark.parametrize(
    ("depth", "row", "expected"), [(2, b"\x1b", [0, 85, 170, 255]), (4, b"\x0f", [0, 255])]
)
def test_two_and_four_bits(depth: int, row: bytes, expected: list[int]) -> None:
    assert grey(png([row], len(expected), depth, 0)) == [expected]


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_float_by_its_own_range_and_said(kind: Any) -> None:
    """-2 -> 0, 0 -> 2 / 8 * 255 = 63.75, 2 -> 127.5, 6 -> 255."""
    found = decode(np.array([[-2, 0, 2, 6]], kind), 1)
    assert numbers(found.image) == [[0, 64, 128, 255]]
    assert found.remark == FLOAT_REMARK == "a float image, scaled by its own minimum and maximum"


def test_float_files_by_their_own_range() -> None:
    image = Image.fromarray(np.array([[0.25, 0.5, 0.75]], np.float32))
    found = decode(saved(image, "TIFF"), 1)
    assert (numbers(found.image), found.remark) == ([[0, 128, 255]], FLOAT_REMARK)


def test_float_colours_share_one_range() -> None:
    assert colours(np.array([[[0.0, 1.0, 2.0]]])) == [[[0, 128, 255]]]


def test_the_largest_floats() -> None:
    assert grey(np.array([[-1.7e308, 0, 1.7e308]])) == [[0, 128, 255]]


def test_eight_bits_stay_and_say_nothing() -> None:
    found = decode(CORNER, 1)
    assert (numbers(found.image), found.remark) == (CORNER.tolist(), None)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.array([[0.0, np.nan]]), "it has NaN or infinity in it"),
        (np.array([[0.0, np.inf]], np.float32), "it has NaN or infinity in it"),
        (np.full((2, 2), 0.5), "all its float numbers are 0.5, so nothing says how bright that is"),
        (np.array([[-1, 5]], np.int32), r"it has negative numbers \(-1\), which are no brightness"),
        (
            np.array([[0, 255]], np.int32),
            "reach 255 of the 2147483647 of their type, so all of it would be black",
        ),
        (
            np.array([[0, 128]], np.uint16),
            "reach 128 of the 65535 of their type, so all of it would be black",
        ),
        (np.array([[1j]]), "complex128 is no type of brightness"),
        (np.array([["a"]]), "<U1 is no type of brightness"),
        (np.array([[None]]), "object is no type of brightness"),
        (np.zeros((2, 2, 4)), "float numbers have no known range for alpha"),
    ],
)
def test_numbers_that_say_no_brightness(values: Any, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        decode_image(values)


def test_black_of_any_type_is_black() -> None:
    for kind in ("uint16", "int32", "uint8", "int64"):
        assert grey(np.zeros((1, 1), kind)) == [[0]]


# Transparency


def test_alpha_is_laid_over_white() -> None:
    """c a / 255 + 255 - a: black at half is 127, 200 at a fifth is 40 + 204."""
    rgba = np.array([[[0, 0, 0, 128], [200, 0, 255, 51], [9, 9, 9, 0], [1, 2, 3, 255]]], np.uint8)
    expected = [[[127, 127, 127], [244, 204, 255], [255, 255, 255], [1, 2, 3]]]
    image = Image.fromarray(rgba)
    assert colours(rgba) == colours(image) == colours(saved(image, "PNG")) == expected
    assert numbers(decode_image(rgba, 4)) == rgba.tolist()


def test_grey_with_alpha() -> None:
    la = np.array([[[0, 128], [200, 51]]], np.uint8)
    image = Image.fromarray(la)
    assert image.mode == "LA"
    assert grey(la) == grey(image) == [[127, 244]]
    assert colours(image) == [[[127] * 3, [244] * 3]]
    assert numbers(decode_image(image, 4)) == [[[0, 0, 0, 128], [200, 200, 200, 51]]]


@pytest.mark.parametrize("mode", ["RGBa", "La"])
def test_premultiplied_alpha(mode: str) -> None:
    plain = Image.fromarray(np.array([[[100, 100, 100, 255], [0, 0, 0, 0]]], np.uint8))
    image = plain.convert(mode) if mode == "RGBa" else plain.convert("LA").convert("La")
    assert grey(image) == [[100, 255]]


def test_palette_without_transparency() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([1, 0])
    expected = [[[40, 50, 60], [10, 20, 30]]]
    assert colours(image) == colours(saved(image, "PNG")) == colours(saved(image, "GIF")) == expected


def test_palette_with_transparency() -> None:
    """One index, or an alpha for each: 10 at 128 is (1280 + 255 * 127) / 255 = 132.02."""
    palette = (b"PLTE", bytes([10, 10, 10, 0, 0, 0]))
    one = png([b"\x40"], 2, 1, 3, (palette, (b"tRNS", b"\xff\x00")))
    assert grey(one) == [[10, 255]]
    each = png([b"\x40"], 2, 1, 3, (palette, (b"tRNS", b"\x80\x40")))
    assert grey(each) == [[132, 191]]
    assert numbers(decode_image(each, 4)) == [[[10, 10, 10, 128], [0, 0, 0, 64]]]


def test_transparent_gif() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([1, 0])
    assert colours(saved(image, "GIF", transparency=1)) == [[[255] * 3, [10, 20, 30]]]


@pytest.mark.parametrize(
    ("depth", "row", "key", "expected"),
    [
        (1, b"\x40", 0, [255, 255]),
        (1, b"\x40", 1, [0, 255]),
        (2, b"\x1b", 1, [0, 255, 170, 255]),
        (4, b"\x3c", 3, [255, 204]),
        (8, b"\x03\x0c", 12, [3, 255]),
        (16, struct.pack(">HH", 0x1234, 257), 0x1234, [255, 1]),
        (16, struct.pack(">HH", 0x1234, 257), 0x1200, [18, 1]),
    ],
)
def test_a_transparent_grey(depth: int, row: bytes, key: int, expected: list[int]) -> None:
    """PNG's tRNS for grey images; in 2 bits 1 is 85 of 255, in 4 bits 3 is 51. 0x1234 / 257 is 18.1."""
    file = png([row], len(expected), depth, 0, ((b"tRNS", struct.pack(">H", key)),))
    assert grey(file) == [expected]


def test_a_transparent_colour() -> None:
    file = png([bytes([1, 2, 3, 4, 5, 6])], 2, 8, 2, ((b"tRNS", struct.pack(">HHH", 1, 2, 3)),))
    assert colours(file) == [[[255] * 3, [4, 5, 6]]]
    assert numbers(decode_image(file, 4)) == [[[1, 2, 3, 0], [4, 5, 6, 255]]]


def test_a_transparent_colour_of_sixteen_bits_is_refused() -> None:
    file = png([struct.pack(">HHH", 1, 2, 3)], 1, 16, 2, ((b"tRNS", struct.pack(">HHH", 1, 2, 3)),))
    with pytest.raises(ImageError, match="its transparent colour has 16 bits"):
        decode_image(file)
    loaded = Image.new("RGB", (1, 1))  # Pillow no longer tells how the file held its pixels
    loaded.info["transparency"] = (65535, 0, 0)
    with pytest.raises(ImageError, match="its transparent colour has 16 bits"):
        decode_image(loaded)


def test_transparency_turns_with_its_image() -> None:
    image = Image.fromarray(np.dstack([CORNER, 255 - CORNER]))
    assert np.argwhere(np.asarray(decode_image(oriented(image, 6), 1)) == 255).tolist() == [[0, 1]]


# Colours


def test_grey_of_colours_is_by_their_brightness() -> None:
    """ITU-R 601: 0.299 * 255 = 76.2, 0.587 * 255 = 149.7, 0.114 * 255 = 29.1."""
    image = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    assert grey(image) == [[76, 150, 29]]


def test_printers_colours() -> None:
    """(255 - ink) * (255 - black) / 255."""
    image = Image.new("CMYK", (1, 1), (255, 0, 51, 51))
    assert colours(image) == [[[0, 204, 163]]]


def test_other_colours() -> None:
    assert colours(Image.new("YCbCr", (1, 1), (90, 128, 128))) == [[[90] * 3]]
    assert colours(Image.new("HSV", (1, 1), (0, 255, 200))) == [[[200, 0, 0]]]
    assert colours(Image.new("RGBX", (1, 1), (1, 2, 3, 0))) == [[[1, 2, 3]]]


def test_colours_of_sixteen_bits() -> None:
    assert colours(png([struct.pack(">HHH", 65535, 0, 0x8080)], 1, 16, 2)) == [[[255, 0, 128]]]
    assert colours(np.array([[[65535, 0, 0x8080]]], np.uint16)) == [[[255, 0, 128]]]


def test_four_channels_of_an_opaque_image() -> None:
    assert numbers(decode_image(np.array([[7]], np.uint8), 4)) == [[[7, 7, 7, 255]]]


def test_an_array_with_an_axis_for_one_channel() -> None:
    assert grey(CORNER[:, :, None]) == CORNER.tolist()


def test_only_the_first_picture_of_a_film() -> None:
    frames = [Image.new("L", (2, 2), value) for value in (10, 200)]
    assert grey(saved(frames[0], "GIF", save_all=True, append_images=frames[1:])) == [[10, 10]] * 2


# Sources


def test_paths_bytes_and_images_are_one(tmp_path: Any) -> None:
    path = tmp_path / "corner.png"
    path.write_bytes(saved(Image.fromarray(CORNER), "PNG"))
    for source in (path, str(path), path.read_bytes(), bytearray(path.read_bytes()), Image.open(path)):
        assert grey(source) == CORNER.tolist()
    assert numbers(open_image(path, 1)) == CORNER.tolist()
    check_header(path)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, r"^an image: it is None, which is no image\. Give a file, its bytes, an array"),
        (7, r"^an image: it is of the type int, which is no image\."),
        ([1, 2], "it is of the type list"),
        ("nowhere.png", r"^the image nowhere\.png: there is no such file\. Correct the path$"),
        (b"", r"^an image of 0 bytes: it is none of the formats that are read \(.*JPEG.*\)\. Remove it"),
        (b"GIF89a", r"^an image of 6 bytes: it"),
        (b"<svg/>", "it is none of the formats that are read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "none of the formats that are read"),
        (
            np.zeros((0, 5), np.uint8),
            r"^an image as an array \[0, 5\] of uint8: it is 5 x 0: it has no pixels\.",
        ),
        (np.zeros((9, 9, 5), np.uint8), r"its shape is neither .* channels\]\. Give a file"),
        (np.zeros((3, 8, 8), np.uint8), r"neither .* Transpose it, so that the channels come last$"),
        (np.zeros(5, np.uint8), "its shape is neither"),
        (np.zeros((1, 2, 2, 3), np.uint8), "its shape is neither"),
        (Image.new("LAB", (1, 1)), r"^a PIL image of mode LAB, 1 x 1: its mode LAB has no rule"),
        (Image.new("L", (0, 3)), "it is 0 x 3: it has no pixels"),
    ],
)
def test_what_is_no_image(source: Any, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        decode_image(source)


def test_a_folder_is_no_image(tmp_path: Any) -> None:
    with pytest.raises(ImageError, match=r"it is a folder\. Give a file$"):
        open_image(tmp_path)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
def test_truncated_files(form: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    file = saved(Image.fromarray(noise), form)
    for part in (0.1, 0.5, 0.9):
        with pytest.raises(ImageError, match=rf"^an image of {int(len(file) * part)} bytes: it "):
            decode_image(file[: int(len(file) * part)])


def test_decompression_bomb() -> None:
    """A PNG of 30,000 x 30,000 pixels in 100 bytes."""
    file = png([b""], 30_000, 8, 0).replace(struct.pack(">II", 30_000, 1), struct.pack(">II", 30_000, 30_000))
    header = file[12:29]
    file = file.replace(file[29:33], struct.pack(">I", zlib.crc32(header)), 1)
    with pytest.raises(ImageError, match=r"it has more than 178956970 pixels\. Give a smaller one$"):
        decode_image(file)
    with pytest.raises(ImageError, match=r"30000 x 30000: more than 178956970 pixels"):
        decode_image(np.broadcast_to(np.uint8(0), (30_000, 30_000)))


@pytest.mark.parametrize("channels", [0, 2, 5])
def test_channels_that_no_model_takes(channels: int) -> None:
    with pytest.raises(InputError, match=rf"^an image of {channels} channels: a model takes 1, 3 or 4"):
        decode_image(CORNER, channels)
