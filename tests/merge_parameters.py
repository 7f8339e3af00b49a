"""The operator's parameters of a named energy, for tests that care about few of them."""

from __future__ import annotations

from pitome.energies import Energy, energy_function
from pitome.parameters import MergeParameters, Order, Split


def merge_parameters(
    num_merged: int,
    num_candidates: int,
    num_protected: int = 1,
    *,
    energy: Energy = "elu",
    margin: float = 0.9,
    alpha: float = 1.0,
    size_penalty: float = 0.0,
    order: Order = "energy",
    split: Split = "alternate",
) -> MergeParameters:
    """Of one merge, with the offset and width of the energy."""
    function, offset, width = energy_function(energy, margin)
    return MergeParameters(
        num_merged,
        num_candidates,
        num_protected,
        margin,
        offset,
        width,
        alpha,
        size_penalty,
        order,
        function,
        split,
    )
