"""How fast it goes and how long it will take."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

Report = Callable[[str, int, int], None]
"""Called with (detail, inputs done, inputs in all)."""
_WINDOW, _EVERY = 30.0, 5.0
"""Seconds over which the rate is measured, and between two details: where there is no terminal, each is a
line."""


class RateReport:
    """Tells a `Report` of every batch, with the rate of the last half minute.

    Args:
        report: is told.
        done: inputs that were there already; they count as done and for no rate.
        total: inputs in all.
        clock: seconds.
    """

    def __init__(
        self, report: Report, done: int, total: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._report, self._done, self._total, self._clock = report, done, total, clock
        self._seen = deque([(clock(), done)])
        self._told, self._detail = clock(), f"{done:,} of {total:,}"
        report(self._detail, done, total)

    def add(self, count: int) -> None:
        """So many more are dealt with."""
        now = self._clock()
        self._done += count
        self._seen.append((now, self._done))
        while len(self._seen) > 2 and now - self._seen[0][0] > _WINDOW:
            self._seen.popleft()
        if now - self._told >= _EVERY or self._done >= self._total:
            self._told, self._detail = now, self._told_detail(now)
        self._report(self._detail, self._done, self._total)

    def _told_detail(self, now: float) -> str:
        then, before = self._seen[0]
        text = f"{self._done:,} of {self._total:,}"
        if now <= then or self._done == before:
            return text
        rate = (self._done - before) / (now - then)
        left = (self._total - self._done) / rate
        return f"{text}, {told_rate(rate)}" + (f", {told_time(left)} left" if left > 0 else "")


def told_rate(rate: float) -> str:
    """Such as "812/s"."""
    return f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s"


def told_time(seconds: float) -> str:
    """Such as "2 h 5 min"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{round(hours / 24)} days"
