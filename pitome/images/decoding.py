"""Any image as 8 bits in the channels that a model takes: the step before a checkpoint's own preprocessing.

The rules, in their order; docs/preprocessing.md says them to the user:

1. An image is turned as its EXIF orientation says.
2. Depth becomes 8 bits by the range of the type: 65,535 is white in 16 bits. A float image has no such range:
   its own minimum becomes black and its own maximum white, which is remarked.
3. What is transparent is laid over white; a model of four channels keeps its alpha instead.
4. The colours become grey, RGB or RGBA.

Nothing is guessed beyond that: an image that can't be read so is refused with the reason.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pitome.errors import ImageError, InputError
from pitome.images.depth import to_eight_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    ImageSource = str | os.PathLike[str] | bytes | NDArray[Any] | Image
    """A file's path or content, an array [H, W] or [H, W, 1 to 4], or Pillow's image."""

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Channels of a model -> Pillow's mode of a decoded image."""
MAX_PIXELS = 178_956_970
"""Of an image before it is resized: where Pillow, too, takes a file for a decompression bomb."""
_FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TGA", "TIFF", "WEBP")
"""Formats of files that are read. Pillow knows others that start programs (EPS) or fetch fonts."""
_WHOLE_ONE = "Remove it, or replace it by a whole one"
_GIVE = "Give a file, its bytes, an array [height, width] or [height, width, channels], or a PIL image"


@dataclass(frozen=True)
class Decoded:
    """An image of 8 bits, and what was assumed to make it one."""

    image: Image
    """Of mode L, RGB or RGBA, as many channels as were asked for."""
    remark: str | None = None
    """Such as "a float image, scaled by its own minimum and maximum"."""


def decode_image(source: ImageSource, channels: int = 3) -> Image:
    """The image of ``source`` in mode L, RGB or RGBA (1, 3 or 4 channels), 8 bits.

    Raises:
        ImageError: as `decode`.
    """
    return decode(source, channels).image


def open_image(path: str | os.PathLike[str], channels: int = 3) -> Image:
    """The image in a file, as `decode_image`.

    Raises:
        ImageError: as `decode`.
    """
    return decode(Path(path), channels).image


def decode(source: ImageSource, channels: int = 3, asked: str | None = None) -> Decoded:
    """An image by the rules of this file.

    Args:
        source: a file's path or its bytes, an array [H, W] or [H, W, 1 to 4], or a PIL image.
        channels: that the model takes: 1 (grey), 3 (RGB) or 4 (RGB and alpha).
        asked: what an error says that was asked for; None = the source by its path or kind.

    Raises:
        ImageError: no image, one that is damaged, empty or larger than `MAX_PIXELS`, or one whose numbers
            or colours have no rule here.
    """
    if channels not in MODES:
        raise InputError(
            f"an image of {channels} channels", "a model takes 1, 3 or 4", "Choose another checkpoint"
        )
    asked = asked or named(source)
    if isinstance(source, np.ndarray):
        return _decode_array(source, asked, channels)
    from PIL import Image

    if isinstance(source, Image.Image):
        with _as_image_error(asked):
            return _decode_opened(source, asked, channels)
    if not isinstance(source, str | os.PathLike | bytes | bytearray | memoryview):
        raise ImageError(asked, f"it is {_kind(source)}, which is no image", _GIVE)
    with _as_image_error(asked), _opened(source) as image:
        return _decode_opened(image, asked, channels)


def check_header(path: str | os.PathLike[str]) -> None:
    """Refuse a file that does not begin as an image does, without decoding it.

    Raises:
        ImageError: there is none, it is no image, or it is larger than `MAX_PIXELS`.
    """
    asked = named(path)
    with _as_image_error(asked), _opened(path) as image:
        _check_size(image.size, asked)


def named(source: object) -> str:
    """What an error calls an image."""
    from PIL import Image

    if isinstance(source, str | os.PathLike):
        try:
            return f"the image {os.fspath(source)}"
        except TypeError:  # a path-like object that gives something else; `decode` refuses it
            return "an image"
    if isinstance(source, bytes | bytearray | memoryview):
        return f"an image of {len(source)} bytes"
    if isinstance(source, np.ndarray):
        return f"an image as an array {list(source.shape)} of {source.dtype}"
    if isinstance(source, Image.Image):
        return f"a PIL image of mode {source.mode}, {source.width} x {source.height}"
    return "an image"


