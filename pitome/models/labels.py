"""The names of a classifier's outputs, in their order. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping

LABELS_NAME = "labels.json"
_LONGEST = 1000
_MOST = 1_000_000


def ordered_labels(names: object, num_outputs: int | None = None) -> tuple[str, ...]:
    """The labels of outputs 0, 1, 2 and so on.

    Args:
        names: ``id2label`` of a configuration: a number, or a number as text, to a name.
        num_outputs: of the classifier; None = as many as there are names.

    Raises:
        ValueError: it is none; the message says why.
    """
    if not isinstance(names, Mapping) or not names:
        raise ValueError("it is no table of names")
    if len(names) > _MOST:
        raise ValueError(f"it has more than {_MOST:,} names")
    found: dict[int, str] = {}
    for key, name in names.items():
        number = _number(key)
        if number in found:
            raise ValueError(f"it names {number} twice")
        if not isinstance(name, str) or not name or len(name) > _LONGEST or "\0" in name:
            raise ValueError(f"its name of {number} is no text of 1 to {_LONGEST} characters")
        found[number] = name
    wanted = len(found) if num_outputs is None else num_outputs
    missing = next((number for number in range(wanted) if number not in found), None)
    if missing is not None:
        raise ValueError(f"it has no name for {missing}")
    if len(found) != wanted:
        raise ValueError(f"it has {len(found)} names for {wanted} outputs")
    return tuple(found[number] for number in range(wanted))


def _number(key: object) -> int:
    if isinstance(key, int) and not isinstance(key, bool):
        return key
    if isinstance(key, str) and key.isascii() and key.isdecimal() and len(key) <= 9:
        return int(key)
    raise ValueError(f"{str(key)[:40]!r} is no number of an output")


def labels_file(labels: tuple[str, ...]) -> bytes:
    """``labels.json``: a list of texts."""
    return (json.dumps(list(labels), indent=1, ensure_ascii=True) + "\n").encode()
