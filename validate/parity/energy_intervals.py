"""Where the energies of one input may lie when similarities at the margin round to its other side.

An energy's function may jump at the margin, as equation (4) of the paper does. There a rounding of 1e-7 moves
a token's energy by the whole jump, divided by the tokens that its mean is over. METHOD.md section 2 has the
rule: the energy of each row may be lower or higher by the jumps of its own pairs, and no other row's is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pitome.parameters import MergeParameters

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class EnergyIntervals:
    """Energies of T tokens in float64; without near pairs ``low`` and ``high`` are ``exact``."""

    exact: Floats
    """[T]; +inf of padding, -inf of rows that are not finite."""
    low: Floats
    """[T], with every near pair on the side that makes it lower."""
    high: Floats
    near_pairs: tuple[tuple[int, int], ...] = ()
    """The pairs i <= j that may fall on either side of the margin, for one of the two rows at least."""


def without_jumps(energy: Floats) -> EnergyIntervals:
    """Every pair on the side that float64 has; energy [T]."""
    return EnergyIntervals(energy, energy, energy)


def with_jumps(
    energy: Floats,
    similarity: Floats,
    counted: NDArray[np.bool_],
    parameters: MergeParameters,
    at_margin: float,
) -> EnergyIntervals:
    """Every pair on either side of the margin whose similarity is within ``at_margin`` of it.

    Args:
        energy: [T].
        similarity: [T, T].
        counted: [T], the tokens that a mean is over.
        parameters: of the merge.
        at_margin: how far a similarity may be off.
    """
    if not parameters.jump:
        return without_jumps(energy)
    above = similarity - parameters.margin
    near = (np.abs(above) <= at_margin) & counted & np.isfinite(energy)[:, None]
    upper = (above >= 0) == (parameters.margin >= parameters.offset)  # on the higher side of the jump
    step = parameters.jump / max(int(counted.sum()), 1)
    pairs = sorted({(min(pair), max(pair)) for pair in np.argwhere(near).tolist()})
    return EnergyIntervals(
        energy,
        low=energy - step * (near & upper).sum(axis=1),
        high=energy + step * (near & ~upper).sum(axis=1),
        near_pairs=tuple((first, second) for first, second in pairs),
    )
