"""Paths in a manifest: none begins at the root of the machine that built, so that a bundle can move.

A folder or file is written as it is seen from the bundle's folder, ``../../my-checkpoint``: whoever moves
both finds it again. One that shares no folder but the root with the bundle is written by its name alone,
``./my-checkpoint``. Both begin with a point, so neither is taken for a preset or a hub id.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

_ABSOLUTE = re.compile(r"(?<![^=:,])~?/(?!(?<=:/)/)[^:,]*")
"""A path from the root, or from a home, at the beginning of a word or behind a sign that joins
words; no URL."""


def seen_from(folder: Path, path: Path | str) -> str:
    """A path as a folder's owner finds it, with ``/`` between folders.

    Args:
        folder: of the bundle, there or not.
        path: a folder or file, relative to where the command runs.
    """
    base, target = os.path.realpath(folder), os.path.realpath(Path(path).expanduser())
    if os.path.commonpath((base, target)) == os.path.abspath(os.sep):
        return _readable(f"./{Path(target).name}")
    found = os.path.relpath(target, base)
    return _readable(found if found.startswith("..") else f"./{found}")


def is_path(text: str) -> bool:
    """Whether `seen_from` wrote it: a preset, a hub id and a word such as "random" begin otherwise."""
    return text.startswith(("./", "../"))


def places_of(folder: Path, text: str) -> tuple[Path, ...]:
    """Where something may lie that `seen_from` named, the likeliest first.

    Args:
        folder: of the bundle, where it is now.
        text: what the manifest says.
    """
    base = Path(os.path.realpath(folder))
    places = (base / text, base.parent / Path(text).name, Path(text))
    found = dict.fromkeys(Path(os.path.normpath(place)) for place in places)
    return tuple(place for place in found if place != base)  # which has the model's name


def portable_command(command: str, folder: Path | None = None) -> str:
    """A command with every path from the root as it is seen from the folder where it was typed.

    Args:
        command: for a POSIX shell.
        folder: where it was typed; None = the process's own.
    """
    base = Path.cwd() if folder is None else folder

    def portable(found: re.Match[str]) -> str:
        return seen_from(base, found[0])

    try:
        words = shlex.split(command)
    except ValueError:  # no command of a shell
        return _readable(_ABSOLUTE.sub(portable, command))
    return _readable(shlex.join(_ABSOLUTE.sub(portable, word) for word in words))


def _readable(text: str) -> str:
    """Bytes of a name that are no UTF-8 as ``\\xff``: JSON has no word for them."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