def _kind(value: object) -> str:
    return "None" if value is None else f"of the type {type(value).__name__}"


def _opened(source: str | os.PathLike[str] | bytes | bytearray | memoryview) -> Image:
    from PIL import Image

    if not isinstance(source, str | os.PathLike):
        return Image.open(io.BytesIO(source), formats=_formats())
    mode = os.stat(source).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # a pipe would be waited for, a device has no end
        raise ImageError(named(source), "it is a pipe or a device", "Give a file")
    return Image.open(source, formats=_formats())


@cache
def _formats() -> tuple[str, ...]:
    """Those of `_FORMATS` that the installed Pillow was built with."""
    from PIL import Image

    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


@contextmanager
def _as_image_error(asked: str) -> Iterator[None]:
    """Pillow's readers raise what a damaged file makes of them: nearly every class of error was seen."""
    from PIL import Image, UnidentifiedImageError

    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise ImageError(asked, "there is no such file", "Correct the path") from None
    except IsADirectoryError:
        raise ImageError(asked, "it is a folder", "Give a file") from None
    except UnidentifiedImageError:
        known = ", ".join(_formats())
        raise ImageError(asked, f"it is none of the formats that are read ({known})", _WHOLE_ONE) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError(asked, f"it has more than {MAX_PIXELS} pixels", "Give a smaller one") from None
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ImageError(asked, f"it can't be decoded ({reason})", _WHOLE_ONE) from error


def _check_size(size: tuple[int, int], asked: str) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(asked, f"it is {width} x {height}: it has no pixels", _WHOLE_ONE)
    if width * height > MAX_PIXELS:
        raise ImageError(
            asked, f"it is {width} x {height}: more than {MAX_PIXELS} pixels", "Give a smaller one"
        )


def _decode_array(array: NDArray[Any], asked: str, channels: int) -> Decoded:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4)):
        first = array.ndim == 3 and array.shape[0] in (1, 2, 3, 4)
        raise ImageError(
            asked,
            "its shape is neither [height, width] nor [height, width, 1 to 4 channels]",
            "Transpose it, so that the channels come last" if first else _GIVE,
        )
    _check_size((array.shape[1], array.shape[0]), asked)
    planes = array if array.ndim == 3 else array[:, :, None]
    has_alpha = planes.shape[2] in (2, 4)
    if has_alpha and np.issubdtype(array.dtype, np.floating):
        raise ImageError(asked, "float numbers have no known range for alpha", "Give it as uint8")
    eight, remark = to_eight_bits(planes, asked)
    alpha = eight[:, :, -1] if has_alpha else None
    return Decoded(_in_channels(eight[:, :, :-1] if has_alpha else eight, alpha, channels), remark)


def _decode_opened(image: Image, asked: str, channels: int) -> Decoded:
    _check_size(image.size, asked)
    source = _Source.of(image)
    image.load()
    image = _turned(image)
    remark = None
    if source.depth is not None:
        values = np.asarray(image)
        alpha = _alpha_of_key(values[:, :, None], image.info.get("transparency"), asked)
        eight, remark = to_eight_bits(values[:, :, None], asked, source.depth)
        return Decoded(_in_channels(eight, alpha, channels), remark)
    grey_or_colours, alpha = _eight_bit_planes(image, source, asked)
    return Decoded(_in_channels(grey_or_colours, alpha, channels), remark)


