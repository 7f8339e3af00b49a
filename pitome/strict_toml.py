"""TOML files of ours, read without any tolerance; only the standard library is needed."""

from __future__ import annotations

import datetime
import math
import tomllib
from pathlib import Path
from typing import Any

from pitome.regular_file import UnusableFileError, read_regular_file
from pitome.strict_json import place_of

LONGEST_FILE = 1024 * 1024


class NoTomlError(ValueError):
    """The file is no TOML; the message says why."""


def read_strict_toml(path: Path) -> dict[str, Any]:
    """The tables of a file that a person may have edited.

    Args:
        path: the file; a pipe is not waited for.

    Raises:
        OSError: it is not there, or can't be read.
        UnusableFileError: it is a folder, a pipe or a device, or longer than such a file is.
        NoTomlError: it is no TOML, or has a key twice.
        ValueError: it holds a date, a number that is not finite or is beyond 64 bits; the message begins with
            the key.
    """
    data = read_regular_file(path, LONGEST_FILE)
    try:
        content = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise NoTomlError(f"byte {error.start} is not UTF-8") from None
    except RecursionError:
        raise NoTomlError("it nests too deeply") from None
    except ValueError as error:  # of a number with thousands of digits a plain one
        raise NoTomlError(str(error).partition(":")[0] if len(str(error)) > 200 else str(error)) from None
    _check(content, ())
    return content


def _check(value: Any, place: tuple[str | int, ...]) -> None:
    if isinstance(value, dict):
        for key, each in value.items():
            _check(each, (*place, key))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            _check(each, (*place, number))
    elif isinstance(value, datetime.date | datetime.time):
        raise ValueError(f"{place_of(place)}: no key takes a date or a time")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{place_of(place)} = {value} should be a finite number")
    elif isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError(f"{place_of(place)}: it is beyond a whole number of 64 bits")


__all__ = ["LONGEST_FILE", "NoTomlError", "UnusableFileError", "read_strict_toml"]
