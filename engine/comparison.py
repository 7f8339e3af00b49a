"""Latency of a bundle's model: which contestants there are, and the measurement as one record."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from pitome.bundle import LatencyReport, digest_of
from pitome.engine import records
from pitome.engine.graph_cache import random_graph, tome_graph, unmerged_graph
from pitome.engine.prepare import Prepared
from pitome.engine.progress import Progress
from pitome.models.loading import LoadedModel
from pitome.runtime.native import NativeLibrary

if TYPE_CHECKING:
    from pitome.bundle.latency_records import PlanRun
    from pitome.validate.bench.contestants import Contestant
    from pitome.validate.bench.latency import LatencySettings


def two_contestants(loaded: LoadedModel, merged: Path, bound: float, progress: Progress) -> list[Contestant]:
    """The merged and the unmerged graph on onnxruntime."""
    from pitome.validate.bench.latency import merged_and_unmerged

    return merged_and_unmerged(merged, unmerged_graph(loaded, progress), bound)


def native_contestant(merged: Path, native: NativeLibrary, bound: float) -> Contestant:
    """The merged graph, its merges by the operator library instead of the function in the file."""
    from pitome.validate.bench.contestants import onnx_contestant

    return onnx_contestant("native", merged, against="unmerged", bound=bound, native=native)


def all_contestants(prepared: Prepared, merged: Path, progress: Progress) -> list[Contestant]:
    """The two, ToMe and random pairs with as many tokens, and the model in PyTorch, eagerly, both ways.

    ToMe is left out, with a note, where it would be the bundle's own graph.
    """
    from pitome.validate.bench.contestants import eager_contestant, onnx_contestant

    loaded, compression = prepared.loaded, prepared.compression
    bound = compression.flops.bound
    found = two_contestants(loaded, merged, bound, progress)
    if compression.method.baseline or compression.schedule.merges_nothing:
        progress.note(f"no second ToMe model beside this one (METHOD={compression.method.name})")
    else:
        path, tome = tome_graph(loaded, compression, progress)
        found.append(onnx_contestant("tome", path, against="unmerged", bound=tome.flops.bound))
    if not compression.schedule.merges_nothing:
        path, pairs = random_graph(loaded, compression, progress)
        found.append(onnx_contestant("random", path, against="unmerged", bound=pairs.flops.bound))
    described = {
        "weights": loaded.sha256,
        "method": records.method_record(compression).model_dump(),
        "schedule": records.schedule_record(compression).model_dump(),
    }
    eager, digest = "unmerged-eager", digest_of(described)
    return [
        *found,
        eager_contestant("merged-eager", prepared.compressed, digest, against=eager, bound=bound),
        eager_contestant(eager, loaded.model, loaded.sha256),
    ]


def run_comparison(
    contestants: Sequence[Contestant],
    settings: LatencySettings,
    progress: Progress,
    resume: Path | None = None,
    plan: PlanRun | None = None,
) -> LatencyReport:
    """Measure, and give the report; more than two contestants are in its ``comparison``.

    Args:
        contestants: among them "merged" and "unmerged".
        settings: batch sizes and the like.
        progress: shows the progress.
        resume: a file of finished batch sizes, begun where it is not there.
        plan: what runs, if not onnxruntime.
    """
    from pitome.validate.bench.latency import compare, configuration, latency_records
    from pitome.validate.resume import ResumableLog

    described = configuration(contestants, settings, plan=plan)
    opened = (
        nullcontext()
        if resume is None
        else ResumableLog.open(resume, described.model_dump(mode="json"), progress.note)
    )
    with opened as log, progress.step("Measure latency") as report:
        found = compare(contestants, settings, progress=report, log=log)
    results = latency_records(found, settings, plan)
    more = found if len(contestants) > 2 else None
    return LatencyReport.of(results, described, more)
