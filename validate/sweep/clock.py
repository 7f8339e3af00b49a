"""How far a sweep is, and how long the rest may take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pitome.validate.sweep.plan import Point
from pitome.validate.sweep.records import UNMERGED, AnyRecord, FailedPoint, SweepRecord

if TYPE_CHECKING:
    from pitome.validate.task import Task


class Clock:
    """How much of a sweep is done, and how long the rest may take.

    A task's seconds are taken to be in proportion to the FLOPs, at the rate of the records so far.
    """

    def __init__(self, points: Sequence[Point], tasks: Sequence[Task], records: Sequence[AnyRecord]) -> None:
        done = {each.identity for each in records}
        failed = {each.key for each in records if isinstance(each, FailedPoint) and each.task is None}
        costs = [(UNMERGED, 1.0), *((point.key, point.flops_ratio) for point in points)]
        self.total = len(costs) * len(tasks)
        self._left = {
            task.name: {
                key: cost for key, cost in costs if (key, task.name) not in done and key not in failed
            }
            for task in tasks
        }
        self._spent: dict[str, tuple[float, float]] = {}
        for each in records:
            if isinstance(each, SweepRecord):
                self._spend(each)

    @property
    def done(self) -> int:
        """Points times tasks that are finished."""
        return self.total - sum(len(left) for left in self._left.values())

    def count(self, record: SweepRecord) -> None:
        """A point is finished on one task."""
        self._left[record.task].pop(record.key, None)
        self._spend(record)

    def skip(self, key: str, task: str | None = None) -> None:
        """A point failed on one task, or on all."""
        for name, left in self._left.items():
            if task in (None, name):
                left.pop(key, None)

    def seconds_left(self) -> float | None:
        """For what is left; None before anything of a task is known."""
        total = 0.0
        for task, left in self._left.items():
            if left and task not in self._spent:
                return None
            if left:
                seconds, cost = self._spent[task]
                total += seconds / cost * sum(left.values())
        return total

    def told(self, label: str) -> str:
        """A line for the person who waits; the time first, because a narrow terminal cuts the end."""
        left = self.seconds_left()
        return label if left is None else f"{duration(left)} left, {label}"

    def _spend(self, record: SweepRecord) -> None:
        seconds, cost = self._spent.get(record.task, (0.0, 0.0))
        self._spent[record.task] = seconds + record.seconds, cost + record.flops_ratio


def duration(seconds: float) -> str:
    """About how long, such as "12 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
