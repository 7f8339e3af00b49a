"""A dual encoder, such as CLIP: one tower for images, which is merged, and one for texts, which is not.

The image tower is what its family builds, as it does without the other one. This file says what the other
half is: its configuration, its tensors in a whole checkpoint, and the factor of the cosine of two vectors.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pitome.errors import InputError
from pitome.models.families import family_of_part
from pitome.models.text import TextFamily

if TYPE_CHECKING:
    from torch import Tensor

    from pitome.models.family import Family
    from pitome.models.task import Task

LOGIT_SCALE, LOGIT_BIAS = "logit_scale", "logit_bias"
SCALES = (LOGIT_SCALE, LOGIT_BIAS)
_OF_THE_TOWER = re.compile(r"text_(model|projection)\.")
_FETCH = "Fetch the whole checkpoint again, or build the image tower alone with TOWER=image"


@dataclass(frozen=True)
class DualPlan:
    """The text half, before anything is allocated."""

    family: TextFamily
    architecture: str
    """Class in ``transformers``."""
    config: Any
    """The tower's, with the whole model's projection width."""
    first_scale: float
    """The factor of a cosine that training begins with: that of random weights."""
    notes: tuple[str, ...] = ()
    """See ``LoadedModel.notes``."""


def plan_other_half(family: Family, task: Task, whole: Any) -> DualPlan | None:
    """The text tower of a whole model's configuration; None where there is none, or images have no embedding
    that a text's could be compared with."""
    text = getattr(whole, "text_config", None)
    if family.text_tower is None or text is None or task != "image-embedding":
        return None
    found = family_of_part(text.model_type)
    assert isinstance(found, TextFamily)  # of a tower for captions
    text.projection_dim = whole.projection_dim
    return DualPlan(
        found, family.text_tower, text, _factor(whole.logit_scale_init_value), tuple(_end_notes(text))
    )


def _end_notes(config: Any) -> Iterator[str]:
    """A text's vector is that of its end token; `transformers` takes the first token where there is none."""
    end = config.eos_token_id
    if not isinstance(end, int) or not 0 <= end < config.vocab_size:
        yield (
            f"the text tower's end token {end} is none of its {config.vocab_size} tokens, so the vector of "
            "every text is that of its first token, as in transformers"
        )


def tensors_of_half(tensors: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """Of a checkpoint's tensors those of the text tower, its projection and the scales; None where nothing is
    of a text tower."""
    if not any(_OF_THE_TOWER.match(name) for name in tensors):
        return None
    return {name: tensor for name, tensor in tensors.items() if _OF_THE_TOWER.match(name) or name in SCALES}


def scale_and_bias(tensors: Mapping[str, Tensor], where: str) -> tuple[float, float | None]:
    """The factor of a cosine, and what is added to the product where something is.

    Args:
        tensors: of the text half.
        where: they come from, for the message.

    Raises:
        InputError: there is no scale, or one of the two is no single finite number.
    """
    if LOGIT_SCALE not in tensors:
        raise InputError(
            f"the weights {where}",
            f"they have a text tower and no {LOGIT_SCALE}, the factor by which images and texts are compared",
            _FETCH,
        )
    found = {}
    for name in SCALES:
        if name not in tensors:
            continue
        value = float(tensors[name]) if tensors[name].numel() == 1 else math.nan
        value = _factor(value) if name == LOGIT_SCALE else value
        if not math.isfinite(value) or (name == LOGIT_SCALE and not value):
            raise InputError(f"the weights {where}", f"their {name} is no single finite number", _FETCH)
        found[name] = value
    return found[LOGIT_SCALE], found.get(LOGIT_BIAS)


def _factor(logarithm: float) -> float:
    """A checkpoint holds the factor's logarithm."""
    try:
        return math.exp(logarithm)
    except OverflowError:
        return math.inf
