"""Rounds: each runs every contestant once, so that drift of the machine hits all of them alike.

The order inside a round is drawn at random, balanced: within as many rounds as there are contestants, each
stands once in every place.
"""

from __future__ import annotations

import gc
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

Seconds = npt.NDArray[np.float64]
"""[rounds] float64, the wall time of one run each, in seconds."""
Run = Callable[[], object]


@runtime_checkable
class TimedRun(Protocol):
    """A run that knows a better clock than the host's, such as a GPU's."""

    def __call__(self) -> object:
        """Run once, and return when the result is there."""

    def seconds(self) -> float:
        """Run, and say how long one run took."""


Clock = Callable[[], float]
"""Seconds since some moment."""
Progress = Callable[[str, int, int], None]
"""Called with (phase, steps done, steps in all)."""

MIN_ROUNDS, MAX_ROUNDS = 11, 1000
MIN_WARMUP_ROUNDS, MAX_WARMUP_ROUNDS = 3, 12  # the first one also allocates and is never compared
SETTLED = 0.03  # two warm-up rounds in a row whose times differ by less than this end the warm-up


@dataclass(frozen=True)
class Rounds:
    """What was measured, by contestant."""

    seconds: dict[str, Seconds]
    """Entry i of each was taken in round i."""
    warmup_rounds: int


def random_orders(names: Sequence[str], seed: int) -> Iterator[tuple[str, ...]]:
    """The order of one round after the other, without end.

    Each block of as many rounds as there are names goes through the rotations of a fresh permutation, in a
    random order: every name once in every place.
    """
    generator = random.Random(seed)
    while True:
        shuffled = generator.sample(list(names), len(names))
        for start in generator.sample(range(len(names)), len(names)):
            yield (*shuffled[start:], *shuffled[:start])


def measure_rounds(
    runs: Mapping[str, Run],
    *,
    repeats: int | None = None,
    min_seconds: float = 10.0,
    seed: int = 0,
    pauses: Mapping[str, float] | None = None,
    title: str = "batch 1",
    progress: Progress | None = None,
    clock: Clock = time.perf_counter,
) -> Rounds:
    """Warm all contestants up, then measure them round by round.

    Args:
        runs: contestant -> a function that runs it once and returns when the result is there; one with a
            clock of its own (`TimedRun`) is timed by that.
        repeats: rounds that are kept. By default as many as ``min_seconds`` hold, at least 11 and at most
            1000, fixed after the warm-up so that the sample's size does not depend on what it shows.
        min_seconds: wall time to measure where ``repeats`` is not given; the warm-up lasts no longer.
        seed: of the orders.
        pauses: contestant -> seconds of rest after its run, while its threads fall asleep.
        title: what ``progress`` is told that is done.
        progress: told of every round.
        clock: seconds.
    """
    tell = progress or (lambda phase, done, total: None)
    pauses = pauses or {}
    orders = random_orders(list(runs), seed)

    def next_round() -> dict[str, float]:
        times = {}
        for name in next(orders):
            times[name] = _timed(runs[name], clock)
            if pauses.get(name):
                time.sleep(pauses[name])
        return times

    collecting = gc.isenabled()
    gc.disable()  # a collection inside one run would count as that contestant's time
    try:
        warmup: list[dict[str, float]] = []
        while not is_warm(warmup, min_seconds):
            tell(f"warm-up, {title}", len(warmup), MAX_WARMUP_ROUNDS)
            warmup.append(next_round())
        rounds = repeats or rounds_in(min_seconds, sum(warmup[-1].values()))
        seconds = {name: np.empty(rounds) for name in runs}
        orders = random_orders(list(runs), seed)  # a block of its own, whatever the warm-up took
        for index in range(rounds):
            tell(f"latency, {title}", index, rounds)
            for name, taken in next_round().items():
                seconds[name][index] = taken
        tell(f"latency, {title}", rounds, rounds)
    finally:
        if collecting:
            gc.enable()
    return Rounds(seconds, len(warmup))


def _timed(run: Run, clock: Clock) -> float:
    if isinstance(run, TimedRun):
        return run.seconds()
    start = clock()
    run()
    return clock() - start


def rounds_in(seconds: float, one_round: float) -> int:
    """How many rounds fill so many seconds, within 11 and 1000."""
    return min(max(MIN_ROUNDS, math.ceil(seconds / max(one_round, 1e-9))), MAX_ROUNDS)


def is_warm(rounds: Sequence[Mapping[str, float]], patience: float = math.inf) -> bool:
    """Whether all have settled: the last two rounds agree, or rounds or seconds of patience are used up."""
    if len(rounds) < MIN_WARMUP_ROUNDS:
        return False
    if len(rounds) >= MAX_WARMUP_ROUNDS or sum(sum(times.values()) for times in rounds) >= patience:
        return True
    before, last = rounds[-2], rounds[-1]
    return all(abs(last[name] - before[name]) <= SETTLED * before[name] for name in before)
