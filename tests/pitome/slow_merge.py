"""The merge in slow float64 loops, straight from METHOD.md section 2.

On exactly representable metrics every implementation must decide as it does. Elsewhere rounding can turn a
decision: there slow_checker.py asks instead whether given decisions are within rounding.

Everything takes the float32 (or float16, bfloat16) values that the implementation got, as tensors or arrays.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pitome.parameters import MergeParameters

LARGEST_FLOAT32 = float(np.finfo(np.float32).max)
SMALLEST_NORM = 1e-6
NON_FINITE_TARGET = -2.0
NON_FINITE_SOURCE = -3.0


class Margins(NamedTuple):
    """By how much one image's decisions were won, in energy or similarity; inf where there was no rival."""

    order: list[float]
    """For each candidate rank: the energy's lead over the next rank; empty for the order by position."""
    target: list[float]
    """For each source, in A's order: the similarity's lead over the second best target."""
    edge: float
    """The lead of the weakest edge taken over the best edge left."""

    @property
    def smallest(self) -> float:
        return min([*self.order, *self.target, self.edge], default=math.inf)


class SlowMerge(NamedTuple):
    """What ``slow_merge`` returns, for a batch."""

    y: np.ndarray
    """[B, N - r, C] float64."""
    size: np.ndarray
    """[B, N - r, 1] float64."""
    assignment: np.ndarray
    """[B, N] int64."""
    margins: list[Margins]
    """One per batch element."""


@dataclass(frozen=True)
class Scores:
    """Steps 1 and 2 for one image; positions count from the first token after the prefix."""

    similarity: np.ndarray
    """[T, T] float64: row = source, column = target."""
    energy: np.ndarray
    """[T] float64, +-inf included."""
    size: np.ndarray
    """[T] float64."""


def slow_merge(x: Any, metric: Any, size: Any, parameters: MergeParameters) -> SlowMerge:
    """All eight steps for x [B, N, C], metric [B, N, D], size [B, N, 1]."""
    x, size = as_float64(x), as_float64(size)
    assignments, margins = [], []
    for one_metric, one_size in zip(as_float64(metric), size, strict=True):
        assignment, one_margins = decide(one_metric, one_size[:, 0], parameters)
        assignments.append(assignment)
        margins.append(one_margins)
    assignment = np.stack(assignments)
    y, size_out = merge_values(x, size, assignment)
    return SlowMerge(y, size_out, assignment, margins)


def as_float64(values: Any) -> np.ndarray:
    """A tensor of any floating-point dtype, or an array, as float64 without loss."""
    return values.detach().double().numpy() if hasattr(values, "detach") else np.asarray(values, np.float64)


def score(metric: np.ndarray, size: np.ndarray, parameters: MergeParameters) -> Scores:
    """Steps 1 and 2 for metric [N, D] and size [N]."""
    rows, size = metric[parameters.num_protected :], size[parameters.num_protected :]
    count = len(rows)
    with np.errstate(invalid="ignore", over="ignore"):
        squares = [float(np.sum(row * row)) for row in rows]
    finite = [square <= LARGEST_FLOAT32 for square in squares]  # False for nan too
    norm = [
        max(math.sqrt(square), SMALLEST_NORM) if ok else 1.0
        for square, ok in zip(squares, finite, strict=True)
    ]

    similarity = np.empty((count, count))
    for i in range(count):
        for j in range(i, count):
            if finite[i] and finite[j]:
                similarity[i, j] = similarity[j, i] = float(rows[i] @ rows[j]) / (norm[i] * norm[j])
    similarity[:, [j for j in range(count) if not finite[j]]] = NON_FINITE_TARGET
    similarity[[i for i in range(count) if not finite[i]], :] = NON_FINITE_SOURCE

    counted = [j for j in range(count) if size[j] > 0 and finite[j]]
    energy = np.empty(count)
    for i in range(count):
        if size[i] <= 0:
            energy[i] = math.inf
        elif not finite[i]:
            energy[i] = -math.inf
        else:
            energy[i] = math.fsum(energy_of(similarity[i, j], parameters) for j in counted) / len(counted)
    return Scores(similarity, energy, size)


