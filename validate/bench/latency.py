"""Latency of merged models beside their unmerged twins: graphs on onnxruntime, or plans on a GPU.

All contestants are measured in one process, in rounds (``validate/bench/rounds.py``): drift of the machine
hits all alike, and a speed-up is judged on pairs: its interval comes from resampling whole rounds.
"""

from __future__ import annotations

import gc
import itertools
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from pitome.errors import InputError
from pitome.runtime import Runtime
from pitome.runtime.backends import find_plan_backend
from pitome.runtime.onnxruntime import OnnxRuntime
from pitome.validate.bench.conditions import configuration, cpu_model
from pitome.validate.bench.contestants import Contestant, onnx_contestant, torch_threads
from pitome.validate.bench.feeds import Feeds, check_signatures, seeded_inputs
from pitome.validate.bench.memory import Memory, measure_memory, module_memory
from pitome.validate.bench.records import (
    BatchRecord,
    ContestantRecord,
    LatencyRecord,
    LatencyReport,
    PairRecord,
    PlanRun,
    Timing,
    timing_of,
)
from pitome.validate.bench.rounds import Clock, Progress, Rounds, Run, Seconds, measure_rounds
from pitome.validate.bench.settings import LatencySettings, check_settings
from pitome.validate.bench.stationarity import Steadiness, steadiness
from pitome.validate.resume import ResumableLog

__all__ = [
    "BatchRecord",
    "LatencyRecord",
    "LatencyReport",
    "LatencySettings",
    "Progress",
    "Seconds",
    "Timing",
    "bootstrap_interval",
    "compare",
    "configuration",
    "cpu_model",
    "latency_records",
    "merged_and_unmerged",
]

CONFIDENCE = 0.95
RESAMPLES = 4000


def merged_and_unmerged(merged: Path, unmerged: Path, bound: float) -> list[Contestant]:
    """The two contestants that every measurement has; errors as :func:`onnx_contestant`."""
    return [
        onnx_contestant("merged", merged, against="unmerged", bound=bound),
        onnx_contestant("unmerged", unmerged),
    ]


def compare(
    contestants: Sequence[Contestant],
    settings: LatencySettings,
    *,
    inputs: Feeds | None = None,
    progress: Progress | None = None,
    log: ResumableLog | None = None,
    clock: Clock = time.perf_counter,
) -> list[BatchRecord]:
    """Measure any number of contestants against each other, one record per batch size.

    Args:
        contestants: with names of their own and the same inputs; at least one is an ONNX file.
        settings: batch sizes and the like; a repeated batch size is measured once.
        inputs: batch size -> input name -> array. By default seeded: floats are standard normal, integers
            and booleans are 1 (a token id and a mask value that every vocabulary has).
        progress: told of every round.
        log: opened with :func:`configuration`; batch sizes in it are taken over, new ones added.
        clock: what runs are timed with.

    Raises:
        InputError: a number out of its range, a file that is missing or no ONNX model, a device that is not
            there, a batch dimension that is not dynamic, files whose inputs differ, or a record in the log
            that is none.
        BackendError: a runtime refused to run a model.
        ValueError: two contestants of one name, or a ratio to one that is not there.
    """
    sizes = check_settings(settings)
    names = [contestant.name for contestant in contestants]
    if len(set(names)) != len(names) or not {c.against for c in contestants} <= {None, *names}:
        raise ValueError("contestants need names of their own, and ratios to one of them")
    finished = _finished(log, names)
    loaded: dict[str, Runtime] = {}
    eager = any(contestant.runtime == "pytorch" for contestant in contestants)
    try:
        with torch_threads(settings.threads) if eager else nullcontext():
            for batch in sizes:
                if batch in finished:
                    continue
                loaded = loaded or _load(contestants, settings)
                record = _compare_batch(contestants, loaded, batch, settings, inputs, progress, clock)
                finished[batch] = record
                if log is not None:
                    log.append(record.model_dump(mode="json"))
    finally:
        # The weights of several models: hand them back before the caller goes on.
        loaded.clear()
        gc.collect()
    return [finished[batch] for batch in sizes]


def latency_records(
    records: Sequence[BatchRecord], settings: LatencySettings, plan: PlanRun | None = None
) -> list[LatencyRecord]:
    """Merged against unmerged out of a comparison that has both; ``plan``: what ran, if not onnxruntime."""
    version, provider = None, "" if plan is None else find_plan_backend(plan.backend).label
    if plan is None:
        import onnxruntime

        version, provider = onnxruntime.__version__, settings.device.provider
    found = []
    for record in records:
        merged, unmerged = record.contestant("merged"), record.contestant("unmerged")
        steady = _both((merged, unmerged))
        assert merged.ratio is not None, "it is measured against the unmerged one"
        assert merged.ratio_interval is not None
        assert merged.bound is not None
        assert merged.share_of_bound is not None
        found.append(
            LatencyRecord(
                batch=record.batch,
                speedup=merged.ratio,
                speedup_interval=merged.ratio_interval,
                bound=merged.bound,
                share_of_bound=merged.share_of_bound,
                merged=merged.timing,
                unmerged=unmerged.timing,
                steady=steady.steady,
                steady_reason=steady.reason,
                rounds=record.rounds,
                warmup_rounds=record.warmup_rounds,
                threads=settings.threads,
                seed=settings.seed,
                onnxruntime=version,
                provider=merged.provider or provider,
                cpu=cpu_model(),
                plan=plan,
            )
        )
    return found


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


