"""Was a merge decision right? A float64 judge that excuses only what rounding can flip.

Merging chooses, and rounding can flip a choice although nothing is wrong (DESIGN.md, "Parity, the
rule"). Given a runtime's groups, the judge looks for an order, targets and edges within ``tolerance``
of the float64 ones that lead to exactly these groups. What is compared are groups, not slot numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pitome.parameters import MergeParameters
from pitome.validate.parity.energy_intervals import EnergyIntervals, with_jumps, without_jumps
from pitome.validate.parity.energy_orders import float64_order, inversion, moved_pairs, ties
from pitome.validate.parity.explanation import MergeScores, Order, Slots, explain_by, score_merge
from pitome.validate.parity.role_search import search_roles
from pitome.validate.parity.rounding import Tolerance

_SHARES_OF_TOLERANCE = (1 / 16, 1)
"""Of energies. Most flips are of the nearest ties, so these alone are tried first: they are few."""
_MOST_ORDERS = 10_000
"""With near pairs moved, tried before the best of them is taken."""


@dataclass(frozen=True)
class Verdict:
    """What the judge found for one image and one merge."""

    explained: bool
    margin: float
    """The largest float64 margin that the groups go against, beyond jumps; 0 where they are the float64
    groups, inf where nothing within the tolerance explains them."""
    by_jump: bool = False
    """Whether nothing explains the groups but pairs that rounding put on the other side of the margin."""


def same_groups(first: Tensor, second: Tensor) -> Tensor:
    """[B] bool: do two assignments [B, N] put the same tokens together?

    Slots are numbered in the order of kept tokens, so equal groups can have other numbers.
    """
    return (_first_member(first) == _first_member(second)).all(dim=1)


def same_tokens(first: Tensor, second: Tensor) -> Tensor:
    """[B] share of tokens whose group begins with the same token in two assignments [B, N].

    One flipped merge changes few tokens but the groups of the whole input, so ``same_groups`` says little of
    a precision in which near ties flip all the time.
    """
    return (_first_member(first) == _first_member(second)).double().mean(dim=1)


def _first_member(assignment: Tensor) -> Tensor:
    slots = assignment.long()
    count = int(slots.max()) + 1
    position = torch.arange(slots.shape[1]).expand_as(slots)
    first = torch.full((slots.shape[0], count), slots.shape[1]).scatter_reduce(1, slots, position, "amin")
    return first.gather(1, slots)


def judge(
    assignment: Tensor, metric: Tensor, size: Tensor, parameters: MergeParameters, tolerance: Tolerance
) -> Verdict:
    """Judge the groups of one input.

    Args:
        assignment: [N] int, what the runtime decided.
        metric: [N, D] float64, what it should have decided on.
        size: [N, 1] float32.
        parameters: of the merge.
        tolerance: float64 margins up to this are within rounding.
    """
    prefix = parameters.num_protected
    groups = assignment.numpy().astype(np.int64)
    kept = len(groups) - parameters.num_merged
    if _prefix_is_alone(groups, prefix) and len(np.unique(groups)) == kept:
        scores = score_merge(metric, size, parameters, tolerance.similarity)
        margin = _explain(groups[prefix:], scores, without_jumps(scores.energy), tolerance.energy)
        if margin is not None:
            return Verdict(True, margin)
        energies = with_jumps(
            scores.energy, scores.similarity, scores.counted, parameters, tolerance.at_margin
        )
        if energies.near_pairs:
            margin = _explain(groups[prefix:], scores, energies, tolerance.energy)
            if margin is not None:
                return Verdict(True, margin, by_jump=True)
    return Verdict(False, float("inf"))


def _prefix_is_alone(groups: NDArray[np.int64], prefix: int) -> bool:
    return bool((groups[:prefix] == np.arange(prefix)).all() and (groups[prefix:] >= prefix).all())


def _explain(slots: Slots, scores: MergeScores, energies: EnergyIntervals, tolerance: float) -> float | None:
    """The margin that groups [T] go against under the order found; None where none explains them."""
    if scores.parameters.order == "position":
        found = explain_by(np.arange(len(slots)), slots, scores)
        return None if found.unexplained else found.margin
    for share in _SHARES_OF_TOLERANCE:
        base = _best_jumps(slots, scores, energies, share * tolerance)
        found = explain_by(base, slots, scores)
        if found.unexplained:
            order = search_roles(base, slots, scores, ties(energies, share * tolerance))
            if order is None:
                continue
            base, found = order, explain_by(order, slots, scores)
        missed = inversion(base, energies)
        if not found.unexplained and missed <= tolerance:
            return max(found.margin, missed)
    return None


def _best_jumps(slots: Slots, scores: MergeScores, energies: EnergyIntervals, tolerance: float) -> Order:
    """The order with near pairs' tokens where they explain the most of the groups."""
    order = float64_order(energies)
    unexplained, before = explain_by(order, slots, scores).unexplained, None
    while unexplained and unexplained != before:
        before = unexplained
        for trial in islice(moved_pairs(order, energies, tolerance), _MOST_ORDERS):
            count = explain_by(trial, slots, scores).unexplained
            if count < unexplained:
                order, unexplained = trial, count
    return order
