"""The merge methods: one file each in this folder, found by itself. Imports no torch.

To add one, write its file with a class that is decorated with `register`; nothing else names it.
"""

from __future__ import annotations

from dataclasses import fields
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, TypeVar

from pitome.errors import InputError
from pitome.methods.base import Decision, Merger, Method, Restore
from pitome.settings import MergeSettings

if TYPE_CHECKING:
    from pitome.models.family import Family

__all__ = [
    "Decision",
    "Merger",
    "Method",
    "Restore",
    "all_methods",
    "baseline_method",
    "make_method",
    "method_class",
    "method_names",
    "register",
]

_METHODS: dict[str, type[Method]] = {}
"""By name, of every method whose file was imported."""
_MethodClass = TypeVar("_MethodClass", bound=type[Method])


def register(method: _MethodClass) -> _MethodClass:
    """Class decorator: make a method known.

    Raises:
        TypeError: its name is another method's, or it takes a setting that does not exist. This is a mistake
            in the method's file, not the user's.
    """
    other = _METHODS.get(method.name)
    if other is not None and other.__qualname__ != method.__qualname__:
        raise TypeError(f"{method.__name__} and {other.__name__} both claim the name {method.name!r}")
    unknown = sorted({*method.takes, *method.also_takes} - {each.name for each in fields(MergeSettings)})
    if unknown:
        raise TypeError(f"{method.__name__} takes settings that do not exist: {', '.join(unknown)}")
    _METHODS[method.name] = method
    return method


def all_methods() -> tuple[type[Method], ...]:
    """Every method's class, by name."""
    _import_files()
    return tuple(method for _, method in sorted(_METHODS.items()))


def method_names() -> tuple[str, ...]:
    """The values of METHOD."""
    return tuple(method.name for method in all_methods())


def method_class(name: str) -> type[Method]:
    """The class of a method.

    Raises:
        InputError: there is none of this name.
    """
    _import_files()
    if name not in _METHODS:
        near = get_close_matches(name, method_names(), n=1)
        raise InputError(
            f"METHOD={name}",
            f"the methods are {', '.join(method_names())}",
            f"Did you mean {near[0]}" if near else "Choose one of these",
        )
    return _METHODS[name]


def baseline_method() -> type[Method]:
    """The one that the others are compared with."""
    (found,) = (method for method in all_methods() if method.baseline)
    return found


def make_method(settings: MergeSettings, family: Family, num_layers: int) -> Method:
    """The method that the settings name, for a model of L layers.

    Raises:
        InputError: an unknown method, a setting that it does not take, or a family that it does not know.
    """
    return method_class(settings.method)(settings, family, num_layers)


@cache
def _import_files() -> None:
    for file in iter_modules(__path__):
        import_module(f"{__name__}.{file.name}")
