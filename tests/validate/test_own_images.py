"""Folders of images as users have them: nested, linked, mixed with other files, and with damaged ones."""

from __future__ import annotations

import base64
import io
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pitome.errors import InputError
from pitome.models.preprocessing import make_preprocess
from pitome.validate import own_images
from pitome.validate.own_data import OwnSamples, Reference, check_own_data
from pitome.validate.own_images import list_images, read_images

PLAIN = make_preprocess(8, ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)))


def write(path: Path, level: int = 0, size: tuple[int, int] = (10, 12), **options: object) -> Path:
    """A grey image; its level can be read from the tensor."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, level).save(path, **options)
    return path


def read(folder: Path, limit: int | None = None, seed: int = 0) -> OwnSamples:
    reference = Reference.parse(f"images:{folder}")
    assert reference is not None
    return read_images(reference, PLAIN, limit, seed, lambda *_: None)


def levels(samples: OwnSamples) -> list[int]:
    pixels = samples.load(range(len(samples))).inputs["pixel_values"]
    return [round(255 * float(value)) for value in pixels[:, 0, 4, 4]]


def skipped(samples: OwnSamples) -> dict[str, tuple[int, tuple[str, ...]]]:
    return {part.reason: (part.count, part.names) for part in samples.record.skipped}


def test_flat_and_nested_folders_in_the_order_of_their_names(tmp_path: Path) -> None:
    for level, name in enumerate(["b.png", "a/z.png", "a/deep/er/1.png", "a.png", "c d/\u00fc.png"]):
        write(tmp_path / name, 10 * level)
    samples = read(tmp_path)
    assert samples.names == ("a.png", "a/deep/er/1.png", "a/z.png", "b.png", "c d/\u00fc.png")
    assert levels(samples) == [30, 20, 10, 0, 40]
    assert (samples.record.found, samples.record.used, samples.record.skipped) == (5, 5, ())
    assert (samples.record.limit, samples.record.chosen) == (None, ())


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "png", "webp", "bmp", "tif", "TIFF", "gif", "ppm", "pgm"])
def test_every_kind_of_file(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / f"image.{suffix}", 100)
    assert levels(read(tmp_path)) == [100]


@pytest.mark.parametrize("suffix", ["gif", "tiff", "webp"])
def test_of_several_frames_the_first(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (10, 10), (level,) * 3) for level in (20, 200, 90)]
    frames[0].save(tmp_path / f"film.{suffix}", save_all=True, append_images=frames[1:])
    assert levels(read(tmp_path)) == [pytest.approx(20, abs=2)]


def test_what_is_left_out_is_counted_and_named(tmp_path: Path) -> None:
    write(tmp_path / "good.png", 7)
    write(tmp_path / ".hidden.png")
    write(tmp_path / ".cache" / "x.png")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "noname").write_bytes(b"x")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("no image at all")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    (tmp_path / "cut.png").write_bytes(file.getvalue()[:3000])
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "itself.png").symlink_to(tmp_path / "itself.png")
    os.mkfifo(tmp_path / "pipe.png")
    samples = read(tmp_path)
    assert samples.names == ("good.png",)
    assert samples.record.found == 4, "what is named as an image, and can be one"
    assert skipped(samples) == {
        "hidden": (2, (".cache", ".hidden.png")),
        "with a name that does not end as an image's does": (2, ("noname", "notes.txt")),
        "a link that leads nowhere": (2, ("itself.png", "nowhere.png")),
        "no regular file": (1, ("pipe.png",)),
        own_images.EMPTY: (1, ("empty.jpg",)),
        own_images.UNKNOWN: (1, ("text.jpg",)),
        own_images.DAMAGED: (1, ("cut.png",)),
    }


def test_links_are_followed_once(tmp_path: Path) -> None:
    write(tmp_path / "data" / "a.png", 5)
    write(tmp_path / "elsewhere" / "b.png", 6)
    (tmp_path / "data" / "loop").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "linked-again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "c.png").symlink_to(tmp_path / "elsewhere" / "b.png")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path)
    samples = read(tmp_path / "data")
    assert samples.names == ("a.png", "c.png", "linked/b.png")
    assert levels(samples) == [5, 6, 6]


@pytest.mark.slow
def test_folders_deeper_than_pythons_stack(tmp_path: Path) -> None:
    before, folder = Path.cwd(), tmp_path
    try:
        os.chdir(tmp_path)
        for _ in range(1100):
            os.mkdir("d")
            os.chdir("d")
            if len(str(folder)) < 3900:
                folder /= "d"
        os.chdir(before)
        write(folder / "deep.png", 9)
        found = list_images(tmp_path)
        assert [path.name for path in found.paths] == ["deep.png"]
    finally:
        os.chdir(before)
        subprocess.run(["rm", "-r", tmp_path / "d"], check=True)  # deeper than shutil.rmtree goes


@pytest.mark.parametrize("name", ["with : colon", "a b", "\u5199\u771f", "new\nline", "[red]", "-dash", "~"])
def test_names_of_folders(tmp_path: Path, name: str) -> None:
    write(tmp_path / name / name / f"{name}.png", 3)
    samples = read(tmp_path / name)
    assert samples.names == (f"{name}/{name}.png",)
    assert samples.record.data == f"images:{tmp_path / name}"


def test_a_name_that_is_no_utf8_can_be_told(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    image = io.BytesIO()
    Image.new("L", (8, 8), 4).save(image, "PNG")
    with open(folder + b"/\xff.png", "wb") as file:
        file.write(image.getvalue())
    samples = read(Path(os.fsdecode(folder)))
    assert samples.names == ("\\xff.png",)
    assert samples.record.data.endswith("caf\\xe9")
    assert samples.record.model_dump_json()
    assert levels(samples) == [4]


def test_the_home_folder_and_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "photos" / "a.png", 8)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for text in ("images:~/photos", "images:photos", "images:./photos/../photos/"):
        reference = check_own_data(text)
        assert reference is not None
        assert levels(read_images(reference, PLAIN, None, 0, lambda *_: None)) == [8]


def test_a_limit_chooses_by_the_seed_and_says_which(tmp_path: Path) -> None:
    for level in range(20):
        write(tmp_path / f"{level:02}.png", level)
    five, again, ten, other = (read(tmp_path, *args) for args in ((5,), (5,), (10,), (5, 1)))
    assert five.names == again.names == five.record.chosen
    assert sorted(five.names) == list(five.names)
    assert set(five.names) < set(ten.names)
    assert other.names != five.names
    assert (five.record.found, five.record.used, five.record.limit, five.record.seed) == (20, 5, 5, 0)
    assert read(tmp_path, 20).record.limit is None, "nothing was left out"


def test_nothing_is_taken_in_place_of_a_damaged_image(tmp_path: Path) -> None:
    for level in range(20):
        write(tmp_path / f"{level:02}.png", level)
    before = read(tmp_path, 5)
    (tmp_path / before.names[2]).write_bytes(b"damaged")
    after = read(tmp_path, 5)
    assert after.names == (*before.names[:2], *before.names[3:])
    assert skipped(after) == {own_images.UNKNOWN: (1, (before.names[2],))}


def test_the_digest_is_that_of_names_and_contents(tmp_path: Path) -> None:
    for level in range(4):
        write(tmp_path / f"{level}.png", level)
    first = read(tmp_path).record.data_sha256
    assert read(tmp_path).record.data_sha256 == first
    (tmp_path / "notes.txt").write_text("no image")
    assert read(tmp_path).record.data_sha256 == first
    write(tmp_path / "3.png", 4)
    changed = read(tmp_path).record.data_sha256
    (tmp_path / "3.png").rename(tmp_path / "4.png")
    assert len({first, changed, read(tmp_path).record.data_sha256}) == 3


def test_large_sets_are_decoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for level in range(4):
        write(tmp_path / f"{level}.png", level)
    monkeypatch.setattr(own_images, "KEPT_BYTES", 3 * 3 * 8 * 8 * 4)
    samples = read(tmp_path)
    assert levels(samples) == [0, 1, 2, 3]
    (tmp_path / "2.png").unlink()
    with pytest.raises(InputError) as error:
        levels(samples)
    assert f"the image {tmp_path / '2.png'}: it could be used before, and is not readable now" in str(
        error.value
    )


def test_images_are_decoded_by_the_rules_of_all_images(tmp_path: Path) -> None:
    """Turned by EXIF, transparency over white, 16 bits by their range, floats by their own and said."""
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    pixels = np.zeros((8, 8), np.uint8)
    pixels[4:] = 200
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "b.png")
    Image.fromarray(np.full((8, 8), 257 * 60, np.uint16)).save(tmp_path / "c.png")
    Image.fromarray(np.linspace(-1, 3, 64, dtype=np.float32).reshape(8, 8)).save(tmp_path / "d.tiff")
    with pytest.warns(UserWarning, match="1 of the images of images:.* are each a float image"):
        samples = read(tmp_path)
    found = samples.load(range(4)).inputs["pixel_values"] * 255
    assert found[0, 0, 1, 1].item() == pytest.approx(200)
    assert found[0, 0, 7, 1].item() == pytest.approx(0)
    assert found[1].mean().item() == pytest.approx(255)
    assert found[2].mean().item() == pytest.approx(60)
    assert (found[3].min().item(), found[3].max().item()) == pytest.approx((0, 255))


def test_an_image_that_would_be_huge_after_its_resize_is_left_out(tmp_path: Path) -> None:
    write(tmp_path / "good.png", 7)
    Image.new("L", (50_000_000, 1)).save(tmp_path / "line.png")
    assert skipped(read(tmp_path)) == {own_images.TOO_LARGE: (1, ("line.png",))}


def test_a_small_picture(tmp_path: Path) -> None:
    write(tmp_path / "wide.png", 50, (600, 200))
    shown = read(tmp_path).shown(0)
    prefix, _, content = shown.partition(",")
    assert prefix == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(content))).size == (144, 48)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda path: None, "there is no folder"),
        (lambda path: path.write_text("x"), "is no folder"),
        (os.mkfifo, "is no folder"),
        (lambda path: path.mkdir(), "there is no image in it. Put images there (.jpg, .jpeg"),
        (lambda path: path.symlink_to(path), "can't be read (Too many levels of symbolic links)"),
        (
            lambda path: (path.mkdir(), (path / "a.txt").touch(), (path / ".b.png").touch()),
            "there is no image in it; left out: 1 hidden (.b.png); "
            "1 with a name that does not end as an image's does (a.txt)",
        ),
        (
            lambda path: (path.mkdir(), (path / "a.png").write_text("x"), (path / "b.png").touch()),
            "none of the 2 images that were chosen can be used: 1 empty (b.png); 1 no image that Pillow can",
        ),
    ],
)
def test_folders_that_are_refused(tmp_path: Path, make, found: str) -> None:
    make(tmp_path / "photos")

    def use(folder: Path) -> None:
        check_own_data(f"images:{folder}")
        read(folder)

    with pytest.raises(InputError) as error:
        use(tmp_path / "photos")
    assert str(error.value).startswith(f"images:{tmp_path / 'photos'}: ")
    assert found in str(error.value)


def test_names_that_are_told_are_few(tmp_path: Path) -> None:
    write(tmp_path / "good.png")
    for number in range(12):
        (tmp_path / f"{number:02}.txt").touch()
    ((count, names),) = skipped(read(tmp_path)).values()
    assert count == 12
    assert names == tuple(f"{number:02}.txt" for number in range(10))
