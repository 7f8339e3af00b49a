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

from pitome.merge import edge_values, finite_rows, score_tokens, split_candidates
from pitome.parameters import MergeParameters
from pitome.validate.parity.energy_intervals import EnergyIntervals, Floats, with_jumps, without_jumps
from pitome.validate.parity.energy_orders import Order, float64_order, inversion, other_orders
from pitome.validate.parity.rounding import Tolerance

_MOST_ORDERS = 10_000
"""Tried before the judge takes the best of them and looks on from there."""


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
    size: Floats
    counted: NDArray[np.bool_]
    """[T], the tokens that the mean of an energy is over."""
    parameters: MergeParameters
    tolerance: Tolerance


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
    counted = (sizes > 0) & finite_rows(rows)
    return _Scores(
        similarity[0].numpy(), energy[0].numpy(), sizes.numpy(), counted.numpy(), parameters, tolerance
    )


def _explain(slots: NDArray[np.int64], scores: _Scores, energies: EnergyIntervals) -> float | None:
    """The margin that groups [T] go against under the best order; None where no order explains them."""
    by_position = scores.parameters.order == "position"
    order = np.arange(len(slots)) if by_position else float64_order(energies)
    violations, margin = _violations(order, slots, scores)
    before = violations + 1
    while 0 < violations < before and not by_position:
        before = violations
        for trial in islice(other_orders(order, energies, scores.tolerance.energy), _MOST_ORDERS):
            count, needed = _violations(trial, slots, scores)
            if count < violations:
                order, violations, margin = trial, count, needed
    if violations:
        return None
    return margin if by_position else max(margin, inversion(order, energies))


def _violations(order: Order, slots: NDArray[np.int64], scores: _Scores) -> tuple[int, float]:
    """How many tokens of the groups this order cannot explain, and the largest margin they go against."""
    parameters = scores.parameters
    candidates = order[: parameters.num_candidates]
    ranked = torch.from_numpy(candidates)[None]
    sources, targets = (part[0].numpy() for part in split_candidates(ranked, parameters))

    target_of_slot = {int(slots[target]): int(target) for target in targets}
    count = len(targets) - len(target_of_slot)
    alone = np.setdiff1d(np.arange(len(slots)), candidates)
    count += sum(int((slots == slots[token]).sum() > 1) for token in alone)

    between = scores.similarity[np.ix_(sources, targets)]
    best = between.max(axis=1)
    values = edge_values(torch.from_numpy(best), torch.from_numpy(scores.size[sources]), parameters)
    edges = values.numpy()
    chosen = np.array([target_of_slot.get(int(slots[source]), -1) for source in sources])
    taken = chosen >= 0
    count += abs(int(taken.sum()) - parameters.num_merged)

    shortfall = best[taken] - scores.similarity[sources[taken], chosen[taken]]
    count += int((shortfall > scores.tolerance.similarity).sum())
    margin = float(shortfall.max(initial=0))
    if taken.any() and not taken.all():
        weakest, strongest = edges[taken].min(), edges[~taken].max()
        excess = 0.0 if strongest <= weakest else float(strongest - weakest)
        margin = max(margin, excess)
        if excess > scores.tolerance.similarity:
            count += int((edges[taken] < strongest - scores.tolerance.similarity).sum())
    return count, margin
