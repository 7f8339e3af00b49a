"""Whether a value has the type that an annotation names, and how a person is told of that type."""

from __future__ import annotations

from numbers import Integral, Real
from types import EllipsisType, NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin


def has_type(value: object, hint: object) -> bool:
    """Whether a value is of a type; numbers of numpy are numbers, True and False are none.

    Args:
        value: any.
        hint: of the types that options have: str, bool, int, float, a class, a Literal, a tuple of these, a
            union of these; an Annotated counts as what it annotates.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return has_type(value, arguments[0])
    if origin in (Union, UnionType):
        return any(has_type(value, each) for each in arguments)
    if origin is Literal:
        return any(type(value) is type(each) and value == each for each in arguments)
    if origin is tuple:
        return isinstance(value, tuple) and _have_types(value, arguments)
    if hint is int:
        return isinstance(value, Integral) and not isinstance(value, bool)
    if hint is float:
        return isinstance(value, Real) and not isinstance(value, bool)
    return isinstance(value, hint) if isinstance(hint, type) else value is hint


def _have_types(values: tuple[object, ...], hints: tuple[object, ...]) -> bool:
    if len(hints) == 2 and isinstance(hints[1], EllipsisType):
        return all(has_type(each, hints[0]) for each in values)
    return len(values) == len(hints) and all(map(has_type, values, hints))


def told_type(hint: object) -> str:
    """A type in words: "a number", "a whole number or a tuple of whole numbers"; None is not named."""
    return " or ".join(dict.fromkeys(_words(hint)))


def _words(hint: object) -> list[str]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _words(arguments[0])
    if origin in (Union, UnionType):
        words = [word for each in arguments for word in _words(each)]
        return [word for word in words if word != "a whole number" or "a number" not in words]
    if origin is Literal:
        return [repr(each) for each in arguments]
    if origin is tuple:
        count = "" if arguments[-1] is Ellipsis else f"{len(arguments)} "
        return [f"a tuple of {count}{told_type(arguments[0]).removeprefix('a ')}s"]
    if hint is NoneType:
        return []
    names = {str: "a text", bool: "True or False", int: "a whole number", float: "a number"}
    return [
        next((word for kind, word in names.items() if kind is hint), f"a {getattr(hint, '__name__', hint)}")
    ]
