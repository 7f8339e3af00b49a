"""Files of images for tests, made without the code that reads them."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image


def png(
    rows: list[bytes], width: int, depth: int, colour: int, chunks: tuple[tuple[bytes, bytes], ...] = ()
) -> bytes:
    """A PNG file of packed rows; ``colour`` is PNG's type: 0 grey, 2 RGB, 3 palette, 4 grey and alpha."""
    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    found = ((b"IHDR", header), *chunks, (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in found)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    """The bytes of a file."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def oriented(image: Image.Image, orientation: int, form: str = "PNG") -> bytes:
    """A file that says how it is to be turned."""
    exif = Image.Exif()
    exif[274] = orientation
    return saved(image, form, exif=exif)


def numbers(image: Image.Image) -> list[Any]:
    """Pixels as nested lists, row by row."""
    return list(np.asarray(image).tolist())
