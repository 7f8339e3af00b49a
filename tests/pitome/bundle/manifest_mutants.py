"""Every way to rewrite one place of a manifest: what is there goes, or becomes something else."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Place = tuple[str | int, ...]

_OF_NUMBERS = (
    -1,
    0,
    1,
    3,
    10**6,
    10**15,
    -(10**15),
    2**70,
    0.5,
    1e300,
    float("nan"),
    float("inf"),
    True,
    "1",
)
_OF_TEXTS = ("", "x", "x" * 5000, "../../x", "/etc/passwd", "\u001b[31m\u0000", 3, None)


@dataclass(frozen=True)
class Mutant:
    """A manifest with one place rewritten."""

    place: Place
    change: str
    text: bytes

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.place))} {self.change}"


def mutants(document: dict[str, Any]) -> Iterator[Mutant]:
    """All of a document."""
    for place in _places(document, ()):
        for change, changed in _changed(document, place):
            text = json.dumps(changed).encode()
            yield Mutant(place, change, text)
        if isinstance(place[-1], str):
            yield Mutant(place, "twice", _twice(document, place))


def value_at(document: Any, place: Place) -> Any:
    """What stands at a place."""
    for part in place:
        document = document[part]
    return document


def _places(value: Any, place: Place) -> Iterator[Place]:
    if place:
        yield place
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _places(inner, (*place, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            if number < 2 or number == len(value) - 1:  # what lies between is like them
                yield from _places(inner, (*place, number))


def _changed(document: dict[str, Any], place: Place) -> Iterator[tuple[str, dict[str, Any]]]:
    *_, last = place

    def edited(change: Any) -> dict[str, Any]:
        made = copy.deepcopy(document)
        change(value_at(made, place[:-1]))
        return made

    def replaced(value: Any) -> dict[str, Any]:
        return edited(lambda holder: holder.__setitem__(last, value))

    yield "deleted", edited(lambda holder: holder.__delitem__(last))
    value = value_at(document, place)
    for name, other in _others(value):
        yield name, replaced(other)
    holder = value_at(document, place[:-1])
    if isinstance(holder, dict):
        for sibling, other in holder.items():
            if sibling > last and type(other) is type(value) and other != value:
                made = replaced(other)
                value_at(made, place[:-1])[sibling] = value
                yield f"swapped with {sibling}", made


def _others(value: Any) -> Iterator[tuple[str, Any]]:
    found: list[Any] = [None, [], {}]
    if isinstance(value, bool):
        found += [not value, int(value), str(value)]
    elif isinstance(value, int | float):
        found += [*_OF_NUMBERS, float(value), value + 1, value * 2, str(value)]
    elif isinstance(value, str):
        found += [*_OF_TEXTS, [value]]
    elif isinstance(value, list):
        found += [
            value[::-1],
            value * 2,
            [*value, *value[:1]],
            value[:-1],
            {"0": value},
            [[]],
            ["x"],
            [-1],
            "x",
            1,
        ]
    elif isinstance(value, dict):
        found += [{**value, "unknown": 1}, {**value, "": None}, list(value.values()), "x", 1, True]
    else:
        found += [0, 1, -1, 0.5, "x", "", True, [1], {"a": 1}, 2**70]
    seen = {json.dumps(value)}
    for other in found:
        text = json.dumps(other)
        if text not in seen:
            seen.add(text)
            yield f"becomes {text[:40]}", other


def _twice(document: dict[str, Any], place: Place) -> bytes:
    """The document with a key that stands in its object twice."""
    marked = copy.deepcopy(document)
    holder = value_at(marked, place[:-1])
    value = holder.pop(place[-1])
    holder["\0"] = value
    key, mark, found = (json.dumps(each) for each in (place[-1], "\0", value))
    return json.dumps(marked).replace(f"{mark}: {found}", f"{key}: {found}, {key}: {found}").encode()
