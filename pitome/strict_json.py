"""JSON as pitome's own files have it, read without any tolerance; only the standard library is needed.

Python's parser takes the last of two equal keys, NaN, numbers beyond every type, half characters and any
depth. Whatever of that stands in a file, nobody can say what was meant, so it is refused with its place.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

DEEPEST = 32
"""Lists and objects inside of each other; a manifest has eight."""
_LARGEST = 2**63 - 1
_LONGEST_NUMBER = 400
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class _Object(dict[str, Any]):
    """An object, and the first key that it has twice."""

    repeated: str | None = None


class _Refused:
    """What stands in place of a value that is none, until the walk can say where it stands."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def read_strict_json(data: bytes, *, portable: bool = True) -> Any:
    """The value that a text in JSON stands for.

    Args:
        data: the file.
        portable: refuse whole numbers beyond 64 bits and half characters too, which other readers of the
            file have no type for; False = take them, as Python writes them.

    Raises:
        ValueError: it is no JSON, or holds what is refused here; the message names the key's place, as in
            ``graphs[0].bytes: ...``.
    """
    if data.startswith(_BYTE_ORDER_MARK):
        raise ValueError("it begins with a byte order mark, which JSON has not")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 (byte {error.start})") from None
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_integer if portable else _any_integer,
            parse_float=_real,
        )
        _check(value, (), portable)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    return value


_TOO_DEEP = f"lists or objects lie in each other more than {DEEPEST} deep"


def place_of(parts: Sequence[str | int]) -> str:
    """A place in a document as a person finds it: ``graphs[0].plans[1].bytes``."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    found = _Object(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        found.repeated = next(name for name in names if names.count(name) > 1)
    return found


def _constant(name: str) -> _Refused:
    return _Refused(f"{name} is no number in JSON")


def _integer(text: str) -> int | _Refused:
    if len(text) > _LONGEST_NUMBER or abs(number := int(text)) > _LARGEST:
        return _Refused(f"{_short(text)} is beyond a whole number of 64 bits")
    return number


def _any_integer(text: str) -> int | _Refused:
    return int(text) if len(text) <= _LONGEST_NUMBER else _Refused(f"{_short(text)} has too many digits")


def _real(text: str) -> float | _Refused:
    number = float(text)
    return number if math.isfinite(number) else _Refused(f"{_short(text)} is beyond every floating number")


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:20]}..."


def _check(value: Any, place: tuple[str | int, ...], portable: bool) -> None:
    """ValueError with the place of the first thing that is refused."""
    if len(place) > DEEPEST:
        raise ValueError(f"{place_of(place[:3])}: {_TOO_DEEP}")
    if isinstance(value, _Refused):
        raise _at(place, value.reason)
    if isinstance(value, str) and portable:
        _check_text(value, place)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            _check(each, (*place, number), portable)
    elif isinstance(value, _Object):
        if value.repeated is not None:
            raise _at((*place, value.repeated), "the key stands there twice")
        for name, each in value.items():
            if portable:
                _check_text(name, place)
            _check(each, (*place, name), portable)


def _check_text(text: str, place: tuple[str | int, ...]) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise _at(place, "a text holds half a character (a lone surrogate)") from None


def _at(place: tuple[str | int, ...], reason: str) -> ValueError:
    where = place_of(place)[:400].encode("utf-8", "replace").decode()
    return ValueError(f"{where}: {reason}" if where else reason)
