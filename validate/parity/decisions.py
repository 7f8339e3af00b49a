"""Was a merge decision right? A float64 judge that excuses only what rounding can flip.

Merging chooses, and rounding can flip a choice although nothing is wrong (DESIGN.md, "Parity, the
rule"). Given a runtime's groups, the judge looks for an order, targets and edges within ``tolerance``
of the float64 ones that lead to exactly these groups. What is compared are groups, not slot numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pitome.merge import edge_values, find_edges, order_tokens, score_tokens, split_candidates
from pitome.parameters import MergeParameters

Floats = NDArray[np.float64]
MarginKind = Literal["order", "target", "edge"]
_LONGEST_PERMUTED_RUN = 4


@dataclass(frozen=True)
class Verdict:
    """What the judge found for one image and one merge."""

    explained: bool
    margin: float
    """The largest float64 margin that the groups go against; 0 where they are the float64 groups, inf where
    nothing within the tolerance explains them."""


@dataclass(frozen=True)
class Rounding:
    """How far float32 arithmetic may be from float64."""

    similarity: float
    energy: float

    def largest(self, other: Rounding) -> Rounding:
        """The larger of both, each by itself."""
        return Rounding(max(self.similarity, other.similarity), max(self.energy, other.energy))

    def times(self, factor: float) -> Rounding:
        """Both scaled."""
        return Rounding(self.similarity * factor, self.energy * factor)


@dataclass(frozen=True)
class _Scores:
    similarity: Floats
    energy: Floats
    size: Floats
    parameters: MergeParameters
    tolerance: Rounding


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
    assignment: Tensor, metric: Tensor, size: Tensor, parameters: MergeParameters, tolerance: Rounding
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
    sizes = size[None, prefix:, 0].double()
    similarity, energy = score_tokens(metric[None, prefix:].double(), sizes, parameters)
    scores = _Scores(similarity[0].numpy(), energy[0].numpy(), sizes[0].numpy(), parameters, tolerance)
    groups = assignment.numpy().astype(np.int64)
    kept = len(groups) - parameters.num_merged
    if not _prefix_is_alone(groups, prefix) or len(np.unique(groups)) != kept:
        return Verdict(False, float("inf"))
    slots = groups[prefix:]
    order = _float64_order(scores)
    violations, margin = _violations(order, slots, scores)
    before = violations + 1
    while 0 < violations < before:
        before = violations
        for start, stop in _near_ties(order, scores):
            for trial in _reordered(order, start, stop, scores):
                count, needed = _violations(trial, slots, scores)
                if count < violations:
                    order, violations, margin = trial, count, needed
    if violations:
        return Verdict(False, float("inf"))
    return Verdict(True, max(margin, _inversion(order, scores)))


def decision_margins(metric: Tensor, size: Tensor, parameters: MergeParameters) -> dict[MarginKind, Floats]:
    """How far float64 is from deciding otherwise, for one input; padding decides nothing.

    Args:
        metric: [N, D] float64.
        size: [N, 1] float32.
        parameters: of the merge.

    Returns:
        "order": gaps between neighbouring energies (none for ``order="position"``); "target": for each source
        that merges its best similarity less the second best; "edge": the r-th edge less the next one.
    """
    prefix = parameters.num_protected
    sizes = size[None, prefix:, 0].double()
    similarity, energy = score_tokens(metric[None, prefix:].double(), sizes, parameters)
    order = order_tokens(energy, parameters)
    first, second = split_candidates(order[:, : parameters.num_candidates], parameters)
    edges, _ = find_edges(similarity, sizes, first, second, parameters)
    ranked, taken = edges[0].sort(descending=True, stable=True)
    sources = first[0][taken[: parameters.num_merged]]
    sources = sources[sizes[0][sources] > 0]
    between = similarity[0][sources][:, second[0]]
    targets = between.topk(min(2, between.shape[1])).values.diff().neg().flatten()
    last = ranked[parameters.num_merged - 1 : parameters.num_merged + 1]
    last = last[torch.isfinite(last)]
    finite = energy[0][torch.isfinite(energy[0])].sort().values
    gaps = finite.diff() if parameters.order == "energy" else finite[:0]
    return {
        "order": gaps.numpy(),
        "target": targets.numpy(),
        "edge": last.diff().neg().numpy(),
    }


def smallest_margin(metric: Tensor, size: Tensor, parameters: MergeParameters) -> float:
    """The smallest float64 gap between neighbours in the energy order of one image; metric [N, D]."""
    if parameters.order == "position":
        return float("inf")
    prefix = parameters.num_protected
    sizes = size[None, prefix:, 0].double()
    _, energy = score_tokens(metric[None, prefix:].double(), sizes, parameters)
    finite = energy[0][torch.isfinite(energy[0])].sort().values
    return float(finite.diff().min()) if finite.numel() > 1 else float("inf")


def measure_rounding(single: Tensor, double: Tensor, size: Tensor, parameters: MergeParameters) -> Rounding:
    """Rounding of one merge's scores, from the metric [B, N, D] in float32 and in float64; size [B, N, 1]."""
    prefix = parameters.num_protected
    sizes = size[:, prefix:, 0]
    similarity, energy = score_tokens(single[:, prefix:].float(), sizes, parameters)
    exact_similarity, exact_energy = score_tokens(double[:, prefix:].double(), sizes.double(), parameters)
    difference = (similarity.double() - exact_similarity).abs()
    difference.diagonal(dim1=1, dim2=2).zero_()  # no token is compared with itself
    real = torch.isfinite(energy) & torch.isfinite(exact_energy)
    of_energy = float((energy.double() - exact_energy)[real].abs().max()) if real.any() else 0.0
    return Rounding(float(difference.max()), of_energy)


