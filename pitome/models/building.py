"""A module from a configuration, with a checkpoint's weights or with seeded random ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pitome.errors import InputError
from pitome.models.checkpoint import read_weights, tensors_sha256
from pitome.models.image_size import set_image_size
from pitome.models.library_errors import as_configuration_error, as_input_error
from pitome.models.model_plan import ModelPlan
from pitome.models.sources import Source

_BLOCK = re.compile(r"\b(layers?|blocks?)\.\d+\.")
"""In the name of a tensor. A head may be left over, a block may not."""


@dataclass(frozen=True)
class BuiltModel:
    """A module with its weights."""

    model: nn.Module
    """In eval mode, float32, on the CPU."""
    sha256: str
    """Of the weight file, or of the tensors where they are random."""
    notes: tuple[str, ...] = ()
    """See ``LoadedModel.notes``."""


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
        return BuiltModel(model.eval(), tensors_sha256(model.state_dict()))
    tensors, sha256 = read_weights(source.folder)
    wanted = family.wanted_keys(tensors)
    tensors = {name: tensor for name, tensor in tensors.items() if name in wanted}
    model = _load_checked(model_class, config, tensors, source.text)
    if image_size is not None:
        with as_input_error(
            f"IMAGE_SIZE={image_size}", "the position embeddings can't be resized", "Choose a smaller one"
        ):
            set_image_size(model, family, image_size)
        family.vision_config(config).image_size = image_size
    return BuiltModel(model.eval(), sha256)


def _load_checked(model_class: Any, config: Any, tensors: dict[str, Tensor], where: str) -> nn.Module:
    """Build from the configuration and load every tensor; one that is missing or wrong is an error."""
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
        )
    wrong = [f"{name} is missing" for name in sorted(info["missing_keys"])]
    wrong += [
        f"{name} is {tuple(found)}, not {tuple(wanted)}"
        for name, found, wanted in sorted(info["mismatched_keys"])
    ]
    wrong += [f"{name} is left over" for name in sorted(info["unexpected_keys"]) if _BLOCK.search(name)]
    wrong += [str(message) for message in info["error_msgs"]]
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise InputError(
            f"the weights {where} for {model_class.__name__}",
            f"they do not fit: {'; '.join(wrong[:5])}{more}",
            "Give the weights that belong to this config.json",
        )
    _check_finite(model, where)
    return model


def _check_finite(model: nn.Module, where: str) -> None:
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise InputError(
                f"the weights {where}", f"the tensor {name} holds NaN or infinity", "Fetch the weights again"
            )


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
