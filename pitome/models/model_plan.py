"""What a ``config.json`` stands for: a family, a class of ``transformers``, a task and a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pitome.errors import InputError
from pitome.models.checkpoint import read_config
from pitome.models.config_check import ASKED, check_sizes, check_values
from pitome.models.family import Family
from pitome.models.image_size import square_image_size
from pitome.models.presets import Preset
from pitome.models.refused_models import code_note, family_of_content
from pitome.models.registry import ModelReference
from pitome.models.sources import Source, encoder_folder
from pitome.models.systems.dual_encoder import DualPlan, plan_other_half
from pitome.models.task import Task, Tower

_SIZES = {
    "image": ("hidden_size", "num_hidden_layers", "num_attention_heads", "patch_size"),
    "text": ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size"),
}
OF_A_RUN = (
    "output_attentions",
    "output_hidden_states",
    "return_dict",
    "use_return_dict",
    "torchscript",
    "use_cache",
    "gradient_checkpointing",
    "chunk_size_feed_forward",
    "attn_implementation",
    "_attn_implementation",
    "experts_implementation",
    "dtype",
    "torch_dtype",
    "use_bfloat16",
)
"""Keys that say how somebody ran the model, not which model it is; ours always runs in one way."""


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
    dual: DualPlan | None = None
    """Of a whole CLIP that is built whole: the other half."""


def plan_model(
    content: Mapping[str, Any], preset: Preset | None = None, tower: Tower | None = "image"
) -> ModelPlan:
    """What a ``config.json`` asks for; the class of a preset goes before the one that the file names.

    Args:
        content: of the file.
        preset: that was asked for, if one was.
        tower: of a whole CLIP the image tower alone, or both; None = both.

    Raises:
        InputError: a model that is none of a family's, or another one than its type says; a class that the
            family does not know; a configuration that no model has, or that there is no memory for.
    """
    family = family_of_content(content)
    architecture, notes = _class(family, content, preset, whole=tower != "image")
    check_values(content)
    whole = _configuration(content)
    task = family.architectures[architecture]
    dual = None if tower == "image" else plan_other_half(family, task, whole)
    plan = _tower_of(ModelPlan(family, architecture, task, whole, notes, dual))
    check_sizes(plan.config, family)
    if dual is not None:
        check_sizes(dual.config, dual.family)
    return plan


def plan_sentence_model(plan: ModelPlan, source: Source) -> ModelPlan:
    """The same for a checkpoint that makes one vector of a text: its encoder, whatever class it was saved as.

    Raises:
        InputError: it takes images, or its family gives no such vector.
    """
    if source.sentence is None:
        return plan
    if plan.family.modality != "text":
        raise InputError(
            f"the sentence-transformers model {source.text}",
            f"its encoder is of family {plan.family.name}, which takes images",
            "Give the encoder's own folder or hub id",
        )
    if "text-embedding" not in plan.family.outputs:
        raise InputError(
            f"the sentence-transformers model {source.text}",
            f"family {plan.family.name} has no output for a sentence embedding",
            "Give the encoder's own folder or hub id",
        )
    encoder = next(name for name, task in plan.family.architectures.items() if task == "text-features")
    notes = (*plan.notes, *source.sentence.notes)
    if encoder != plan.architecture:
        notes += (
            f"of {plan.architecture} the encoder was taken, {encoder}, as modules.json pools its tokens",
        )
    return replace(plan, architecture=encoder, task="text-embedding", notes=notes)


def _class(
    family: Family, content: Mapping[str, Any], preset: Preset | None, whole: bool
) -> tuple[str, tuple[str, ...]]:
    """The class that is built, and what there is to say about it; ``whole``: of a whole model all is."""
    named = content.get("architectures")
    if named is not None and (
        not isinstance(named, list) or not all(isinstance(name, str) for name in named)
    ):
        raise InputError(
            ASKED, f"its architectures are {named!r}, not a list of names of classes", "Correct the file"
        )
    of_preset = preset.architecture if preset is not None and preset.family == family.name else None
    if not named:
        default = of_preset or next(iter(family.architectures))
        said = "" if of_preset else f", so the default of its family was taken, {default}"
        return default, (f"config.json names no class{said}",) if said else ()
    known = {**{name: name for name in family.architectures}, **family.taken_out}
    found = next((name for name in named if name in known), None)
    if found is None:
        if any(name.startswith("CLIPText") for name in named):
            raise InputError(
                f"a model of class {', '.join(named)}",
                "it is CLIP's text tower",
                "Give the whole CLIP, or its vision tower",
            )
        raise InputError(
            f"a model of class {', '.join(named)}",
            f"family {family.name} knows {', '.join(known)}",
            "Choose a checkpoint of one of these classes",
        )
    built = of_preset or known[found]
    notes = code_note(content, built)
    if built != found and not (whole and found == family.whole_model):
        notes += (f"config.json names {found}, of which {built} was taken",)
    return built, notes


def _configuration(content: Mapping[str, Any]) -> Any:
    import transformers

    try:
        return transformers.CONFIG_MAPPING[content["model_type"]].from_dict(_of_the_model(content))
    except Exception as error:  # the library's validation has many error classes
        lines = str(error).splitlines() or [type(error).__name__]
        raise InputError(ASKED, f"it is not valid: {' '.join(lines)}", "Correct the file") from error


def _of_the_model(content: Mapping[str, Any]) -> dict[str, Any]:
    """Without what belongs to a run, in the parts too."""
    return {
        key: _of_the_model(value)
        if isinstance(value, Mapping) and key.endswith(("_config", "_config_dict"))
        else value
        for key, value in content.items()
        if key not in OF_A_RUN
    }


def _tower_of(plan: ModelPlan) -> ModelPlan:
    """Of a whole model only the vision tower."""
    import transformers

    family, whole = plan.family, plan.config
    if family.modality == "text":
        return plan
    vision = family.vision_config(whole)
    vision.image_size = square_image_size(vision)
    if vision is whole or plan.architecture in family.whole_configuration:
        return plan
    if getattr(transformers, plan.architecture).config_class is not type(whole):
        return replace(plan, config=family.tower_config(whole))
    tower = next(name for name, task in family.architectures.items() if task == plan.task)
    note = () if plan.dual else (f"of {plan.architecture} the vision tower was taken, {tower}",)
    return replace(plan, architecture=tower, config=family.tower_config(whole), notes=(*plan.notes, *note))


def check_same_model(reference: ModelReference, source: Source, plan: ModelPlan) -> None:
    """WEIGHTS of another model would be built under the wrong name.

    Raises:
        InputError: they are; the sizes that differ are named.
    """
    if reference.preset is not None:
        wanted: Mapping[str, Any] = reference.preset.config
        wanted_family = reference.preset.family
    elif reference.folder is not None and source.root != reference.folder:
        named = plan_model(read_config(encoder_folder(reference.folder)))
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
