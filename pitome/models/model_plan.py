"""What a ``config.json`` stands for: a family, a class of ``transformers``, a task and a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pitome.errors import InputError
from pitome.models.checkpoint import read_config
from pitome.models.families import family_of_type
from pitome.models.family import Family
from pitome.models.image_size import square_image_size
from pitome.models.registry import ModelReference
from pitome.models.sources import Source
from pitome.models.task import Task

_SIZES = {
    "image": ("hidden_size", "num_hidden_layers", "num_attention_heads", "patch_size"),
    "text": ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size"),
}


@dataclass(frozen=True)
class ModelPlan:
    """What is built, before anything is allocated."""

    family: Family
    architecture: str
    """Class in ``transformers``."""
    task: Task
    config: Any
    """Its configuration; of a whole model only the tower's."""
    notes: tuple[str, ...] = ()
    """See ``LoadedModel.notes``."""


def plan_model(content: Mapping[str, Any]) -> ModelPlan:
    """What a ``config.json`` asks for.

    Raises:
        InputError: a class that its family does not know, or a configuration that is not valid.
    """
    import transformers

    family = family_of_type(content["model_type"])
    named = content.get("architectures") or [next(iter(family.architectures))]
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise InputError(
            "the model's config.json",
            f"its architectures are {named!r}, not a list of names of classes",
            "Correct the file",
        )
    architecture = next((name for name in named if name in family.architectures), None)
    if architecture is None:
        raise InputError(
            f"a model of class {', '.join(named)}",
            f"family {family.name} knows {', '.join(family.architectures)}",
            "Choose a checkpoint of one of these classes",
        )
    task = family.architectures[architecture]
    try:
        whole = transformers.CONFIG_MAPPING[content["model_type"]].from_dict(dict(content))
    except Exception as error:  # the library's validation has many error classes
        raise InputError(
            "the model's config.json", f"it is not valid: {error}", "Correct the file"
        ) from error
    if family.modality == "text":
        return ModelPlan(family, architecture, task, whole)
    vision = family.vision_config(whole)
    vision.image_size = square_image_size(vision)
    if vision is whole or architecture in family.whole_configuration:
        return ModelPlan(family, architecture, task, whole)
    if getattr(transformers, architecture).config_class is type(whole):
        architecture = next(name for name, other in family.architectures.items() if other == task)
    return ModelPlan(family, architecture, task, family.tower_config(whole))


def check_same_model(reference: ModelReference, source: Source, plan: ModelPlan) -> None:
    """WEIGHTS of another model would be built under the wrong name.

    Raises:
        InputError: they are; the sizes that differ are named.
    """
    if reference.preset is not None:
        wanted: Mapping[str, Any] = reference.preset.config
        wanted_family = reference.preset.family
    elif reference.folder is not None and source.folder != reference.folder:
        named = plan_model(read_config(reference.folder))
        wanted_family, other = named.family.name, named.family.vision_config(named.config)
        wanted = {key: getattr(other, key) for key in _SIZES[named.family.modality]}
    else:
        return
    family, sizes = plan.family, plan.family.vision_config(plan.config)
    different = [
        f"{key} {getattr(sizes, key)}, not {wanted[key]}"
        for key in _SIZES[family.modality]
        if key in wanted and getattr(sizes, key) != wanted[key]
    ]
    if family.name != wanted_family:
        different.insert(0, f"family {family.name}, not {wanted_family}")
    if different:
        raise InputError(
            f"{reference.name} with the weights of {source.text}",
            f"they are of another model: {'; '.join(different)}",
            "Give weights of that model, or give their folder or hub id as MODEL",
        )
