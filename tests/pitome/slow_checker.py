"""Whether given merge decisions follow from METHOD.md section 2 when scores may be off by rounding.

Slow, and written apart from validate/parity/decisions.py, which does this for real models.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pitome.parameters import MergeParameters
from tests.pitome.slow_merge import (
    NON_FINITE_TARGET,
    Scores,
    as_float64,
    edge_value,
    score,
    slots_of,
    split_by_rank,
)

MOST_ORDERS = 20_000


class TooManyTies(ValueError):
    """More near-ties than can be tried one by one: nothing is known about the decisions."""


def explains(assignment: Any, metric: Any, size: Any, parameters: MergeParameters, eps: float) -> bool:
    """Whether the decisions of a batch follow from METHOD.md when every score may be off by eps / 2."""
    return not unexplained(assignment, metric, size, parameters, eps)


def unexplained(assignment: Any, metric: Any, size: Any, parameters: MergeParameters, eps: float) -> str:
    """Why the decisions of a batch do not follow within ``eps``; empty where they do.

    Two finite scores that differ by at most ``eps`` count as tied, and ties may fall either way. What no
    rounding touches (padding, rows that are not finite) has to be exactly as METHOD.md says.
    """
    assignment, metric, size = np.asarray(assignment), as_float64(metric), as_float64(size)
    for image in range(len(assignment)):
        reason = _unexplained_image(assignment[image], metric[image], size[image, :, 0], parameters, eps)
        if reason:
            return f"batch element {image}: {reason}"
    return ""


def _unexplained_image(
    assignment: np.ndarray, metric: np.ndarray, size: np.ndarray, parameters: MergeParameters, eps: float
) -> str:
    prefix = parameters.num_protected
    if sorted(set(assignment.tolist())) != list(range(len(size) - parameters.num_merged)):
        return f"the slots are not 0 to {len(size) - parameters.num_merged - 1}, each used"
    if assignment[:prefix].tolist() != list(range(prefix)) or (assignment[prefix:] < prefix).any():
        return "a prefix token does not have its own slot to itself"
    scores = score(metric, size, parameters)
    reason = "no order of the energies within eps has these sources and targets"
    energies = energy_range(scores, parameters, eps)
    for order in _orders(energies, assignment[prefix:] - prefix, parameters, eps):
        reason = _unexplained_in_order(order, assignment[prefix:] - prefix, scores, parameters, eps)
        if not reason:
            return ""
    return reason


@dataclass(frozen=True)
class EnergyRange:
    """Energies of one image, and how far a jump of the function at the margin may move them."""

    exact: np.ndarray
    """[T] float64."""
    low: np.ndarray
    """[T], where every similarity within eps of the margin fell below it."""
    high: np.ndarray
    """[T], where it did not."""


def energy_range(scores: Scores, parameters: MergeParameters, eps: float) -> EnergyRange:
    """METHOD.md section 2: a pair within eps of the margin moves a row's mean by the jump / n."""
    if not parameters.jump:
        return EnergyRange(scores.energy, scores.energy, scores.energy)
    count = len(scores.energy)
    counted = [j for j in range(count) if scores.size[j] > 0 and scores.similarity[j, j] > NON_FINITE_TARGET]
    step = parameters.jump / max(len(counted), 1)
    low, high = scores.energy.copy(), scores.energy.copy()
    for i in range(count):
        for j in counted:
            over = scores.similarity[i, j] - parameters.margin
            if not abs(over) <= eps:
                continue
            if (over >= 0) == (parameters.margin >= parameters.offset):
                low[i] -= step
            else:
                high[i] += step
    return EnergyRange(scores.energy, low, high)


def _orders(
    energies: EnergyRange, assignment: np.ndarray, parameters: MergeParameters, eps: float
) -> Iterator[list[int]]:
    """Every order of the tokens in which none precedes another whose energy is larger by more than eps.

    Left out are orders whose split into A, B and protected tokens cannot have led to the assignment [T].
    """
    exact = list(range(len(energies.exact)))
    if parameters.order == "position":
        yield exact
        return
    exact.sort(key=lambda i: (-energies.exact[i], i))
    lowest_before = list(itertools.accumulate((energies.low[i] for i in exact), min))
    highest_after = list(itertools.accumulate((energies.high[i] for i in reversed(exact)), max))[::-1]
    clusters = [[exact[0]]]
    for rank, after in enumerate(exact[1:], start=1):
        before = lowest_before[rank - 1]
        near = math.isfinite(before) and before - highest_after[rank] <= eps
        candidate = rank - len(clusters[-1]) < parameters.num_candidates  # the order of the others is idle
        if near and candidate:
            clusters[-1].append(after)
        else:
            clusters.append([after])
    choices = [_extensions(cluster, energies, eps) for cluster in clusters]
    choices = _consistent(choices, assignment, parameters)
    for number, choice in enumerate(itertools.product(*choices)):
        if number == MOST_ORDERS:
            raise TooManyTies("too many near-ties to try them all: choose other inputs or a smaller eps")
        yield list(itertools.chain.from_iterable(choice))


