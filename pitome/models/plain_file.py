"""Files of a checkpoint, opened only where they are what they have to be. Imports no torch.

A pipe would wait for ever, a device is no file, and a large file that was cloned without Git LFS is a text of
three lines that names it.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from pitome.errors import InputError
from pitome.regular_file import UnusableFileError, read_regular_file
from pitome.strict_json import read_strict_json

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_LARGEST_JSON = 64 * 1024 * 1024
"""Bytes; the index of the largest published checkpoints has under ten MiB."""
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


def read_json(path: Path, *, portable: bool = True) -> dict[str, Any]:
    """A file that holds one JSON object.

    Args:
        path: the file.
        portable: as `read_strict_json`; False for the files of a tokenizer, in which transformers writes a
            model_max_length of thirty digits where nobody set one.

    Raises:
        InputError: as `check_plain_file`; it is too large, or no JSON object as `read_strict_json` has it.
    """
    content = _read_value(path, portable)
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


def _read_value(path: Path, portable: bool = True) -> Any:
    check_plain_file(path)
    asked = f"the file {path}"
    try:
        raw = read_regular_file(path, _LARGEST_JSON)
        for mark, found in _ENCODINGS.items():
            if raw.startswith(mark):
                raise InputError(asked, f"it {found}", "Save it as UTF-8 without a byte order mark")
        content = read_strict_json(raw, portable=portable)
    except UnusableFileError as error:
        raise InputError(asked, f"it {error}", _FETCH_AGAIN) from error
    except ValueError as error:
        raise InputError(asked, f"it is no valid JSON ({error})", _FETCH_AGAIN) from error
    return content
