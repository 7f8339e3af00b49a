"""How far float32 scores lie from float64, measured, and what a comparison of scores may therefore excuse."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pitome.merge import finite_rows, score_tokens
from pitome.parameters import MergeParameters

ROUNDING_FACTOR = 2.0
"""Both values of a comparison may be off by the measured rounding."""


@dataclass(frozen=True)
class Tolerance:
    """What rounding may turn round. All three are inclusive."""

    similarity: float
    """Of two similarities or edges: either may be taken where they are this near."""
    energy: float
    """Of two energies, each with the side of the margin that float64 has for every pair."""
    at_margin: float = 0.0
    """Of a similarity and the margin, which is exact: so near, the pair may fall on either side."""


@dataclass(frozen=True)
class Rounding:
    """How far float32 arithmetic may be from float64."""

    similarity: float
    """Of two tokens."""
    energy: float
    """No jump of the energy's function is in it (METHOD.md section 2)."""
    at_margin: float
    """Of any similarity that is held against the margin: also a token's own, which is 1 but for rounding."""

    def largest(self, other: Rounding) -> Rounding:
        """The larger of both, each by itself."""
        return Rounding(
            max(self.similarity, other.similarity),
            max(self.energy, other.energy),
            max(self.at_margin, other.at_margin),
        )

    @property
    def tolerance(self) -> Tolerance:
        """Of comparisons: twice the rounding where both values are rounded, once where one is."""
        return Tolerance(ROUNDING_FACTOR * self.similarity, ROUNDING_FACTOR * self.energy, self.at_margin)


def measure_rounding(single: Tensor, double: Tensor, size: Tensor, parameters: MergeParameters) -> Rounding:
    """Rounding of one merge's scores, from the metric [B, N, D] in float32 and in float64; size [B, N, 1]."""
    prefix = parameters.num_protected
    rows, sizes = double[:, prefix:].double(), size[:, prefix:, 0]
    similarity, energy = score_tokens(single[:, prefix:].float(), sizes, parameters)
    exact_similarity, exact_energy = score_tokens(rows, sizes.double(), parameters)
    difference = (similarity.double() - exact_similarity).abs()
    at_margin = float(difference.max())
    difference.diagonal(dim1=1, dim2=2).zero_()  # no token is compared with itself
    counted = (sizes > 0) & finite_rows(rows)
    jumps = _jumps(similarity.double(), exact_similarity, counted, parameters)
    real = torch.isfinite(energy) & torch.isfinite(exact_energy)
    of_energy = float((energy.double() - exact_energy - jumps)[real].abs().max()) if real.any() else 0.0
    return Rounding(float(difference.max()), of_energy, at_margin)


def _jumps(similarity: Tensor, exact: Tensor, counted: Tensor, parameters: MergeParameters) -> Tensor:
    """[B, T] float64: how far pairs on another side of the margin than in float64 move the energies.

    Args:
        similarity: [B, T, T] float64, as it was rounded.
        exact: [B, T, T] float64.
        counted: [B, T] bool, the tokens that a mean is over.
    """
    if not parameters.jump:
        return exact.new_zeros(exact.shape[:2])
    above, exactly_above = similarity >= parameters.margin, exact >= parameters.margin
    crossed = above.double() - exactly_above.double()
    weights = counted.double().unsqueeze(-1)
    step = (parameters.margin - parameters.offset) / parameters.width
    return step * (crossed @ weights).squeeze(-1) / weights.sum(1).clamp(min=1)
