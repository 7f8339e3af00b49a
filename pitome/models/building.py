"""A module from a configuration, with a checkpoint's weights or with seeded random ones."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pitome.errors import InputError
from pitome.models.checkpoint import tensors_sha256
from pitome.models.config_check import least_parameters
from pitome.models.image_size import set_image_size
from pitome.models.library_errors import as_configuration_error, as_input_error
from pitome.models.model_plan import ModelPlan
from pitome.models.sentence import add_sentence_head, load_sentence_head
from pitome.models.sources import Source
from pitome.models.systems.dual_encoder import SCALES, DualPlan, scale_and_bias, tensors_of_half
from pitome.models.tensor_checks import cast_notes, check_finite, check_tensors, set_aside
from pitome.models.weight_files import read_weights

_BLOCK = re.compile(r"\b(layers?|blocks?)\.\d+\.")
"""In the name of a tensor. A head may be left over, a block may not."""
_POOLER = re.compile(r"(^|\.)pooler\.")


@dataclass(frozen=True)
class BuiltModel:
    """A module with its weights."""

    model: nn.Module
    """In eval mode, float32, on the CPU."""
    sha256: str
    """Of the weight file, or of the tensors where they are random."""
    notes: tuple[str, ...] = ()
    """See ``LoadedModel.notes``."""
    other_half: BuiltHalf | None = None
    """Of a whole CLIP that is built whole, and has it."""


@dataclass(frozen=True)
class BuiltHalf:
    """The text tower of a dual encoder with its weights."""

    model: nn.Module
    """In eval mode, float32, on the CPU."""
    logit_scale: float
    """The factor of a cosine."""
    logit_bias: float | None
    """What is added to the product."""
    notes: tuple[str, ...] = ()


def build_model(source: Source, plan: ModelPlan, image_size: int | None, seed: int) -> BuiltModel:
    """The module that ``plan`` describes, for inputs of ``image_size`` pixels (None for texts).

    Raises:
        InputError: weights that are missing, damaged, not finite or of another model; a configuration that
            can't be built.
    """
    import transformers

    model_class, family, config = getattr(transformers, plan.architecture), plan.family, plan.config
    if source.random or source.folder is None:
        if image_size is not None:
            family.vision_config(config).image_size = image_size
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            with as_configuration_error(image_size):
                model = model_class._from_config(config, attn_implementation="sdpa", dtype=torch.float32)
            if source.sentence is not None:
                add_sentence_head(model, source.sentence)
        half = None if plan.dual is None else _random_half(plan.dual, seed)
        return BuiltModel(model.eval(), tensors_sha256(model.state_dict()), other_half=half)
    tensors, sha256 = read_weights(source.folder)
    half = None
    if plan.dual is not None:
        # Without a text tower the checkpoint is that of an image encoder, whatever its config.json says.
        of_half = tensors_of_half(tensors)
        if of_half is not None:
            half = _loaded_half(plan.dual, of_half, source.text)
            tensors = {name: tensor for name, tensor in tensors.items() if name not in of_half}
    model, notes = _loaded(model_class, plan, tensors, source.text)
    if source.sentence is not None:
        add_sentence_head(model, source.sentence)
        sha256 = load_sentence_head(model, source.sentence, sha256)
    if image_size is not None:
        with as_input_error(
            f"IMAGE_SIZE={image_size}", "the position embeddings can't be resized", "Choose a smaller one"
        ):
            set_image_size(model, family, image_size)
        family.vision_config(config).image_size = image_size
    return BuiltModel(model.eval(), sha256, notes, half)


def _random_half(plan: DualPlan, seed: int) -> BuiltHalf:
    import transformers

    if not math.isfinite(plan.first_scale):
        raise InputError(
            "the model's config.json",
            "its logit_scale_init_value is the logarithm of no finite number",
            "Correct the file",
        )
    with torch.random.fork_rng(devices=[]), as_configuration_error():
        torch.manual_seed(seed)
        model = getattr(transformers, plan.architecture)._from_config(
            plan.config, attn_implementation="sdpa", dtype=torch.float32
        )
    return BuiltHalf(model.eval(), plan.first_scale, None)


def _loaded_half(plan: DualPlan, tensors: dict[str, Tensor], where: str) -> BuiltHalf:
    import transformers

    scale, bias = scale_and_bias(tensors, where)
    of_tower = {name: tensor for name, tensor in tensors.items() if name not in SCALES}
    half = ModelPlan(plan.family, plan.architecture, "text-embedding", plan.config)
    model, notes = _loaded(getattr(transformers, plan.architecture), half, of_tower, where)
    return BuiltHalf(model.eval(), scale, bias, notes)


def _loaded(
    model_class: Any, plan: ModelPlan, tensors: dict[str, Tensor], where: str
) -> tuple[nn.Module, tuple[str, ...]]:
    """The model with a checkpoint's tensors, and what there is to say about them."""
    family = plan.family
    wanted = family.wanted_keys(tensors)
    others = sorted(tensors.keys() - wanted)
    tensors = {name: tensor for name, tensor in tensors.items() if name in wanted}
    check_tensors(tensors, where)
    _check_one_name_each(tensors, model_class.base_model_prefix, where)
    _check_count(plan, tensors, where)
    options: dict[str, Any] = {}
    notes = cast_notes(tensors)
    if plan.architecture in family.pooled and not any(_POOLER.search(name) for name in tensors):
        options["add_pooling_layer"] = False
        notes += (f"the checkpoint has no pooler and none was made up: {plan.architecture} is without it",)
    model, left_over = _load_checked(model_class, plan.config, tensors, where, options)
    left_over = [*others, *left_over]
    if left_over:
        notes += (f"set aside of the checkpoint: {set_aside(left_over, model_class.base_model_prefix)}",)
    return model, notes


