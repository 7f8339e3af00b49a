"""The version of the operator that an ONNX file is for, read without a library and without the weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pitome.errors import InputError

DOMAIN = b"pitome"
VERSION = 2
_OPSET_IMPORT = 8
"""Field of onnx.ModelProto; in onnx.OperatorSetIdProto 1 is the domain and 2 the version."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def check_operator_version(path: Path) -> None:
    """Refuse a file whose merges are of another version than this one; a file without merges passes.

    Raises:
        InputError: with both versions. A file that is no protobuf passes: whoever loads it says so.
    """
    found = operator_version(path)
    if found not in (None, VERSION):
        raise InputError(
            f"reading {path}",
            f"its merges are of version {found} of the operator pitome::EnergyMerge, and this is version "
            f"{VERSION}, whose attributes mean something else",
            "Build the bundle again with this version",
        )


def operator_version(path: Path) -> int | None:
    """The version of the domain "pitome" that a file imports; None where it imports none."""
    try:
        with path.open("rb") as file:
            for field, value in _fields(file, path.stat().st_size):
                if field == _OPSET_IMPORT and isinstance(value, bytes):
                    imported = _message(value)
                    if imported.get(1) == DOMAIN:
                        version = imported.get(2)
                        return version if isinstance(version, int) else None
    except (OSError, ValueError):
        return None
    return None


def _message(content: bytes) -> dict[int, bytes | int]:
    from io import BytesIO

    return {field: value for field, value in _fields(BytesIO(content), len(content)) if value is not None}


def _fields(file: IO[bytes], end: int) -> Iterator[tuple[int, bytes | int | None]]:
    """Number and value of each field of a protobuf message; None for long ones, which are skipped.

    Raises:
        ValueError: this is no protobuf message.
    """
    while file.tell() < end:
        key = _varint(file)
        field, kind = key >> 3, key & 7
        if kind == _VARINT:
            yield field, _varint(file)
        elif kind == _BYTES:
            length = _varint(file)
            if length > 64:  # an import is short; the graph is not
                file.seek(length, 1)
                yield field, None
            else:
                yield field, file.read(length)
        elif kind in (_FIXED32, _FIXED64):
            file.seek(4 if kind == _FIXED32 else 8, 1)
        else:
            raise ValueError(f"wire type {kind}")


def _varint(file: IO[bytes]) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("no varint")
