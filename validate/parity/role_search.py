"""Which tokens of tied energies must be sources, targets or protected for given groups to follow?

A decision depends on the order of the energies only by the roles that it gives, so the search is for roles:
tokens of tied energies exchange theirs until nothing contradicts the groups. Where a narrow function leaves
most tokens without a neighbour, a hundred and more are tied and few roles fit. This is a colouring problem
then, and solved as such: by the exchange that removes the most conflicts, back and forth a while barred.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pitome.validate.parity.explanation import MergeScores, Order, Slots

_SOURCE, _TARGET, _PROTECTED = range(3)
_MOST_EXCHANGES = 300
_MOST_TRIALS = 20
"""Of exchanges, before one is made: what is expected of one leaves out that groups get other targets."""
_BARRED = 10
"""Exchanges for which a token then keeps its role, unless leaving it leads to the fewest conflicts yet."""
_STRUCTURE = 3
"""Conflicts that a group without a target, or with one too many, counts as."""


def search_roles(base: Order, slots: Slots, scores: MergeScores, tied: NDArray[np.bool_]) -> Order | None:
    """An order of the tokens whose roles have no conflict with the groups, or None where none was found.

    Args:
        base: [T], where to begin.
        slots: [T], the groups.
        scores: of the merge.
        tied: [T, T], which tokens may exchange their roles.

    Returns:
        The tokens at the ranks of their roles, in each as ``base`` has them. How far that goes against the
        energies is for the caller to see: ties need not be transitive.
    """
    role_of_rank = np.full(len(base), _PROTECTED)
    start, stop, target_start, target_stop, step = scores.parameters.rank_slices
    role_of_rank[start:stop:step], role_of_rank[target_start:target_stop:step] = _SOURCE, _TARGET
    roles = np.empty(len(base), dtype=np.int64)
    roles[base] = role_of_rank
    if not _exchange(roles, slots, scores, tied):
        return None
    order = np.empty_like(base)
    for role in (_SOURCE, _TARGET, _PROTECTED):
        order[role_of_rank == role] = base[roles[base] == role]
    return order


def _exchange(roles: NDArray[np.int64], slots: Slots, scores: MergeScores, tied: NDArray[np.bool_]) -> bool:
    """Exchange roles [T] in place until there is no conflict; whether that was reached."""
    barred_until = np.zeros(len(roles), dtype=np.int64)
    conflicts = _Conflicts.between(roles, slots, scores)
    fewest = conflicts.count
    for number in range(_MOST_EXCHANGES):
        if conflicts.count == 0:
            return True
        expected = conflicts.count + conflicts.change_by_exchange()
        barred = (barred_until > number)[:, None] | (barred_until > number)[None]
        allowed = tied & (roles[:, None] < roles[None]) & (~barred | (expected < fewest))
        best = None
        for pair in _by_value(np.where(allowed, expected, np.inf)):
            if best is not None and best[1].count <= expected[pair]:
                break
            trial = roles.copy()
            trial[list(pair)] = roles[list(pair)[::-1]]
            found = _Conflicts.between(trial, slots, scores)
            if best is None or found.count < best[1].count:
                best = pair, found
        if best is None:
            return False
        pair, conflicts = best
        roles[:] = conflicts.roles
        barred_until[list(pair)] = number + 1 + _BARRED + number % 3
        fewest = min(fewest, conflicts.count)
    return False


def _by_value(values: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """Places of the smallest finite values [T, T], in their order."""
    flat = values.ravel()
    smallest = np.argpartition(flat, min(_MOST_TRIALS, flat.size - 1))[:_MOST_TRIALS]
    for place in smallest[np.argsort(flat[smallest], kind="stable")].tolist():
        if np.isfinite(flat[place]):
            yield divmod(place, len(values))


@dataclass(frozen=True)
class _Conflicts:
    roles: NDArray[np.int64]
    slots: Slots
    merged: NDArray[np.bool_]
    """[T], tokens that are not alone in their group."""
    matrix: NDArray[np.int64]
    """[T, T], 1 where the first can't be a source while the second is a target."""
    targets: NDArray[np.int64]
    """[T], how many targets the group of a token has."""
    count: int
    """Of all conflicts; 0 where the roles explain the groups."""

    @classmethod
    def between(cls, roles: NDArray[np.int64], slots: Slots, scores: MergeScores) -> _Conflicts:
        """Of roles with the groups, the targets of the groups being what the roles say."""
        merged = np.bincount(slots)[slots] > 1
        same_group = slots[:, None] == slots[None]
        np.fill_diagonal(same_group, False)
        is_target = roles == _TARGET
        to_own = np.where(same_group & is_target, scores.similarity, -np.inf).max(axis=1)
        has_target = np.isfinite(to_own)
        taken = has_target & (roles == _SOURCE)
        weakest = (to_own + np.where(taken, scores.edge_offset, 0))[taken].min(initial=np.inf)
        # A source that merges goes to its best target; the edge of one that does not is no stronger than
        # the weakest taken. Where a group has no target yet, nothing is known of its sources.
        with np.errstate(invalid="ignore"):  # all edges taken may be from padding, and one left too
            others = weakest - scores.edge_offset
        best_allowed = np.where(merged, np.where(has_target, to_own, np.inf), others)
        matrix = (scores.similarity > best_allowed[:, None] + scores.tolerance) & ~same_group
        np.fill_diagonal(matrix, False)
        targets = np.bincount(slots, weights=is_target)[slots].astype(np.int64)
        _, first = np.unique(slots, return_index=True)
        of_groups = np.abs(targets[first[merged[first]]] - 1).sum() + (merged & (roles == _PROTECTED)).sum()
        count = int(matrix[np.ix_(roles == _SOURCE, is_target)].sum()) + _STRUCTURE * int(of_groups)
        return cls(roles, slots, merged, matrix.astype(np.int64), targets, count)

    def change_by_exchange(self) -> NDArray[np.int64]:
        """[T, T], by how much the count changes where two tokens exchange their roles, nothing else moving.

        Right where the first has the lower role, of source, target and protected, and no group gets another
        target by it.
        """
        as_role = np.stack(
            [
                self.matrix @ (self.roles == _TARGET),
                (self.roles == _SOURCE) @ self.matrix,
                _STRUCTURE * self.merged.astype(np.int64),
            ]
        )
        more = np.where(self.merged, _STRUCTURE * (np.abs(self.targets) - np.abs(self.targets - 1)), 0)
        fewer = np.where(self.merged, _STRUCTURE * (np.abs(self.targets - 2) - np.abs(self.targets - 1)), 0)
        tokens = np.arange(len(self.roles))
        gained = as_role[self.roles[None], tokens[:, None]]  # [i, j]: token i in the role of j
        gained += np.where(self.roles[None] == _TARGET, more[:, None], 0)
        gained += np.where(self.roles[:, None] == _TARGET, fewer[:, None], 0)
        gained -= as_role[self.roles, tokens][:, None]
        change = gained + gained.T
        source_and_target = (self.roles[:, None] == _SOURCE) & (self.roles[None] == _TARGET)
        change += np.where(source_and_target, self.matrix + self.matrix.T, 0)
        same_group = self.slots[:, None] == self.slots[None]
        moved = np.where(same_group & source_and_target, more[:, None] + fewer[None], 0)
        return change - moved
