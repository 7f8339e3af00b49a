"""Latency of a merged model beside its unmerged twin, on onnxruntime's CPU provider.

Both models run in one process, in rounds: every round runs each of them once, and the order inside a round
alternates (merged first, then unmerged first). Drift of the machine therefore hits both alike, and the
speed-up is judged on pairs: its interval comes from resampling whole rounds.
"""

from __future__ import annotations

import gc
import math
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from export.engines.onnxruntime import PROVIDER
from pitome.errors import BackendError, InputError
from validate.sessions import check_signatures, first_line, open_session, seeded_inputs

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Seconds = npt.NDArray[np.float64]
"""[rounds] float64, the wall time of one run each, in seconds."""
Progress = Callable[[str, int, int], None]
"""Called with (phase, steps done, steps in all)."""

CONFIDENCE = 0.95
RESAMPLES = 4000
MIN_ROUNDS, MAX_ROUNDS = 11, 1000
MIN_WARMUP_ROUNDS, MAX_WARMUP_ROUNDS = 3, 12  # the first one also allocates and is never compared
STATIONARY = 0.03  # two warm-up rounds in a row whose times differ by less than this end the warm-up


class Timing(BaseModel):
    """How long one run of one model took, over all rounds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    median_milliseconds: float = Field(gt=0)
    p95_milliseconds: float = Field(gt=0, description="95th percentile, linearly interpolated")
    per_second: float = Field(gt=0, description="inputs (images, texts) per second at the median")


class LatencyRecord(BaseModel):
    """One batch size: both timings, the speed-up, and everything the numbers depend on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch: int = Field(ge=1)
    speedup: float = Field(gt=0, description="median unmerged time / median merged time")
    speedup_interval: tuple[float, float] = Field(description="95 % bootstrap interval over paired rounds")
    bound: float = Field(gt=0, description="FLOPs of the unmerged model / FLOPs of the merged model")
    share_of_bound: float = Field(gt=0, description="speedup / bound")
    merged: Timing
    unmerged: Timing
    rounds: int = Field(ge=2, description="rounds measured; each runs both models once")
    warmup_rounds: int = Field(ge=0)
    threads: int = Field(ge=1, description="intra-operator threads of each session")
    seed: int
    onnxruntime: str = Field(description="version of onnxruntime")
    provider: str
    cpu: str = Field(description="model name of the processor")


class LatencyReport(BaseModel):
    """What ``pitome bench --json`` prints and a bundle's manifest keeps under ``latency``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    results: tuple[LatencyRecord, ...] = Field(min_length=1)
    threads: int = Field(ge=1)
    onnxruntime: str
    provider: str
    cpu: str

    @classmethod
    def of(cls, records: Sequence[LatencyRecord]) -> LatencyReport:
        """Gather records that :func:`measure` returned from one call; ValueError where there are none."""
        if not records:
            raise ValueError("a latency report needs at least one record")
        first = records[0]
        return cls(
            results=tuple(records),
            threads=first.threads,
            onnxruntime=first.onnxruntime,
            provider=first.provider,
            cpu=first.cpu,
        )


def measure(
    merged: Path,
    unmerged: Path,
    batches: Sequence[int],
    *,
    bound: float,
    threads: int = 2,
    repeats: int | None = None,
    min_seconds: float = 10.0,
    seed: int = 0,
    inputs: Callable[[int], Mapping[str, npt.NDArray[Any]]] | None = None,
    progress: Progress | None = None,
) -> list[LatencyRecord]:
    """Measure two ONNX files against each other, one record per batch size, in the order asked for.

    Args:
        merged: the compressed model.
        unmerged: the same model before compression, with the same inputs.
        batches: batch sizes; a repeated one is measured once.
        bound: FLOPs of the unmerged model / FLOPs of the merged one, carried into the records.
        threads: intra-operator threads of each session (inter-operator: 1).
        repeats: rounds per batch size. By default as many as ``min_seconds`` hold, at least 11 and at most
            1000, fixed after the warm-up so that the sample's size does not depend on what it shows.
        min_seconds: wall time to measure per batch size where ``repeats`` is not given.
        seed: seeds the inputs and the bootstrap.
        inputs: batch size -> input name -> array. By default seeded: floats are standard normal, integers
            and booleans are 1 (a token id and a mask value that every vocabulary has).
        progress: told of every round.

    Raises:
        InputError: a number out of its range, a file that is missing or no ONNX model, a batch dimension
            that is not dynamic, or two files whose inputs differ.
        BackendError: onnxruntime refused to run a model.
    """
    sizes = _check_numbers(batches, bound, threads, repeats, min_seconds)
    sessions = (open_session(merged, threads), open_session(unmerged, threads))
    try:
        check_signatures(merged, unmerged, *sessions)
        records = []
        for batch in sizes:
            feeds = dict(inputs(batch)) if inputs else seeded_inputs(sessions[0], batch, seed)
            times, warmup_rounds = _measure_batch(
                sessions, (merged, unmerged), feeds, batch, repeats, min_seconds, progress
            )
            records.append(_record(times[0], times[1], batch, bound, threads, warmup_rounds, seed))
    finally:
        # The weights of two models: hand them back before the caller goes on.
        del sessions
        gc.collect()
    return records


def bootstrap_interval(
    merged: Seconds,
    unmerged: Seconds,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> tuple[float, float]:
    """The percentile-bootstrap interval of median(unmerged) / median(merged).

    Args:
        merged: [rounds] seconds.
        unmerged: [rounds] seconds; entry i was taken in the same round as ``merged[i]``.
        seed: seeds the resampling.
        resamples: how many samples of rounds are drawn with replacement.
        confidence: the interval's nominal coverage.

    Returns:
        The lower and the upper end.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 13.3. Rounds, not times,
    are resampled, so what slows both runs of a round down stays paired.
    """
    generator = np.random.default_rng(seed)
    ratios = np.empty(resamples)
    for i in range(resamples):  # one draw at a time: a matrix of all draws would cost up to 32 MB
        chosen = generator.integers(0, len(merged), size=len(merged))
        ratios[i] = np.median(unmerged[chosen]) / np.median(merged[chosen])
    tail = 50 * (1 - confidence)
    low, high = np.percentile(ratios, (tail, 100 - tail))
    return float(low), float(high)


def cpu_model() -> str:
    """The processor's name, such as "AMD EPYC 7B13"; the architecture where the system does not tell."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _check_numbers(
    batches: Sequence[int], bound: float, threads: int, repeats: int | None, min_seconds: float
) -> list[int]:
    """Refuse numbers out of range; the batch sizes without repetitions, in order."""
    sizes = list(dict.fromkeys(batches))
    if not sizes:
        raise InputError("a latency measurement", "no batch size was given", "Give one, such as --batch 1")
    for batch in sizes:
        if batch < 1:
            raise InputError(
                f"batch {batch}",
                "a batch holds at least one input",
                "Give batch sizes of 1 or more, such as --batch 1 --batch 8",
            )
    if threads < 1:
        raise InputError(
            f"{threads} threads", "a session runs on at least one", "Give --threads 1 or more (default 2)"
        )
    if repeats is not None and repeats < 2:
        raise InputError(
            f"{repeats} repeats", "an interval needs at least two rounds", "Give --repeats 2 or more"
        )
    if not (math.isfinite(min_seconds) and min_seconds >= 0):
        raise InputError(
            f"{min_seconds} seconds of measuring", "that is no duration", "Give 0 seconds or more"
        )
    if not (math.isfinite(bound) and bound > 0):
        raise InputError(
            f"a FLOPs bound of {bound}",
            "the bound is FLOPs before / FLOPs after, a positive number",
            "Take it from the schedule's FLOPs count",
        )
    return sizes