def _consistent(
    choices: list[list[tuple[int, ...]]], assignment: np.ndarray, parameters: MergeParameters
) -> list[list[tuple[int, ...]]]:
    """Strike from each cluster's orders those that contradict the tokens whose ranks are settled.

    Of orders that give every token the same part, and B the same first member, one is left.
    """
    by_rank = split_by_rank(list(range(len(assignment))), parameters)
    sources, targets = set(by_rank[0]), set(by_rank[1])
    group_size = np.bincount(assignment)
    starts = list(itertools.accumulate((len(choice[0]) for choice in choices), initial=0))
    received: dict[int, int] = {}  # group -> its member in B

    def fits(order: tuple[int, ...], start: int) -> bool:
        here = dict(received)
        for rank, token in enumerate(order, start):
            group = int(assignment[token])
            if group_size[group] == 1 or rank in sources:
                continue
            if rank not in targets or here.setdefault(group, token) != token:
                return False
        return True

    def part(order: tuple[int, ...], start: int) -> tuple[frozenset[int], ...]:
        ranks = list(enumerate(order, start))
        parts = (sources, targets, {by_rank[1][0]})
        return tuple(frozenset(token for rank, token in ranks if rank in members) for members in parts)

    for index, choice in enumerate(choices):
        alike = {part(order, starts[index]): order for order in reversed(choice)}
        choices[index] = list(alike.values())[::-1]

    open_clusters, changed = set(range(len(choices))), True
    while changed:
        changed = False
        for index in sorted(open_clusters, key=lambda index: len(choices[index])):
            kept = [order for order in choices[index] if fits(order, starts[index])]
            changed |= len(kept) < len(choices[index])
            choices[index] = kept
            if len(kept) == 1:
                open_clusters.remove(index)
                for rank, token in enumerate(kept[0], starts[index]):
                    if rank in targets:
                        received[int(assignment[token])] = token
                changed = True
    return choices


def _extensions(cluster: list[int], energies: EnergyRange, eps: float) -> list[tuple[int, ...]]:
    if len(cluster) > 7:
        raise TooManyTies(
            f"{len(cluster)} energies within eps of each other: choose other inputs or a smaller eps"
        )
    return [
        order
        for order in itertools.permutations(cluster)
        if all(
            energies.low[late] - energies.high[early] <= eps
            for early, late in itertools.combinations(order, 2)
        )
    ]


def _unexplained_in_order(
    order: list[int], assignment: np.ndarray, scores: Scores, parameters: MergeParameters, eps: float
) -> str:
    """Whether steps 4 to 6 and 8 can lead from this order of the tokens to this assignment [T]."""
    sources, targets = split_by_rank(order, parameters)
    is_source, is_target = set(sources), set(targets)
    goes_to: dict[int, int] = {}
    for slot in range(int(assignment.max()) + 1):
        group = np.flatnonzero(assignment == slot).tolist()
        if len(group) == 1:
            continue
        receivers = [token for token in group if token in is_target]
        if len(receivers) != 1:
            return f"the group {group} has {len(receivers)} members of B"
        others = [token for token in group if token != receivers[0]]
        if not is_source.issuperset(others):
            return f"the group {group} holds a protected token"
        goes_to.update(dict.fromkeys(others, receivers[0]))
    if slots_of(goes_to, len(assignment)).tolist() != assignment.tolist():
        return "the slots are not in the original order of the kept tokens"
    return _unexplained_targets(goes_to, sources, targets, scores, eps) or _unexplained_edges(
        goes_to, sources, targets, scores, parameters, eps
    )


def _unexplained_targets(
    goes_to: dict[int, int], sources: list[int], targets: list[int], scores: Scores, eps: float
) -> str:
    for a in sources:
        if a not in goes_to:
            continue
        best = max(scores.similarity[a, b] for b in targets)
        if best <= NON_FINITE_TARGET and goes_to[a] != targets[0]:
            return f"token {a} has no real similarity and goes to {goes_to[a]}, not to the first of B"
        if best - scores.similarity[a, goes_to[a]] > eps:
            return f"token {a} goes to {goes_to[a]}, less similar than the best by more than eps"
    return ""


def _unexplained_edges(
    goes_to: dict[int, int],
    sources: list[int],
    targets: list[int],
    scores: Scores,
    parameters: MergeParameters,
    eps: float,
) -> str:
    value = {
        a: edge_value(a, max(scores.similarity[a, b] for b in targets), scores, parameters) for a in sources
    }
    for rank, a in enumerate(sources):
        if a not in goes_to:
            continue
        for other_rank, other in enumerate(sources):
            if other in goes_to:
                continue
            if value[other] != value[a] and value[other] - value[a] > eps:
                return f"the edge of {a} was taken although that of {other} is larger by more than eps"
            if value[other] == value[a] == math.inf and other_rank < rank:
                return f"the padding token {a} was taken although {other} comes first in A"
    return ""
