"""The fastest setting of a sweep whose quality stays within a budget: what `pitome tune` picks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pitome.errors import PitomeError
from pitome.validate.sweep.left_out import not_to_deploy
from pitome.validate.sweep.records import AnyRecord, SpeedRecord, SweepRecord, measured

FINALISTS = 5
NEAREST = 5
"""Settings that are listed where none is within the budget."""


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

    @property
    def at_most(self) -> float:
        """Points that it loses at most with 95 %, on the task where that is the most."""
        return max(drop.high for drop in self.drops)

    def is_within(self, max_drop: float, *, accept_mean: bool = False) -> bool:
        """Whether it stays within a budget at 95 %, or by its mean where that is accepted."""
        return (self.worst.mean if accept_mean else self.at_most) <= max_drop


def candidates_of(records: Sequence[AnyRecord], tasks: Sequence[str]) -> list[Candidate]:
    """The settings with a record for every task, in the order of their first record."""
    found: dict[str, list[SweepRecord]] = {}
    for each in measured(list(records)):
        if not each.is_unmerged and not_to_deploy(each.settings.method) is None and each.task in tasks:
            found.setdefault(each.key, []).append(each)
    return [
        Candidate(key, tuple(map(Drop.of, group)), group[0].speed)
        for key, group in found.items()
        if {each.task for each in group} == set(tasks)
    ]


def choose(
    candidates: Sequence[Candidate],
    max_drop: float,
    measure: Callable[[Sequence[Candidate]], Sequence[SpeedRecord]] | None = None,
    finalists: int = FINALISTS,
    *,
    accept_mean: bool = False,
) -> Candidate:
    """The fastest candidate that loses at most ``max_drop`` points on every task, at 95 %.

    The few with the least FLOPs among them are finalists. With ``measure`` their speed-ups are measured
    (where the sweep did not) and the highest wins, else the least FLOPs; equal ones are told apart by what
    they lose.

    Args:
        candidates: the settings.
        max_drop: the budget in points; the end of the paired interval that loses more counts.
        measure: measures candidates in one go; their speeds in the same order.
        finalists: how many are measured.
        accept_mean: the mean counts in place of that end; about every second such choice then loses more.

    Raises:
        BudgetError: none is within the budget; the nearest are listed.
    """
    within = [each for each in candidates if each.is_within(max_drop, accept_mean=accept_mean)]
    if not within:
        raise _none_within(candidates, max_drop, accept_mean=accept_mean)
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


def _none_within(candidates: Sequence[Candidate], max_drop: float, *, accept_mean: bool) -> BudgetError:
    surely = "" if accept_mean else " at 95 %"
    asked = f"a setting that loses at most {max_drop:g} points{surely}"
    if not candidates:
        return BudgetError(
            asked, "no setting could be judged on every task", "See the reasons in the sweep's file"
        )
    nearest = sorted(candidates, key=lambda each: each.worst.mean if accept_mean else each.at_most)
    by_mean = sum(each.is_within(max_drop, accept_mean=True) for each in candidates)
    ways = ["Allow a larger --max-drop", "let more FLOPs be left with --flops"]
    ways += [] if accept_mean else ["judge more samples"]
    ways += [f"take the mean for it with --accept-mean ({by_mean} would fit)"] if by_mean else []
    remedy = f"Nothing was written. {', '.join(ways[:-1])}, or {ways[-1]}"
    return BudgetError(
        asked,
        f"none of {len(candidates)} does; the nearest:",
        remedy,
        [f"- {_told(each)}" for each in nearest[:NEAREST]],
    )


def _told(candidate: Candidate) -> str:
    drop = max(candidate.drops, key=lambda each: each.high)
    return (
        f"{drop.mean:+.2f} points lost [{drop.low:+.2f}, {drop.high:+.2f}] on {drop.record.task} at "
        f"{candidate.record.flops_ratio:.3f} of the FLOPs: {candidate.record.label}"
    )