def _measure_batch(
    sessions: tuple[InferenceSession, InferenceSession],
    paths: tuple[Path, Path],
    feeds: Mapping[str, npt.NDArray[Any]],
    batch: int,
    repeats: int | None,
    min_seconds: float,
    progress: Progress | None,
) -> tuple[Seconds, int]:
    """([2, rounds] seconds of merged and unmerged, warm-up rounds) at one batch size."""
    tell = progress or (lambda phase, done, total: None)

    def round_of(index: int) -> list[float]:
        times = [0.0, 0.0]
        for which in (0, 1) if index % 2 == 0 else (1, 0):
            times[which] = _run_once(sessions[which], paths[which], feeds)
        return times

    collecting = gc.isenabled()
    gc.disable()  # a collection inside one run would count as that model's time
    try:
        warmup: list[list[float]] = []
        while not _warm(warmup):
            tell(f"warm-up, batch {batch}", len(warmup), MAX_WARMUP_ROUNDS)
            warmup.append(round_of(len(warmup)))
        rounds = repeats or min(max(MIN_ROUNDS, math.ceil(min_seconds / sum(warmup[-1]))), MAX_ROUNDS)
        times = np.empty((2, rounds))
        for index in range(rounds):
            tell(f"latency, batch {batch}", index, rounds)
            times[:, index] = round_of(index)
        tell(f"latency, batch {batch}", rounds, rounds)
    finally:
        if collecting:
            gc.enable()
    return times, len(warmup)


def _warm(rounds: Sequence[Sequence[float]]) -> bool:
    """Whether both models have settled: the last two rounds agree, or the patience is used up."""
    if len(rounds) < MIN_WARMUP_ROUNDS:
        return False
    if len(rounds) >= MAX_WARMUP_ROUNDS:
        return True
    before, last = rounds[-2], rounds[-1]
    return all(abs(b - a) <= STATIONARY * a for a, b in zip(before, last, strict=True))


def _run_once(session: InferenceSession, path: Path, feeds: Mapping[str, npt.NDArray[Any]]) -> float:
    """Seconds that one run takes."""
    start = time.perf_counter()
    try:
        session.run(None, feeds)
    except Exception as error:  # onnxruntime's exceptions share no base class but Exception
        raise BackendError(
            f"the latency of {path}",
            f"onnxruntime could not run it ({first_line(error)})",
            "Check the file with `pitome validate`, or choose a smaller batch",
        ) from error
    return time.perf_counter() - start


def _record(
    merged: Seconds,
    unmerged: Seconds,
    batch: int,
    bound: float,
    threads: int,
    warmup_rounds: int,
    seed: int,
) -> LatencyRecord:
    import onnxruntime

    speedup = float(np.median(unmerged) / np.median(merged))
    return LatencyRecord(
        batch=batch,
        speedup=speedup,
        speedup_interval=bootstrap_interval(merged, unmerged, seed=seed),
        bound=bound,
        share_of_bound=speedup / bound,
        merged=_timing(merged, batch),
        unmerged=_timing(unmerged, batch),
        rounds=len(merged),
        warmup_rounds=warmup_rounds,
        threads=threads,
        seed=seed,
        onnxruntime=onnxruntime.__version__,
        provider=PROVIDER,
        cpu=cpu_model(),
    )


def _timing(seconds: Seconds, batch: int) -> Timing:
    median = float(np.median(seconds))
    return Timing(
        median_milliseconds=1e3 * median,
        p95_milliseconds=1e3 * float(np.percentile(seconds, 95)),
        per_second=batch / median,
    )
