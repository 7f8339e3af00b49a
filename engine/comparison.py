"""Latency of a bundle's model: which contestants there are, and the measurement as one JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from pitome.bundle import digest_of
from pitome.cli.display import Display
from pitome.compression import Compression
from pitome.engine import records
from pitome.engine.graph_cache import tome_graph, unmerged_graph
from pitome.models.loading import LoadedModel

if TYPE_CHECKING:
    from pitome.validate.bench.contestants import Contestant
    from pitome.validate.bench.latency import LatencySettings


def two_contestants(loaded: LoadedModel, merged: Path, bound: float, display: Display) -> list[Contestant]:
    """The merged and the unmerged graph on onnxruntime."""
    from pitome.validate.bench.latency import merged_and_unmerged

    return merged_and_unmerged(merged, unmerged_graph(loaded, display), bound)


def all_contestants(
    loaded: LoadedModel, compressed: nn.Module, compression: Compression, merged: Path, display: Display
) -> list[Contestant]:
    """These two, ToMe at equal FLOPs, and the merged and unmerged model in PyTorch, eagerly.

    ToMe is left out, with a note, where it would be the bundle's own graph.
    """
    from pitome.validate.bench.contestants import eager_contestant, onnx_contestant

    bound = compression.flops.bound
    found = two_contestants(loaded, merged, bound, display)
    if compression.settings.name == "tome" or not compression.schedule.merging_layers:
        display.note(f"no second ToMe model beside this one (METHOD={compression.settings.name})")
    else:
        path, tome = tome_graph(loaded, compression, display)
        found.append(onnx_contestant("tome", path, against="unmerged", bound=tome.flops.bound))
    described = {
        "weights": loaded.sha256,
        "method": records.method_record(compression).model_dump(),
        "schedule": records.schedule_record(compression).model_dump(),
    }
    eager = "unmerged-eager"
    return [
        *found,
        eager_contestant("merged-eager", compressed, digest_of(described), against=eager, bound=bound),
        eager_contestant(eager, loaded.model, loaded.sha256),
    ]


def run_comparison(
    contestants: Sequence[Contestant],
    settings: LatencySettings,
    display: Display,
    resume: Path | None = None,
) -> dict[str, Any]:
    """Measure, and give the report as JSON; more than two contestants are in its ``comparison``.

    Args:
        contestants: among them "merged" and "unmerged".
        settings: batch sizes and the like.
        display: shows the progress.
        resume: a file of finished batch sizes, begun where it is not there.
    """
    from pitome.validate.bench.latency import LatencyReport, compare, configuration, latency_records
    from pitome.validate.resume import ResumableLog

    described = configuration(contestants, settings)
    opened = (
        nullcontext()
        if resume is None
        else ResumableLog.open(resume, described.model_dump(mode="json"), display.note)
    )
    with opened as log, display.step("Measure latency") as report:
        found = compare(contestants, settings, progress=report, log=log)
    results = latency_records(found, settings)
    more = found if len(contestants) > 2 else None
    return LatencyReport.of(results, described, more).model_dump(mode="json")
