"""Arguments of functions that users call: flags and paths, checked before they are used. Imports no torch."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np

from pitome.errors import InputError


def as_path(given: str | os.PathLike[str], what: str) -> Path:
    """A path, of a text or a path-like object that can be one.

    Args:
        given: by the user.
        what: it is the path of, as an error says it.

    Raises:
        InputError: it is neither, or has a character that no path has, or is too long for one.
    """
    try:
        text = os.fspath(given)
    except TypeError:  # also of a path-like object that gives something else
        text = None
    if not isinstance(text, str) or "\0" in text:
        raise InputError(f"{what} {given!r}"[:200], "it is no path", "Give a path, such as build/clip-b16")
    try:
        os.lstat(text)
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            asked = f"{what} {given!r}"[:200]
            raise InputError(asked, f"it leads nowhere ({error.strerror})", "Correct the path") from None
    return Path(text)


def check_flag(name: str, value: object) -> None:
    """Refuse (InputError) what is neither True nor False: the text "no" would count as True."""
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name}={value!r}"[:200], "it is neither True nor False", "Give one of them")
