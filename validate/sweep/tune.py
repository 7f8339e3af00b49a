"""The fastest setting of a sweep whose quality stays within a budget: what `pitome tune` picks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pitome.errors import PitomeError
from pitome.methods import method_class, method_names
from pitome.validate.sweep.records import AnyRecord, SpeedRecord, SweepRecord, measured

FINALISTS = 5


class BudgetError(PitomeError):
    """No setting of the sweep stays within the budget. Nothing is written."""

    exit_code = 1


@dataclass(frozen=True)
class Drop:
    """What a setting loses on one task, in points (100 times the metric)."""

    record: SweepRecord
    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, record: SweepRecord) -> Drop:
        """From the paired difference to the unmerged model."""
        found = record.to_unmerged
        assert found is not None  # only the unmerged model has none
        return cls(record, -100 * found.mean, -100 * found.high, -100 * found.low)


@dataclass(frozen=True)
class Candidate:
    """A setting that was judged on every task."""

    key: str
    drops: tuple[Drop, ...]
    """One per task."""
    speed: SpeedRecord | None = None

    @property
    def record(self) -> SweepRecord:
        """One of its records; they differ in the task only."""
        return self.drops[0].record

    @property
    def worst(self) -> Drop:
        """On the task where it loses the most."""
        return max(self.drops, key=lambda drop: drop.mean)


def candidates_of(records: Sequence[AnyRecord], tasks: Sequence[str]) -> list[Candidate]:
    """The settings with a record for every task, in the order of their first record."""
    found: dict[str, list[SweepRecord]] = {}
    for each in measured(list(records)):
        if not each.is_unmerged and _deployable(each.settings.method) and each.task in tasks:
            found.setdefault(each.key, []).append(each)
    return [
        Candidate(key, tuple(map(Drop.of, group)), group[0].speed)
        for key, group in found.items()
        if {each.task for each in group} == set(tasks)
    ]


def _deployable(method: str) -> bool:
    """Whether a method is one to deploy; older files have methods that are gone."""
    return method in method_names() and method_class(method).deployable


def choose(
    candidates: Sequence[Candidate],
    max_drop: float,
    measure: Callable[[Sequence[Candidate]], Sequence[SpeedRecord]] | None = None,
    finalists: int = FINALISTS,
) -> Candidate:
    """The fastest candidate that loses at most ``max_drop`` points on every task.

    The few with the least FLOPs among them are finalists. With ``measure`` their speed-ups are measured
    (where the sweep did not) and the highest wins, else the least FLOPs; equal ones are told apart by what
    they lose.

    Args:
        candidates: the settings.
        max_drop: the budget in points; the mean of the paired difference counts.
        measure: measures candidates in one go; their speeds in the same order.
        finalists: how many are measured.

    Raises:
        BudgetError: none is within the budget; the closest is named.
    """
    within = [each for each in candidates if each.worst.mean <= max_drop]
    if not within:
        raise _none_within(candidates, max_drop)
    within.sort(key=lambda each: (each.record.flops_ratio, each.worst.mean))
    last = _different_speed(within)[:finalists]
    if measure is None:
        return last[0]
    new = [each for each in last if each.speed is None]
    found = dict(zip([each.key for each in new], measure(new) if new else (), strict=True))
    timed = [Candidate(each.key, each.drops, each.speed or found[each.key]) for each in last]
    return max(timed, key=lambda each: (each.speed.speedup if each.speed else 0.0, -each.worst.mean))


def _different_speed(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Of settings whose graphs do the same work, the one that loses least."""
    best: dict[str, Candidate] = {}
    for each in candidates:
        record = each.record
        work = record.graph or each.key
        if work not in best or each.worst.mean < best[work].worst.mean:
            best[work] = each
    order = {each.key: place for place, each in enumerate(candidates)}
    return sorted(best.values(), key=lambda each: (each.record.flops_ratio, order[each.key]))


def _none_within(candidates: Sequence[Candidate], max_drop: float) -> BudgetError:
    asked = f"a setting that loses at most {max_drop:g} points"
    if not candidates:
        return BudgetError(
            asked, "no setting could be judged on every task", "See the reasons in the sweep's file"
        )
    closest = min(candidates, key=lambda each: each.worst.mean)
    drop = closest.worst
    return BudgetError(
        asked,
        f"none of {len(candidates)} does; the closest is {closest.record.label}, which loses {drop.mean:.2f} "
        f"points [{drop.low:.2f}, {drop.high:.2f}] on {drop.record.task} at {drop.record.flops_ratio:.3f} of "
        "the FLOPs",
        "Nothing was written. Allow a larger --max-drop, or let more FLOPs be left with --flops",
    )