def energy_of(similarity: float, parameters: MergeParameters) -> float:
    """f of step 2."""
    if parameters.function == "gaussian":
        return math.exp(-0.5 * ((1 - similarity) / (1 - parameters.margin)) ** 2)
    if similarity >= parameters.margin:
        return (similarity - parameters.offset) / parameters.width
    return parameters.alpha * (math.exp((similarity - parameters.margin) / parameters.width) - 1)


def split_by_rank(order: list[int], parameters: MergeParameters) -> tuple[list[int], list[int]]:
    """Steps 4 and 5: the candidates of an order as (A, B)."""
    candidates = order[: parameters.num_candidates]
    half = math.ceil(len(candidates) / 2)
    return {
        "alternate": (candidates[0::2], candidates[1::2]),
        "alternate_second": (candidates[1::2], candidates[0::2]),
        "half": (candidates[:half], candidates[half:]),
    }[parameters.split]


def edge_value(source: int, best: float, scores: Scores, parameters: MergeParameters) -> float:
    """Step 6: the value of a source's edge whose similarity is ``best``."""
    if scores.size[source] <= 0:
        return math.inf
    return best - parameters.size_penalty * math.log(scores.size[source])


def decide(metric: np.ndarray, size: np.ndarray, parameters: MergeParameters) -> tuple[np.ndarray, Margins]:
    """Steps 1 to 6 and the slots of step 8 for metric [N, D] and size [N]: assignment [N] and margins."""
    scores = score(metric, size, parameters)
    count, prefix = len(scores.energy), parameters.num_protected
    order = list(range(count))
    order_margins: list[float] = []
    if parameters.order == "energy":
        order.sort(key=lambda i: (-scores.energy[i], i))
        ranked = [scores.energy[i] for i in order]
        # Equal infinities are ties that the position settles, with nothing to round.
        order_margins = [
            math.inf if before == after and math.isinf(before) else before - after
            for before, after in itertools.pairwise(ranked[: parameters.num_candidates + 1])
        ]

    sources, targets = split_by_rank(order, parameters)
    edges, target_margins = [], []
    for rank, a in enumerate(sources):
        best = max(range(len(targets)), key=lambda k: (scores.similarity[a, targets[k]], -k))
        similarity = scores.similarity[a, targets[best]]
        rivals = [scores.similarity[a, b] for k, b in enumerate(targets) if k != best]
        settled = similarity <= NON_FINITE_TARGET  # all are -2 or -3, exactly
        target_margins.append(math.inf if settled or not rivals else similarity - max(rivals))
        edges.append((edge_value(a, similarity, scores, parameters), rank, a, targets[best]))
    edges.sort(key=lambda edge: (-edge[0], edge[1]))
    taken, left = edges[: parameters.num_merged], edges[parameters.num_merged :]
    worst, rival = taken[-1][0], left[0][0] if left else -math.inf
    edge_margin = math.inf if worst == rival and math.isinf(worst) else worst - rival

    goes_to = {a + prefix: b + prefix for _, _, a, b in taken}
    return slots_of(goes_to, len(size)), Margins(order_margins, target_margins, edge_margin)


def slots_of(goes_to: dict[int, int], num_tokens: int) -> np.ndarray:
    """Step 8: the assignment [N] when each source position goes to its target's position."""
    kept = [position for position in range(num_tokens) if position not in goes_to]
    slot = {position: index for index, position in enumerate(kept)}
    return np.array([slot[goes_to.get(position, position)] for position in range(num_tokens)])


def merge_values(x: Any, size: Any, assignment: Any) -> tuple[np.ndarray, np.ndarray]:
    """Step 7 in float64 with the decisions given: y [B, N - r, C] and size [B, N - r, 1]."""
    x, size, assignment = as_float64(x), as_float64(size), np.asarray(assignment)
    num_slots = int(assignment.max()) + 1
    y = np.zeros((x.shape[0], num_slots, x.shape[2]))
    size_out = np.zeros((x.shape[0], num_slots, 1))
    for image, slots in enumerate(assignment):
        members: list[list[int]] = [[] for _ in range(num_slots)]
        for position, slot in enumerate(slots):
            members[slot].append(position)
        for slot, group in enumerate(members):
            weights = np.maximum(size[image, group, 0], 0)
            total = math.fsum(weights)
            size_out[image, slot] = total
            if total > 0:
                alone = len(group) == 1
                y[image, slot] = x[image, group[0]] if alone else weights @ x[image, group] / total
    return y, size_out
