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

from pitome.merge import edge_values, finite_rows, score_tokens
from pitome.parameters import MergeParameters
from pitome.validate.parity.energy_intervals import EnergyIntervals, Floats, with_jumps, without_jumps
from pitome.validate.parity.energy_orders import Order, float64_order, inversion, other_orders
from pitome.validate.parity.rounding import Tolerance

_SHARES_OF_TOLERANCE = (1 / 16, 1)
"""Of energies. Most flips are of the nearest ties, so these alone are tried first: they are few."""
_MOST_CHANGES = 200
_MOST_ORDERS = 10_000
"""Tried for each change."""


@dataclass(frozen=True)
class Verdict:
    """What the judge found for one image and one merge."""

    explained: bool
    margin: float
    """The largest float64 margin that the groups go against, beyond jumps; 0 where they are the float64
    groups, inf where nothing within the tolerance explains them."""
    by_jump: bool = False
    """Whether nothing explains the groups but pairs that rounding put on the other side of the margin."""


@dataclass(frozen=True)
class _Scores:
    similarity: Floats
    energy: Floats
    counted: NDArray[np.bool_]
    """[T], the tokens that the mean of an energy is over."""
    edge_offset: Floats
    """[T], what an edge is worth more than its similarity, by its source: minus the penalty of its size."""
    parameters: MergeParameters
    tolerance: Tolerance


@dataclass(frozen=True)
class _Explanation:
    unexplained: NDArray[np.int64]
    """Tokens whose part in the groups does not follow from an order."""
    attractors: NDArray[np.int64]
    """Targets that some of them would rather go to."""
    margin: float
    """The largest margin of similarities that the others go against."""


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
        scores = _score(metric[prefix:], size[prefix:, 0], parameters, tolerance)
        margin = _explain(groups[prefix:], scores, without_jumps(scores.energy))
        if margin is not None:
            return Verdict(True, margin)
        energies = with_jumps(
            scores.energy, scores.similarity, scores.counted, parameters, tolerance.at_margin
        )
        if energies.near_pairs and parameters.order == "energy":
            margin = _explain(groups[prefix:], scores, energies)
            if margin is not None:
                return Verdict(True, margin, by_jump=True)
    return Verdict(False, float("inf"))


def _prefix_is_alone(groups: NDArray[np.int64], prefix: int) -> bool:
    return bool((groups[:prefix] == np.arange(prefix)).all() and (groups[prefix:] >= prefix).all())


def _score(metric: Tensor, size: Tensor, parameters: MergeParameters, tolerance: Tolerance) -> _Scores:
    rows, sizes = metric.double(), size.double()
    similarity, energy = score_tokens(rows[None], sizes[None], parameters)
    return _Scores(
        similarity[0].numpy(),
        energy[0].numpy(),
        ((sizes > 0) & finite_rows(rows)).numpy(),
        edge_values(torch.zeros_like(sizes), sizes, parameters).numpy(),
        parameters,
        tolerance,
    )


def _explain(slots: NDArray[np.int64], scores: _Scores, energies: EnergyIntervals) -> float | None:
    """The margin that groups [T] go against under the best order found; None where none explains them."""
    if scores.parameters.order == "position":
        found = _hold_against(np.arange(len(slots)), slots, scores)
        return found.margin if not len(found.unexplained) else None
    for share in _SHARES_OF_TOLERANCE:
        tolerance = share * scores.tolerance.energy
        order = _search(slots, scores, energies, tolerance)
        if order is not None:
            margin = _hold_against(order, slots, scores).margin
            return max(margin, inversion(order, energies))
    return None


def _search(
    slots: NDArray[np.int64], scores: _Scores, energies: EnergyIntervals, tolerance: float
) -> Order | None:
    """An order within the tolerance that leads to the groups; None where small changes lead to none.

    Where many energies are tied, any role of their tokens is possible, and few roles fit the groups. So a
    change that explains no more tokens is taken too where none explains more, unless it was seen before.
    """
    order = float64_order(energies)
    held = _hold_against(order, slots, scores)
    seen = {order.tobytes()}
    for _ in range(_MOST_CHANGES):
        wrong = len(held.unexplained)
        if not wrong:
            return order
        movable = np.append(held.unexplained, held.attractors)
        sideways = None
        for trial in islice(other_orders(order, energies, tolerance, movable), _MOST_ORDERS):
            found = _hold_against(trial, slots, scores)
            if len(found.unexplained) < wrong:
                break
            if sideways is None and len(found.unexplained) == wrong and trial.tobytes() not in seen:
                sideways = trial, found
        else:
            if sideways is None:
                return None
            trial, found = sideways
        order, held = trial, found
        seen.add(order.tobytes())
    return None


def _hold_against(order: Order, slots: NDArray[np.int64], scores: _Scores) -> _Explanation:
    """What of the groups [T] an order of the tokens explains."""
    parameters, tolerance = scores.parameters, scores.tolerance.similarity
    start, stop, target_start, target_stop, step = parameters.rank_slices
    sources, targets = order[start:stop:step], order[target_start:target_stop:step]
    protected = order[parameters.num_candidates :]

    group_size = np.bincount(slots)
    target_of_slot = np.full(len(group_size), -1)
    target_of_slot[slots[targets]] = targets
    second_targets = targets[target_of_slot[slots[targets]] != targets]
    not_alone = protected[group_size[slots[protected]] > 1]

    between = scores.similarity[np.ix_(sources, targets)]
    best = between.max(axis=1)
    edges = best + scores.edge_offset[sources]
    chosen = target_of_slot[slots[sources]]
    taken = chosen >= 0
    without_target = sources[~taken & (group_size[slots[sources]] > 1)]
    short = np.zeros(len(sources))
    short[taken] = best[taken] - scores.similarity[sources[taken], chosen[taken]]
    less_similar = short > tolerance
    margin, too_strong = float(short.max()), np.zeros(len(sources), dtype=bool)
    if taken.any() and not taken.all():
        weakest = edges[taken].min()
        with np.errstate(invalid="ignore"):  # of two edges from padding, which are infinite
            excess = np.where(taken | (edges <= weakest), 0, edges - weakest)
        too_strong = excess > tolerance
        margin = max(margin, float(excess.max()))
    attracted = less_similar | too_strong
    wrong = (second_targets, not_alone, without_target, sources[less_similar], sources[too_strong])
    return _Explanation(np.concatenate(wrong), np.unique(targets[between[attracted].argmax(axis=1)]), margin)
