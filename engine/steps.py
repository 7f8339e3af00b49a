"""The long steps of a build; each makes one kind of artefact, or takes it over from the bundle before."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitome.bundle import (
    GraphRecord,
    LatencyReport,
    NativeRecord,
    OnnxRecord,
    ParityReport,
    PlanRecord,
    file_sha256,
)
from pitome.bundle.manifest import PLUGIN_NAME
from pitome.compression import Compression
from pitome.engine import keys, records
from pitome.engine.checks import graph_requests
from pitome.engine.options import CheckOptions, PlanOptions
from pitome.engine.portable_build import portable_parity
from pitome.engine.prepare import Prepared
from pitome.engine.progress import Progress, Report
from pitome.engine.records import Exported
from pitome.engine.workplace import Workplace
from pitome.errors import ParityError
from pitome.export.inlined import inlined_name, write_inlined
from pitome.export.onnx import Precision, export_onnx
from pitome.export.plans import BACKENDS, PlanRequest, build_plan, read_plugin_version
from pitome.models.loading import LoadedModel
from pitome.runtime import parse_device
from pitome.runtime.native import NativeLibrary, oldest_glibc
from pitome.validate.overflow_text import overflow_text

if TYPE_CHECKING:
    from pitome.bundle.parity_records import Overflow
    from pitome.validate.thresholds import Thresholds

NUM_PROBED = 4
"""Inputs that a model runs in its precision before anything is built."""


def export_graph(place: Workplace, prepared: Prepared, precision: Precision) -> Exported:
    """A graph in one precision.

    Raises:
        ParityError: the precision can't hold the model's numbers.
    """
    loaded, compression = prepared.loaded, prepared.compression
    key = keys.onnx_key(loaded, compression, precision)
    name = f"{prepared.name}.onnx" if precision == "fp32" else f"{prepared.name}.{precision}.onnx"
    for graph in place.before.graphs if place.before else ():
        for record in graph.onnx:
            # Of the image graph alone and of a whole CLIP's the file is the same under another name.
            same = (record.key, record.file) == (key, name)
            if same and place.take_over(record, *record.external_data):
                return Exported(record, graph.inputs, graph.outputs)
    if precision != "bf16":  # its range is that of fp32
        require_finite(prepared, precision, place.progress)
    with place.progress.step(f"Export {name}") as report:
        file = export_onnx(
            prepared.compressed,
            place.folder / name,
            outputs=loaded.family.outputs[loaded.task],
            precision=precision,
            metadata=graph_metadata(loaded, compression),
            progress=report,
        )
    return records.exported_record(file, key)


def require_finite(prepared: Prepared, precision: Precision, progress: Progress) -> None:
    """Refuse a precision that can't hold the model's numbers, before anything long is made in it.

    Raises:
        ParityError: PyTorch's outputs for a few inputs are not finite in that precision.
    """
    from pitome.validate.checked_inputs import checked_inputs
    from pitome.validate.parity.overflow import overflow_of

    loaded = prepared.loaded
    with progress.step(f"Run PyTorch in {precision}{prepared.of_graph}"):
        inputs = checked_inputs(loaded, NUM_PROBED, own=prepared.own)
        samples = inputs.all.rows(inputs.subset(NUM_PROBED))
        found = overflow_of(prepared.compressed, precision, loaded.family.outputs[loaded.task], samples)
    if found is not None:
        raise _overflow_error(found, loaded.name)


def inline_graph(place: Workplace, exported: Exported, num_merges: int) -> Exported:
    """The same graph as standard operators alone, beside it; weights in external files are shared."""
    key = keys.inlined_key(exported.onnx)
    for graph in place.before.graphs if place.before else ():
        for record in graph.onnx:
            if record.key == key and place.take_over(record):
                return replace(exported, inlined=record)
    file = records.exported_file(exported, place.folder, num_merges)
    with place.progress.step(f"Write {inlined_name(file.path.name)}"):
        written = write_inlined(file)
    return replace(exported, inlined=records.onnx_record(written, key, inlined=True))


def graph_metadata(loaded: LoadedModel, compression: Compression) -> dict[str, Any]:
    """What an ONNX file says of itself in metadata_props; nothing of machine or time."""
    from pitome import __version__

    return {
        "version": __version__,
        "model": {"name": loaded.name, "weights": loaded.sha256, "random": loaded.random},
        "method": records.method_record(compression).model_dump(),
        "schedule": records.schedule_record(compression).model_dump(),
    }


def place_plugin(place: Workplace, request: PlanRequest) -> NativeRecord | None:
    """Copy the plugin library into the bundle, where the plan needs one; the plan is built with the copy."""
    if not request.needs_plugin:
        return None
    assert request.plugin is not None  # check_request
    copy = place.folder / PLUGIN_NAME
    copy.unlink(missing_ok=True)  # it may be a link to the published bundle's
    shutil.copyfile(request.plugin, copy)
    version = read_plugin_version(copy)
    return NativeRecord(
        file=PLUGIN_NAME,
        sha256=file_sha256(copy),
        kind="tensorrt",
        version=version,
        arch=platform.machine(),
        glibc=oldest_glibc(copy),
    )


def make_plans(
    place: Workplace, graph: GraphRecord, options: PlanOptions
) -> tuple[tuple[PlanRecord, ...], NativeRecord | None]:
    """The plans of one graph, and the plugin library that one of them was built with."""
    onnx = next(each for each in graph.onnx if each.precision == options.precision and not each.inlined)
    requests = graph_requests(place.folder, graph, options)
    libraries = {request: place_plugin(place, request) for request in requests}
    plans = tuple(_make_plan(place, onnx, request, plugin) for request, plugin in libraries.items())
    return plans, next((plugin for plugin in libraries.values() if plugin is not None), None)


def _make_plan(
    place: Workplace, graph: OnnxRecord, request: PlanRequest, plugin: NativeRecord | None
) -> PlanRecord:
    version = records.installed_version(BACKENDS[request.backend].library.distribution)
    key = keys.plan_key(graph, request, version, plugin)
    for record in place.before.plans if place.before else ():
        if record.key == key and place.take_over(record):
            return record
    if plugin is not None:
        request = replace(request, plugin=place.folder / plugin.file)
    with place.progress.step(f"Build {request.plan.name}") as report:
        result = build_plan(request, report)
    return records.plan_record(result, key)


@dataclass(frozen=True)
class CheckedParity:
    """What the parity check found."""

    merged: ParityReport
    others: dict[str, ParityReport]
    """Of the other graphs, by name."""


def check_parity(
    place: Workplace,
    prepared: Prepared,
    graphs: Mapping[str, Sequence[OnnxRecord]],
    options: CheckOptions,
    native: NativeLibrary | None = None,
) -> tuple[CheckedParity, str]:
    """The parity of all graphs, and its key; with the operator library the merged fp32 graph is checked both
    ways.

    Args:
        place: where the files lie.
        prepared: the model.
        graphs: name of a graph -> its files in all precisions.
        options: how much is checked.
        native: the operator library.

    Raises:
        ParityError: a graph does not compute what PyTorch computes.
    """
    own = prepared.own.record if prepared.own is not None else None
    files = tuple(file for found in graphs.values() for file in found)
    key, before = keys.parity_key(files, prepared.loaded, options, native, own), place.before
    if before and before.parity and before.parity_key == key:
        place.reuse("parity")
        # Its own data is named as seen from the bundle.
        return CheckedParity(before.parity, before.other_parity), key
    first, *others = prepared.graphs
    found = _parity_of(place, first, graphs[first.name], options, native)
    of_others = {other.name: _parity_of(place, other, graphs[other.name], options) for other in others}
    return CheckedParity(found, of_others), key


def _parity_of(
    place: Workplace,
    prepared: Prepared,
    graphs: Sequence[OnnxRecord],
    options: CheckOptions,
    native: NativeLibrary | None = None,
) -> ParityReport:
    with place.progress.step(f"Check parity{prepared.of_graph}") as report:
        precisions = [graph.precision for graph in graphs if graph.precision == "bf16"]
        found = run_parity(
            prepared,
            place.folder,
            graphs,
            options,
            report,
            torch_precisions=precisions,
        )
    asked = f"parity{prepared.of_graph} of {place.final.name}"
    _require_parity(found, f"{asked} with PyTorch")
    found = portable_parity(found, place.final)
    if native is None:
        return found
    with place.progress.step("Check parity by the operator library") as report:
        by_native = _native_parity(prepared, place.folder / graphs[0].file, options, native, report)
    _require_parity(by_native, f"{asked} by {native.record.file} with PyTorch")
    return found.model_copy(update={"native_decisions": by_native.decisions})


def _native_parity(
    prepared: Prepared, graph: Path, options: CheckOptions, native: NativeLibrary, report: Report
) -> ParityReport:
    """The parity report of the fp32 graph with its merges by the operator library."""
    from pitome.validate.checked_inputs import checked_inputs
    from pitome.validate.parity import check

    loaded = prepared.loaded
    return check.check_parity(
        prepared.compressed,
        loaded.model,
        {"fp32": graph},
        loaded.family.outputs[loaded.task],
        checked_inputs(loaded, options.parity_images, own=prepared.own),
        threads=options.threads,
        native=native,
        progress=report,
    )


def _overflow_error(found: Overflow, name: str) -> ParityError:
    remedy = {
        "fp32": "Nothing was published. Look at the weights: training may have diverged",
        "fp16": "Nothing was published. Build with PRECISION=bf16 or PRECISION=fp32",
    }.get(found.precision, "Nothing was published. Build with PRECISION=fp32")
    return ParityError(f"{name} in {found.precision}", overflow_text(found), remedy)


def _require_parity(report: ParityReport, asked: str) -> None:
    known = next((found for found in report.overflows if found.in_pytorch), None)
    if known is not None:
        raise _overflow_error(known, asked)
    if report.verdict == "not judged":
        raise ParityError(
            asked,
            report.reason,
            "Nothing was published. Choose another MARGIN, or an ENERGY that does not jump, such as elu",
        )
    if report.verdict != "pass":
        raise ParityError(
            asked,
            report.reason,
            "Nothing was published. Report this with the model's name and `pitome models --json`",
        )


def run_parity(
    prepared: Prepared,
    folder: Path,
    graphs: Sequence[OnnxRecord],
    options: CheckOptions,
    report: Report | None = None,
    thresholds: Thresholds | None = None,
    torch_precisions: Sequence[str] = (),
) -> ParityReport:
    """The parity report of one graph, whatever its verdict; thresholds None = the defaults."""
    from pitome.validate.checked_inputs import checked_inputs
    from pitome.validate.parity.check import check_parity

    loaded = prepared.loaded
    return check_parity(
        prepared.compressed,
        loaded.model,
        {graph.precision: folder / graph.file for graph in graphs},
        loaded.family.outputs[loaded.task],
        checked_inputs(loaded, options.parity_images, own=prepared.own),
        threads=options.threads,
        device=parse_device(options.device),
        torch_precisions=torch_precisions,
        thresholds=thresholds,
        progress=report,
    )


def measure_latency(
    place: Workplace,
    prepared: Prepared,
    graph: OnnxRecord,
    options: CheckOptions,
    native: NativeLibrary | None = None,
) -> tuple[LatencyReport, str]:
    """The latency report of the merged graph against the unmerged one on onnxruntime, interleaved, and its
    key.

    With the operator library, that is the third contestant.
    """
    from pitome.engine.comparison import native_contestant, run_comparison, two_contestants
    from pitome.validate.bench.latency import LatencySettings

    key = keys.latency_key(graph, prepared.loaded, options, native)
    if place.before and place.before.latency and place.before.latency_key == key:
        place.reuse("latency")
        return place.before.latency, key
    settings = LatencySettings(
        options.batches,
        options.threads,
        min_seconds=options.latency_seconds,
        device=parse_device(options.device),
    )
    bound = prepared.compression.flops.bound
    merged = place.folder / graph.file
    contestants = two_contestants(prepared.loaded, merged, bound, place.progress)
    if native is not None:
        contestants.append(native_contestant(merged, native, bound))
    found = run_comparison(contestants, settings, place.progress)
    return found.model_copy(update={"graph": graph_named(prepared)}), key


def graph_named(prepared: Prepared) -> str | None:
    """The merged graph's name, where there are several."""
    return prepared.name if prepared.text is not None else None