def _check_one_name_each(tensors: dict[str, Tensor], prefix: str, where: str) -> None:
    """A checkpoint of a whole model puts a prefix before its encoder's names; of both forms the library would
    take one without a word."""
    for name, tensor in sorted(tensors.items()):
        other = f"{prefix}.{name}"
        if other in tensors and not torch.equal(tensor, tensors[other]):
            raise InputError(
                f"the weights {where}",
                f"they have two different tensors for one place, {name} and {other}",
                "Fetch the whole checkpoint again, or save one model alone",
            )


def _check_count(plan: ModelPlan, tensors: dict[str, Tensor], where: str) -> None:
    """A model that is much larger than its weights is refused before it is made."""
    there, needed = (
        sum(tensor.numel() for tensor in tensors.values()),
        least_parameters(plan.config, plan.family),
    )
    if there < needed:
        raise InputError(
            f"the weights {where} for {plan.architecture}",
            f"they do not fit: they have {there:,} numbers, a model of this config.json {needed:,} or more",
            "Give the weights that belong to this config.json",
        )


def _load_checked(
    model_class: Any, config: Any, tensors: dict[str, Tensor], where: str, options: dict[str, Any]
) -> tuple[nn.Module, list[str]]:
    """Build from the configuration and load every tensor; one that is missing or wrong is an error. With the
    names of those that have no place in the model."""
    with _quiet_transformers(), torch.random.fork_rng(devices=[]), as_configuration_error():
        # from_pretrained, because it knows the names that older versions gave to the tensors.
        model, info = model_class.from_pretrained(
            None,
            config=config,
            state_dict=tensors,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # to list them all in one error
            dtype=torch.float32,
            attn_implementation="sdpa",
            **options,
        )
    left_over = sorted(info["unexpected_keys"])
    wrong = [f"{name} is missing" for name in sorted(info["missing_keys"])]
    wrong += [
        f"{name} is {tuple(found)}, not {tuple(wanted)}"
        for name, found, wanted in sorted(info["mismatched_keys"])
    ]
    wrong += [f"{name} is left over" for name in left_over if _BLOCK.search(name)]
    wrong += [str(message) for message in info["error_msgs"]]
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise InputError(
            f"the weights {where} for {model_class.__name__}",
            f"they do not fit: {'; '.join(wrong[:5])}{more}",
            "Give the weights that belong to this config.json",
        )
    check_finite(model, where)
    return model, left_over


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Its report and progress bar would disturb ours; what matters in the report is checked above."""
    from transformers.utils import logging

    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()