def _finished(log: ResumableLog | None, names: Sequence[str]) -> dict[int, BatchRecord]:
    """The records that a log has, by batch size."""
    found: dict[int, BatchRecord] = {}
    if log is None:
        return found
    for document in log.finished:
        try:
            record = BatchRecord.model_validate_json(json.dumps(document), strict=True)
        except ValidationError as error:
            wrong = error.errors()[0]
            raise _no_record(log, f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}") from None
        there = [contestant.name for contestant in record.contestants]
        if there != list(names):
            raise _no_record(log, f"its contestants are {', '.join(there)}, not {', '.join(names)}")
        found[record.batch] = record
    return found


def _no_record(log: ResumableLog, why: str) -> InputError:
    return InputError(
        f"resuming from {log.path}",
        f"a line in it is not the record of a batch size ({why})",
        "Delete that line, or name another file",
    )


def _load(contestants: Sequence[Contestant], settings: LatencySettings) -> dict[str, Runtime]:
    """All contestants in memory, with inputs that one feed can serve."""
    loaded = {contestant.name: contestant.load(settings) for contestant in contestants}
    graphs = [(c.path or Path(c.name), loaded[c.name].inputs) for c in contestants if c.runtime != "pytorch"]
    for path, inputs in graphs[1:] or graphs:
        check_signatures(graphs[0][0], path, graphs[0][1], inputs)
    return loaded


def _compare_batch(
    contestants: Sequence[Contestant],
    loaded: Mapping[str, Runtime],
    batch: int,
    settings: LatencySettings,
    inputs: Feeds | None,
    progress: Progress | None,
    clock: Clock,
) -> BatchRecord:
    declared = next((each.inputs for each in loaded.values() if each.inputs), None)
    if inputs is not None:
        feeds = inputs(batch)
    elif declared is not None:
        feeds = seeded_inputs(declared, batch, settings.seed)
    else:
        raise ValueError("PyTorch modules alone need inputs")
    runs = {name: each.prepare(feeds) for name, each in loaded.items()}
    rounds = measure_rounds(
        runs,
        repeats=settings.repeats,
        min_seconds=settings.min_seconds,
        seed=settings.seed,
        pauses={contestant.name: contestant.pause for contestant in contestants},
        title=f"batch {batch}",
        progress=progress,
        clock=clock,
    )
    records = []
    for contestant in contestants:
        memory = None
        if settings.memory:
            if progress is not None:
                progress(f"memory of {contestant.name}, batch {batch}", 0, 0)
            memory = _memory(contestant, runs[contestant.name], batch, settings)
        records.append(
            _contestant_record(
                contestant, _provider(loaded[contestant.name]), rounds, batch, settings.seed, memory
            )
        )
    return BatchRecord(
        batch=batch,
        contestants=tuple(records),
        pairs=tuple(_pairs(contestants, rounds, settings.seed)),
        rounds=len(rounds.seconds[contestants[0].name]),
        warmup_rounds=rounds.warmup_rounds,
    )


def _pairs(contestants: Sequence[Contestant], rounds: Rounds, seed: int) -> Iterator[PairRecord]:
    """Each two of the graphs whose speed is a ratio to another's, beside each other; the later is named."""
    graphs = [each.name for each in contestants if each.runtime == "onnxruntime" and each.against]
    for against, name in itertools.combinations(graphs, 2):
        own, other = rounds.seconds[name], rounds.seconds[against]
        yield PairRecord(
            name=name,
            against=against,
            ratio=float(np.median(other) / np.median(own)),
            ratio_interval=bootstrap_interval(own, other, seed=seed),
        )


def _provider(runtime: Runtime) -> str | None:
    return runtime.provider if isinstance(runtime, OnnxRuntime) else None


def _memory(contestant: Contestant, run: Run, batch: int, settings: LatencySettings) -> Memory | None:
    if contestant.path is not None:
        return measure_memory(
            contestant.path, batch, settings.threads, settings.seed, settings.device, contestant.native
        )
    return None if contestant.module is None else module_memory(contestant.module, run)


def _contestant_record(
    contestant: Contestant,
    provider: str | None,
    rounds: Rounds,
    batch: int,
    seed: int,
    memory: Memory | None,
) -> ContestantRecord:
    own = rounds.seconds[contestant.name]
    steady, ratio, interval = steadiness(own), None, None
    if contestant.against is not None:
        other = rounds.seconds[contestant.against]
        ratio = float(np.median(other) / np.median(own))
        interval = bootstrap_interval(own, other, seed=seed)
        of_ratio = steadiness(other / own)
        if of_ratio.steady is False:
            reasons = [
                *filter(None, [steady.reason]),
                f"its ratio to {contestant.against}: {of_ratio.reason}",
            ]
            steady = Steadiness(False, "; ".join(reasons))
    bound = contestant.bound
    return ContestantRecord(
        name=contestant.name,
        runtime=contestant.runtime,
        provider=provider,
        timing=timing_of(own, batch),
        against=contestant.against,
        ratio=ratio,
        ratio_interval=interval,
        bound=bound,
        share_of_bound=None if ratio is None or bound is None else ratio / bound,
        steady=steady.steady,
        steady_reason=steady.reason,
        memory=memory,
    )


def _both(records: Sequence[ContestantRecord]) -> Steadiness:
    """The steadiness of all of them: the worst, with every reason."""
    states = [record.steady for record in records]
    reasons = "; ".join(f"{r.name}: {r.steady_reason}" for r in records if r.steady_reason)
    return Steadiness(False if False in states else None if None in states else True, reasons or None)
