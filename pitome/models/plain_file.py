"""Files of a checkpoint, opened only where they are what they have to be. Imports no torch.

A pipe would wait for ever, a device is no file, and a large file that was cloned without Git LFS is a text of
three lines that names it.
"""

from __future__ import annotations

import json
import math
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pitome.errors import InputError

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_LARGEST_JSON = 64 * 1024 * 1024
"""Bytes; the index of the largest published checkpoints has under ten MiB."""
_DEEPEST_JSON = 50
"""Brackets within brackets; published files have under ten."""
_ENCODINGS = {
    b"\xef\xbb\xbf": "begins with a byte order mark",
    b"\xff\xfe": "is UTF-16, not UTF-8",
    b"\xfe\xff": "is UTF-16, not UTF-8",
}
_FETCH_AGAIN = "Fetch the file again"


def check_plain_file(path: Path) -> None:
    """Make sure that a file can be opened and read to its end, and is no stand-in for another one.

    Raises:
        InputError: it is missing, empty, unreadable, no file but a folder, pipe or device, or a pointer of
            Git LFS.
    """
    asked = f"the file {path}"
    try:
        mode = path.stat().st_mode  # of what a link points to
        if not stat.S_ISREG(mode):
            raise InputError(asked, f"it is {_kind(mode)}, not a file", "Put the file itself there")
        with path.open("rb") as file:
            start = file.read(len(_LFS_POINTER))
    except OSError as error:
        raise InputError(
            asked, f"it can't be read ({error.strerror})", "Check the path and who may read it"
        ) from error
    if not start:
        raise InputError(asked, "it is empty", _FETCH_AGAIN)
    if start == _LFS_POINTER:
        raise InputError(
            asked,
            "it is a pointer of Git LFS, not the file itself",
            "Run `git lfs pull` in the clone, or download the file",
        )


def _kind(mode: int) -> str:
    kinds = {
        stat.S_ISDIR: "a folder",
        stat.S_ISFIFO: "a pipe",
        stat.S_ISSOCK: "a socket",
        stat.S_ISCHR: "a device",
        stat.S_ISBLK: "a device",
    }
    return next((name for is_kind, name in kinds.items() if is_kind(mode)), "of an unknown kind")


def read_json(path: Path) -> dict[str, Any]:
    """A file that holds one JSON object.

    Raises:
        InputError: as `check_plain_file`; it is no JSON object in UTF-8, is too large or too deeply nested,
            or has a key twice, or a number that is not finite.
    """
    content = _read_value(path)
    if not isinstance(content, dict):
        raise InputError(f"the file {path}", "it holds no JSON object", _FETCH_AGAIN)
    return content


def read_json_list(path: Path) -> list[Any]:
    """A file that holds one JSON list.

    Raises:
        InputError: as `read_json`, of a list.
    """
    content = _read_value(path)
    if not isinstance(content, list):
        raise InputError(f"the file {path}", "it holds no JSON list", _FETCH_AGAIN)
    return content


def _read_value(path: Path) -> Any:
    check_plain_file(path)
    asked = f"the file {path}"
    if path.stat().st_size > _LARGEST_JSON:
        raise InputError(
            asked, f"it has {path.stat().st_size} bytes, more than {_LARGEST_JSON}", _FETCH_AGAIN
        )
    raw = path.read_bytes()
    for mark, found in _ENCODINGS.items():
        if raw.startswith(mark):
            raise InputError(asked, f"it {found}", "Save it as UTF-8 without a byte order mark")
    try:
        content = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_without_duplicates,
            parse_constant=_finite_float,
            parse_float=_finite_float,
        )
        json.dumps(content, ensure_ascii=False).encode("utf-8")  # half a surrogate pair can't be shown
    except (ValueError, RecursionError) as error:  # the last one where brackets nest too deeply
        raise InputError(asked, f"it is no valid JSON ({error})", _FETCH_AGAIN) from error
    if _is_deeper(content, _DEEPEST_JSON):
        raise InputError(
            asked, f"it is no valid JSON (brackets nest deeper than {_DEEPEST_JSON})", _FETCH_AGAIN
        )
    return content


def _without_duplicates(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise ValueError(f"the key {key!r} is there twice")
        content[key] = value
    return content


def _finite_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no finite number")
    return number


def _is_deeper(value: Any, limit: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return limit == 0 or any(_is_deeper(each, limit - 1) for each in inner)
