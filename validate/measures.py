"""How near two models' answers are, where a cosine says nothing or too little: numbers and labels.

The cosine of one number is 1 or -1 whatever merging does to it, and among one class the best is always the
same. So numbers have a relative error and a correlation, and labels that may all hold the agreement of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Measure = Literal["relative error", "correlation", "label agreement"]
_CONSTANT = 8 * torch.finfo(torch.float32).eps
"""Spread relative to the largest value, up to which values of float32 are one value and its rounding."""


@dataclass(frozen=True)
class Measured:
    """One measure over some inputs."""

    measure: Measure
    value: float | None
    """None where it is not defined."""
    worst: float | None
    """Of the single numbers or labels."""
    undefined: str | None = None
    """What is not defined, and why."""


def has_direction(vectors: Tensor) -> bool:
    """Whether a cosine of rows [n, C] can be anything but 1 and -1."""
    return vectors.shape[-1] > 1


def measure_numbers(ours: Tensor, reference: Tensor) -> tuple[Measured, Measured]:
    """Relative error |ours - reference| / |reference|, and the correlation of each column [n, C] over rows.

    A column that is the same for every input has no correlation, and none is made up. Where only ours is the
    same for every input it follows nothing, so that its correlation is 0.
    """
    found, wanted = ours.double(), reference.double()
    return _relative_error(found, wanted), _correlation(found, wanted)


def measure_labels(ours: Tensor, reference: Tensor) -> Measured:
    """Share of rows [n, C] whose label holds (logit above 0) for both or for neither, and the worst label."""
    agree = same_labels(ours, reference).double()
    return Measured("label agreement", float(agree.mean()), float(agree.mean(dim=0).min()))


def same_labels(ours: Tensor, reference: Tensor) -> Tensor:
    """[n, C] bool; a logit that is not a number agrees with nothing."""
    known = ~(ours.isnan() | reference.isnan())
    return ((ours > 0) == (reference > 0)) & known


def _relative_error(found: Tensor, wanted: Tensor) -> Measured:
    errors, sizes = (found - wanted).norm(dim=0), wanted.norm(dim=0)
    if not bool((sizes > 0).any()):
        return Measured("relative error", None, None, "the unmerged values are all zero")
    each = errors[sizes > 0] / sizes[sizes > 0]
    return Measured("relative error", float(errors.norm() / sizes.norm()), float(each.max()))


def _correlation(found: Tensor, wanted: Tensor) -> Measured:
    count, columns = wanted.shape
    if count < 2:
        return Measured("correlation", None, None, f"{count} input has no correlation")
    spread = wanted.amax(dim=0) - wanted.amin(dim=0)
    varies = spread > _CONSTANT * wanted.abs().amax(dim=0)
    constant = int(columns - varies.sum())
    why = None
    if constant:
        which = "the value is" if columns == 1 else f"{constant} of {columns} values are"
        why = f"{which} the same for every input, so that there is nothing to correlate with"
    if constant == columns:
        return Measured("correlation", None, None, why)
    ours, theirs = (each[:, varies] - each[:, varies].mean(dim=0) for each in (found, wanted))
    scale = ours.norm(dim=0) * theirs.norm(dim=0)
    each = (ours * theirs).sum(dim=0) / scale
    each = each.masked_fill(scale == 0, 0.0)
    return Measured("correlation", float(each.mean()), float(each.min()), why)
