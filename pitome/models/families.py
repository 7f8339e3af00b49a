"""The families of models this project knows. To add one: write its file, name it here."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pitome.errors import InputError
from pitome.models.family import Family

_FAMILY_CLASSES = {
    "clip": "Clip",
    "vit": "Vit",
    "deit": "Deit",
    "dinov2": "Dinov2",
    "bert": "Bert",
    "distilbert": "DistilBert",
}
"""File name in this folder -> class in it."""


def all_families() -> tuple[Family, ...]:
    """One object of every family."""
    return tuple(
        getattr(import_module(f"pitome.models.{file}"), name)() for file, name in _FAMILY_CLASSES.items()
    )


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
        "Choose a model of one of these families, or add a family in pitome/models",
    )


def family_of(model: Any) -> Family:
    """The family of a loaded model.

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
    return family_of_type(model_type)
