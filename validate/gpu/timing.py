"""How long things take on a GPU, measured side by side in rounds.

Every round runs each candidate once, in an order that changes from round to round, so that drift of clocks
and temperature hits all alike; ratios are judged on pairs of the same round (``validate.bench.latency``). One
sample is as many runs back to back as fill ``sample_seconds``, between two CUDA events.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pitome.bundle.manifest import Record
from pitome.validate.bench.latency import bootstrap_interval
from pitome.validate.bench.records import Timing, timing_of
from pitome.validate.bench.rounds import Seconds
from pitome.validate.gpu.environment import GpuState

Run = Callable[[], object]
Clock = Callable[[Run, int], float]
"""Seconds that so many runs take, back to back."""

ROUNDS = 51
SAMPLE_SECONDS = 0.05
WARMUP_SECONDS = 3.0
MIN_WARMUP_ROUNDS = 3
MOST_RUNS = 10_000


@dataclass(frozen=True)
class Sampled:
    """Seconds of one run of each candidate in each round."""

    seconds: dict[str, Seconds]
    runs: dict[str, int]
    """Of each candidate, in one sample."""
    warmup_rounds: int


class CandidateTiming(Record):
    """One candidate at one batch size."""

    name: str
    how: str
    """How it is launched: "CUDA graph", "the runtime's own CUDA graph" or "eager"."""
    timing: Timing
    runs_per_sample: int
    likeness: float | None = None
    """Lowest cosine of an engine's output to that of PyTorch in the same precision."""


class Ratio(Record):
    """How many times as long one candidate takes as another."""

    fast: str
    slow: str
    ratio: float
    """Median time of ``slow`` / median time of ``fast``."""
    interval: tuple[float, float]
    """95 % bootstrap interval over paired rounds."""
    bound: float | None = None
    """FLOPs of ``slow`` / FLOPs of ``fast``, where they are the same model with and without merging."""

    @property
    def share_of_bound(self) -> float | None:
        """ratio / bound."""
        return None if self.bound is None else self.ratio / self.bound


class BatchSpeed(Record):
    """All candidates at one batch size."""

    batch: int
    candidates: tuple[CandidateTiming, ...]
    ratios: tuple[Ratio, ...]
    rounds: int
    warmup_rounds: int
    state: GpuState
    """Of the GPU, right after the last round."""


def cuda_clock(run: Run, count: int) -> float:
    """Seconds of ``count`` runs on the current stream, by CUDA events."""
    start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(count):
        run()
    stop.record()
    stop.synchronize()
    return float(start.elapsed_time(stop)) / 1e3


def order_of_round(names: Sequence[str], index: int) -> list[str]:
    """The order of one round: every other one backwards, and each pair of rounds begins with another one."""
    start = index // 2 % len(names)
    rotated = [*names[start:], *names[:start]]
    return rotated[::-1] if index % 2 else rotated


def measure_rounds(
    candidates: Mapping[str, Run],
    clock: Clock = cuda_clock,
    *,
    rounds: int = ROUNDS,
    sample_seconds: float = SAMPLE_SECONDS,
    warmup_seconds: float = WARMUP_SECONDS,
    now: Callable[[], float] = time.monotonic,
) -> Sampled:
    """Measure candidates against each other.

    Args:
        candidates: name -> a function that enqueues one run.
        clock: by default CUDA events.
        rounds: how many are kept.
        sample_seconds: how long one sample of one candidate lasts, about.
        warmup_seconds: how long rounds are run and thrown away first; the last of them sets how many runs
            make a sample.
        now: seconds since some moment, for the warm-up.
    """
    names = list(candidates)
    runs = dict.fromkeys(names, 1)
    last: dict[str, float] = {}
    warmup_rounds, started = 0, now()
    while warmup_rounds < MIN_WARMUP_ROUNDS or now() - started < warmup_seconds:
        for name in order_of_round(names, warmup_rounds):
            last[name] = clock(candidates[name], runs[name]) / runs[name]
        runs = {name: runs_per_sample(last[name], sample_seconds) for name in names}
        warmup_rounds += 1
    seconds = {name: np.empty(rounds) for name in names}
    for index in range(rounds):
        for name in order_of_round(names, index):
            seconds[name][index] = clock(candidates[name], runs[name]) / runs[name]
    return Sampled(seconds, runs, warmup_rounds)


def runs_per_sample(seconds: float, sample_seconds: float) -> int:
    """How many runs of so many ``seconds`` fill one sample."""
    return min(max(1, math.ceil(sample_seconds / max(seconds, 1e-9))), MOST_RUNS)


def batch_speed(
    sampled: Sampled,
    batch: int,
    how: Mapping[str, str],
    likeness: Mapping[str, float],
    pairs: Sequence[tuple[str, str, float | None]],
    state: GpuState,
) -> BatchSpeed:
    """The record of one batch size.

    Args:
        sampled: what was measured.
        batch: inputs in one run.
        how: candidate -> how it was launched.
        likeness: engine -> lowest cosine of its output to PyTorch's.
        pairs: (fast, slow, bound or None) to compare, where both were measured.
        state: of the GPU.
    """
    seconds = sampled.seconds
    return BatchSpeed(
        batch=batch,
        candidates=tuple(
            CandidateTiming(
                name=name,
                how=how[name],
                timing=timing_of(times, batch),
                runs_per_sample=sampled.runs[name],
                likeness=likeness.get(name),
            )
            for name, times in seconds.items()
        ),
        ratios=tuple(
            Ratio(
                fast=fast,
                slow=slow,
                ratio=float(np.median(seconds[slow]) / np.median(seconds[fast])),
                interval=bootstrap_interval(seconds[fast], seconds[slow]),
                bound=bound,
            )
            for fast, slow, bound in pairs
            if fast in seconds and slow in seconds
        ),
        rounds=len(next(iter(seconds.values()))),
        warmup_rounds=sampled.warmup_rounds,
        state=state,
    )
