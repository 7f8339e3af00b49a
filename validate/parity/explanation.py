"""Does an order of the tokens by energy lead to given groups, when similarities may be off by rounding?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pitome.merge import edge_values, finite_rows, score_tokens
from pitome.parameters import MergeParameters
from pitome.validate.parity.energy_intervals import Floats

Order = NDArray[np.int64]
"""[T], every token once, the one of highest energy first; without the prefix."""
Slots = NDArray[np.int64]
"""[T], for each token the slot of its group."""


@dataclass(frozen=True)
class MergeScores:
    """What one merge of one input decides on, in float64; without the prefix."""

    similarity: Floats
    """[T, T]."""
    energy: Floats
    """[T]."""
    counted: NDArray[np.bool_]
    """[T], the tokens that the mean of an energy is over."""
    edge_offset: Floats
    """[T], by the source of an edge what it is worth beside its similarity: minus the penalty of its size."""
    parameters: MergeParameters
    tolerance: float
    """Of similarities and edges."""


@dataclass(frozen=True)
class Explanation:
    """How well an order explains groups."""

    unexplained: int
    """Tokens whose part in the groups does not follow; some count twice."""
    margin: float
    """The largest margin of similarities or edges that the groups go against."""


def score_merge(metric: Tensor, size: Tensor, parameters: MergeParameters, tolerance: float) -> MergeScores:
    """Of metric [N, D] and size [N, 1]."""
    prefix = parameters.num_protected
    rows, sizes = metric[prefix:].double(), size[prefix:, 0].double()
    similarity, energy = score_tokens(rows[None], sizes[None], parameters)
    return MergeScores(
        similarity[0].numpy(),
        energy[0].numpy(),
        ((sizes > 0) & finite_rows(rows)).numpy(),
        edge_values(torch.zeros_like(sizes), sizes, parameters).numpy(),
        parameters,
        tolerance,
    )


def explain_by(order: Order, slots: Slots, scores: MergeScores) -> Explanation:
    """Hold an order's sources, targets and protected tokens against the groups."""
    start, stop, target_start, target_stop, step = scores.parameters.rank_slices
    sources, targets = order[start:stop:step], order[target_start:target_stop:step]
    protected = order[scores.parameters.num_candidates :]

    group_size = np.bincount(slots)
    target_of_slot = np.full(len(group_size), -1)
    target_of_slot[slots[targets]] = targets
    second_targets = target_of_slot[slots[targets]] != targets
    not_alone = group_size[slots[protected]] > 1

    between = scores.similarity[np.ix_(sources, targets)]
    best = between.max(axis=1)
    chosen = target_of_slot[slots[sources]]
    taken = chosen >= 0
    without_target = ~taken & (group_size[slots[sources]] > 1)
    shortfall = best[taken] - scores.similarity[sources[taken], chosen[taken]]
    excess = _excess(best + scores.edge_offset[sources], taken)
    wrong = (
        second_targets,
        not_alone,
        without_target,
        shortfall > scores.tolerance,
        excess > scores.tolerance,
    )
    return Explanation(
        sum(int(each.sum()) for each in wrong), float(max(shortfall.max(initial=0), excess.max(initial=0)))
    )


def _excess(edges: Floats, taken: NDArray[np.bool_]) -> Floats:
    """By how much each edge that was left is worth more than the weakest that was taken; at least 0."""
    if not taken.any():
        return np.zeros(0)
    left, weakest = edges[~taken], edges[taken].min()
    left = left[left > weakest]  # padding is worth infinitely much: no difference of two such
    return left - weakest