def _prefix_is_alone(groups: NDArray[np.int64], prefix: int) -> bool:
    return bool((groups[:prefix] == np.arange(prefix)).all() and (groups[prefix:] >= prefix).all())


def _float64_order(scores: _Scores) -> NDArray[np.int64]:
    if scores.parameters.order == "position":
        return np.arange(len(scores.energy))
    return np.argsort(-scores.energy, kind="stable")


def _near_ties(order: NDArray[np.int64], scores: _Scores) -> list[tuple[int, int]]:
    """Runs [start, stop) of the order whose neighbours are closer than the tolerance."""
    if scores.parameters.order == "position":
        return []
    ranked = np.sort(scores.energy)[::-1]
    with np.errstate(invalid="ignore"):
        close = np.abs(np.diff(ranked)) <= scores.tolerance.energy
    runs, start = [], None
    for index, is_close in enumerate([*close.tolist(), False]):
        if is_close and start is None:
            start = index
        elif not is_close and start is not None:
            runs.append((start, index + 1))
            start = None
    return runs


def _reordered(
    order: NDArray[np.int64], start: int, stop: int, scores: _Scores
) -> Iterator[NDArray[np.int64]]:
    """Other orders of one run, none of which puts a token before one whose energy is larger by more than the
    tolerance; long runs by swaps of two only."""
    if stop - start <= _LONGEST_PERMUTED_RUN:
        choices: Iterable[Any] = permutations(range(start, stop))
    else:
        choices = (
            [second if at == first else first if at == second else at for at in range(start, stop)]
            for first, second in combinations(range(start, stop), 2)
        )
    for choice in choices:
        trial = order.copy()
        trial[start:stop] = order[list(choice)]
        if _inversion(trial[start:stop], scores) <= scores.tolerance.energy:
            yield trial


def _inversion(order: NDArray[np.int64], scores: _Scores) -> float:
    """The largest energy gap that an order of tokens goes against."""
    if scores.parameters.order == "position":
        return 0.0
    ranked = scores.energy[order]
    ranked = ranked[np.isfinite(ranked)]  # the infinite ones stay where they are
    return float((ranked - np.minimum.accumulate(ranked)).max(initial=0))


def _violations(order: NDArray[np.int64], slots: NDArray[np.int64], scores: _Scores) -> tuple[int, float]:
    """How many tokens of the groups this order cannot explain, and the largest margin they go against."""
    parameters = scores.parameters
    candidates = order[: parameters.num_candidates]
    if parameters.split == "alternate":
        sources, targets = candidates[0::2], candidates[1::2]
    else:
        half = (len(candidates) + 1) // 2
        sources, targets = candidates[:half], candidates[half:]

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
        count += int((edges[taken] < strongest - scores.tolerance.similarity).sum())
    return count, margin
