"""The families of models this project knows: one file each in this folder, found by itself.

To add one, write its file with a class that is decorated with `register`.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, TypeVar

from pitome.errors import InputError
from pitome.models.family import Family
from pitome.models.text import TextFamily
from pitome.text_inputs import TextInputs

_FAMILIES: dict[str, Family] = {}
"""Name -> the one object of each family whose file was imported."""
_FamilyClass = TypeVar("_FamilyClass", bound=type[Family])


def register(family_class: _FamilyClass) -> _FamilyClass:
    """Class decorator: make a family known.

    Raises:
        TypeError: its name or one of its types is another family's, its name is none of its types, or
            something that a loader needs is missing. This is a mistake in the family's file, not the user's.
    """
    family = family_class()
    for other in _FAMILIES.values():
        common = {family.name, *family.model_types} & {other.name, *other.model_types}
        if common and type(other).__qualname__ != family_class.__qualname__:
            raise TypeError(f"{family_class.__name__} and {type(other).__name__} both claim {min(common)!r}")
    if family.name not in family.model_types:  # a preset and a manifest name it, and find it again so
        raise TypeError(f"{family_class.__name__}'s name {family.name!r} is none of its model_types")
    if family.modality == "image" and family.default_preprocess is None:
        raise TypeError(f"{family_class.__name__} takes images and has no default_preprocess")
    lacking = sorted(set(family.architectures.values()) - set(family.outputs))
    if lacking:
        raise TypeError(f"{family_class.__name__} names no outputs for {', '.join(lacking)}")
    _FAMILIES[family.name] = family
    return family_class


def all_families() -> tuple[Family, ...]:
    """One object of every family that a MODEL may be of, by name."""
    return tuple(family for family in _known_families() if family.alone)


def _known_families() -> tuple[Family, ...]:
    """With those that are only parts of systems."""
    _import_files()
    return tuple(family for _, family in sorted(_FAMILIES.items()))


@cache
def _import_files() -> None:
    for file in iter_modules(__path__):
        import_module(f"{__name__}.{file.name}")


def family_of_type(model_type: str) -> Family:
    """The family of a ``config.model_type``.

    Raises:
        InputError: no family has blocks of that type.
    """
    families = all_families()
    for family in families:
        if model_type in family.model_types:
            return family
    known = ", ".join(f"{family.name} ({', '.join(family.model_types)})" for family in families)
    raise InputError(
        f"a model of type {model_type!r}",
        f"no family knows its blocks; the families are {known}",
        "Choose a model of one of these families, or add a family in pitome/models/families",
    )


def family_of_part(model_type: str) -> Family:
    """The family of a ``config.model_type``, also where that is only ever a part of a system.

    Raises:
        InputError: no family has blocks of that type.
    """
    parts = (family for family in _known_families() if not family.alone)
    part = next((family for family in parts if model_type in family.model_types), None)
    return part or family_of_type(model_type)


def family_of(model: Any) -> Family:
    """The family of a loaded model, or of a tower of one.

    Raises:
        InputError: not a ``transformers`` model, or one of a family that is not known.
    """
    config = getattr(model, "config", None)
    model_type = getattr(config, "model_type", None)
    if model_type is None:
        raise InputError(
            f"a {type(model).__name__} to compress",
            "it has no config.model_type, so its blocks are not known",
            "Give a model of the transformers library",
        )
    return family_of_part(model_type)


def text_inputs_of(model: Any) -> TextInputs:
    """What a model takes as a text; nothing, where it takes images or is of no known family."""
    try:
        family = family_of(model)
    except InputError:
        return TextInputs()
    return family.text_inputs(model.config) if isinstance(family, TextFamily) else TextInputs()