@dataclass(frozen=True)
class _Source:
    """What Pillow knows of a file until its pixels are loaded."""

    raw: str
    """How the file holds its pixels, such as "L;2" or "RGB;16B"; empty where there is no file."""
    depth: int | None
    """The largest number, of images of one channel with more than 8 bits; 0 for float. None for 8 bits."""

    @classmethod
    def of(cls, image: Image) -> _Source:
        tile = getattr(image, "tile", None)
        arguments = tile[0][3] if tile else None
        first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
        raw = first if isinstance(first, str) else ""
        if image.mode.startswith("I;16"):
            return cls(raw, 2**12 - 1 if raw.startswith("I;12") else 2**16 - 1)
        if image.mode == "F":
            return cls(raw, 0)
        if image.mode != "I":
            return cls(raw, None)
        if getattr(image, "format", None) == "PPM":  # its numbers of 9 to 16 bits are scaled to 16
            return cls(raw, 2**16 - 1)
        if raw.startswith("I;16"):
            return cls(raw, 2**15 - 1 if raw.endswith("S") else 2**16 - 1)
        return cls(raw, 2**31 - 1)


def _turned(image: Image) -> Image:
    """As the EXIF orientation says; one that can't be read says nothing."""
    from PIL import ExifTags, Image

    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # damaged metadata around a whole image
        return image
    method = turns.get(orientation) if isinstance(orientation, int) else None
    return image if method is None else image.transpose(method)


def _eight_bit_planes(
    image: Image, source: _Source, asked: str
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Grey [H, W, 1] or colours [H, W, 3], and alpha [H, W] where something is transparent."""
    mode, key = image.mode, image.info.get("transparency")
    if mode in ("P", "PA", "RGBa", "RGBA"):
        planes = np.asarray(image.convert("RGBA"))
        return planes[:, :, :3], planes[:, :, 3]
    if mode in ("La", "LA"):
        planes = np.asarray(image.convert("LA"))
        return planes[:, :, :1], planes[:, :, 1]
    if mode in ("1", "L"):
        grey = np.asarray(image.convert("L"))[:, :, None]
        # PNG keeps the transparent grey in the file's 2 or 4 bits; the pixels come in 8.
        factor = {"L;2": 85, "L;4": 17}.get(source.raw, 1)
        return grey, _alpha_of_key(grey, key * factor if isinstance(key, int) else key, asked)
    if mode == "RGB":
        beyond = isinstance(key, tuple) and any(each > 255 for each in key)
        if key is not None and (beyond or source.raw.startswith("RGB;16")):
            raise ImageError(
                asked,
                "its transparent colour has 16 bits, and its pixels can be read in 8 only",
                "Save it with an alpha channel",
            )
        colours = np.asarray(image)
        return colours, _alpha_of_key(colours, key, asked)
    if mode in ("RGBX", "CMYK", "YCbCr", "HSV"):
        return np.asarray(image.convert("RGB")), None
    raise ImageError(asked, f"its mode {mode} has no rule", "Convert it to RGB")


def _alpha_of_key(planes: NDArray[Any], key: object, asked: str) -> NDArray[np.uint8] | None:
    """Alpha [H, W]: 0 where planes [H, W, C] have the colour ``key``; None where there is no key."""
    if key is None:
        return None
    colour = key if isinstance(key, tuple | list) else (key,)
    if len(colour) != planes.shape[2] or not all(isinstance(each, int) for each in colour):
        raise ImageError(asked, f"its transparent colour is {key!r}", "Save it with an alpha channel")
    return np.where((planes == np.asarray(colour)).all(axis=2), 0, 255).astype(np.uint8)


def _in_channels(colours: NDArray[np.uint8], alpha: NDArray[np.uint8] | None, channels: int) -> Image:
    """Grey [H, W, 1] or colours [H, W, 3] with alpha [H, W] as an image of so many channels."""
    from PIL import Image

    if channels == 4:
        if colours.shape[2] == 1:
            colours = np.repeat(colours, 3, axis=2)
        if alpha is None:
            alpha = np.full(colours.shape[:2], 255, np.uint8)
        return Image.fromarray(np.dstack([colours, alpha]))
    if alpha is not None:
        colours = _over_white(colours, alpha)
    plain = Image.fromarray(np.ascontiguousarray(colours[:, :, 0] if colours.shape[2] == 1 else colours))
    return plain if plain.mode == MODES[channels] else plain.convert(MODES[channels])


def _over_white(colours: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """c a + 255 (255 - a), divided by 255 and rounded to the nearest."""
    if (alpha == 255).all():
        return colours
    opacity = alpha[:, :, None].astype(np.uint32)
    mixed: NDArray[np.uint8] = ((colours * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)
    return mixed
