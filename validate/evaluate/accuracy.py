"""What merging and each runtime cost on a task: the same samples through every model, paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from pitome.errors import InputError
from pitome.runtime import CPU, Device, Runtime
from pitome.runtime.onnxruntime import OnnxRuntime, runtime_name
from pitome.validate.evaluate.records import (
    AccuracyReport,
    DifferenceRecord,
    MeanRecord,
    ModelAccuracy,
    SkippedRecord,
)
from pitome.validate.statistics import mean_interval, paired_difference
from pitome.validate.task import Progress, Score, Task

UNMERGED, MERGED = "unmerged PyTorch", "merged PyTorch"
_NO_BFLOAT16 = "onnxruntime has no bfloat16 kernels on a CPU"


def measure_accuracy(
    task: Task,
    unmerged: Runtime,
    candidates: Mapping[str, Runtime],
    split: Literal["validation", "test"] = "test",
    *,
    merged: str = MERGED,
    refit: Sequence[str] | None = None,
    unavailable: Mapping[str, str] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> AccuracyReport:
    """Judge models on a task.

    Args:
        task: is prepared with ``unmerged`` here.
        unmerged: the model before merging, in PyTorch.
        candidates: name -> model; ``graph_runtimes`` makes those of a bundle's graphs.
        split: which samples.
        merged: the candidate that the others are compared with beside the unmerged model.
        refit: candidates that are also judged with a head fitted to their own features, where the task has a
            head; None = ``merged``.
        unavailable: models that can't run here -> reason, for the report.
        seed: of intervals and tests.
        progress: called with (step, done, total).

    Raises:
        InputError: a candidate is called as the unmerged model, ``refit`` names none of the candidates, or
            whatever the task raises.
    """
    wanted = [name for name in (merged,) if name in candidates] if refit is None else list(refit)
    unknown = [name for name in (*wanted,) if name not in candidates]
    if unknown or UNMERGED in candidates:
        raise InputError(
            "the accuracy of several models",
            f"{', '.join(unknown)} is none of them" if unknown else f"a candidate is called {UNMERGED}",
            f"The candidates are {', '.join(candidates) or 'none'}",
        )
    task.prepare(unmerged, progress)
    scores = {(UNMERGED, False): task.score(unmerged, split, progress=progress)}
    for name, runtime in candidates.items():
        scores[name, False] = task.score(runtime, split, progress=progress)
    if task.has_head:
        for name in wanted:
            scores[name, True] = task.score(candidates[name], split, refit=True, progress=progress)
    return AccuracyReport(
        task=task.name,
        split=split,
        main=scores[UNMERGED, False].main,
        models=tuple(_model(name, again, scores, merged, seed) for name, again in scores),
        skipped=tuple(SkippedRecord.model_validate(asdict(part)) for part in task.skipped),
        unavailable=dict(unavailable or {}),
    )


def graph_runtimes(
    graphs: Mapping[str, Path], threads: int = 2, device: Device = CPU
) -> tuple[dict[str, Runtime], dict[str, str]]:
    """The exported graphs that can run here, loaded.

    Args:
        graphs: precision -> ONNX file.
        threads: of onnxruntime.
        device: where it runs.

    Returns:
        Candidates for ``measure_accuracy``, and those that can't run with the reason.

    Raises:
        InputError: a file is missing or does not load, or onnxruntime does not have the device.
    """
    found: dict[str, Runtime] = {}
    left_out: dict[str, str] = {}
    for precision, path in graphs.items():
        name = f"{runtime_name(device)} {precision}"
        if precision == "bf16":
            left_out[name] = _NO_BFLOAT16
        else:
            found[name] = OnnxRuntime(path, precision, threads=threads, device=device)
    return found, left_out


def _model(
    name: str, refit: bool, scores: Mapping[tuple[str, bool], Score], merged: str, seed: int
) -> ModelAccuracy:
    score, unmerged = scores[name, refit], scores[UNMERGED, False]
    # A head of its own is compared with the unmerged model's head, and with the same model under that head.
    others = [(UNMERGED, unmerged)] if name != UNMERGED else []
    if name != UNMERGED and (name, refit) != (merged, False) and (merged, False) in scores:
        others.append((merged, scores[merged, False]))
    return ModelAccuracy(
        model=name,
        refit=refit,
        metrics={metric: _mean(score, metric, seed) for metric in score.metrics},
        drop_points=100 * (unmerged.mean() - score.mean()) if name != UNMERGED else None,
        differences=tuple(
            _difference(score, other, metric, against, seed)
            for against, other in others
            for metric in score.metrics
        ),
        details=score.details,
        own=score.own if name != UNMERGED else None,
    )


def _mean(score: Score, metric: str, seed: int) -> MeanRecord:
    values = score.metrics[metric]
    found = mean_interval(values, seed, score.groups.get(metric))
    return MeanRecord(
        samples=len(values), mean=found.mean, low=found.low, high=found.high, method=found.method
    )


def _difference(score: Score, other: Score, metric: str, against: str, seed: int) -> DifferenceRecord:
    found = paired_difference(score.metrics[metric], other.metrics[metric], seed, score.groups.get(metric))
    return DifferenceRecord(
        metric=metric,
        against=against,
        mean=found.mean,
        low=found.low,
        high=found.high,
        p_value=found.p_value,
        method=found.method,
    )
