"""``pitome bench``: the latency of a bundle's model beside the unmerged one's."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pitome.bundle import LatencyReport, Manifest, verify_bundle
from pitome.bundle.publishing import check_place
from pitome.engine.bundles import record_into
from pitome.engine.options import COMPARISON_BATCHES, BenchOptions, CheckOptions
from pitome.engine.plan_bench import PlanOnGpu, plan_or_onnxruntime
from pitome.engine.prepare import reload
from pitome.engine.progress import Progress, Silent
from pitome.engine.steps import graph_named
from pitome.errors import BackendError, InputError
from pitome.runtime import CPU, installed_device, parse_device
from pitome.runtime.backends import AUTO, ONNXRUNTIME
from pitome.runtime.native import NativeLibrary, describe_native

if TYPE_CHECKING:
    from pitome.engine.prepare import Prepared
    from pitome.validate.bench.settings import LatencySettings


def bench(bundle: Path, options: BenchOptions, progress: Progress | None = None) -> LatencyReport:
    """Merged against unmerged in one runtime, interleaved, or all contestants there are on onnxruntime.

    On a GPU (``device`` "cuda") that is the bundle's best plan that runs here, against the unmerged model's
    plan, which is built for it; where none does, onnxruntime, and why is noted.

    Args:
        bundle: its folder.
        options: how it is measured.
        progress: is told how far it is; None = nobody is.

    Raises:
        BundleError: the bundle is damaged, or its model is not the one that is loaded now.
        InputError: a number out of range, a device that onnxruntime does not have, a backend that the bundle
            has no plan of, or the file to resume from is of another measurement.
        BackendError: the operator library or plan that was asked for does not run here.
    """
    from pitome.engine.comparison import (
        all_contestants,
        native_contestant,
        run_comparison,
        two_contestants,
    )
    from pitome.validate.bench.settings import LatencySettings, check_settings
    from pitome.validate.resume import check_log_file

    progress = progress or Silent()
    manifest = verify_bundle(bundle)
    check = _checks(options, manifest.build.check or CheckOptions())
    plan = _chosen_plan(bundle, manifest, options, check.device, progress)
    settings = LatencySettings(
        check.batches,
        check.threads,
        min_seconds=check.latency_seconds,
        memory=options.everyone,
        device=parse_device(check.device) if plan is not None else installed_device(check.device),
    )
    check_settings(settings)
    if plan is not None:
        plan.check_batches(check.batches)
    if options.record:
        check_place(bundle)
    if options.resume is not None:
        check_log_file(options.resume)
    prepared = reload(bundle, manifest, progress, options.weights)
    if plan is not None:
        found = _bench_plan(plan, prepared, settings, options.resume, progress)
        found = found.model_copy(update={"graph": graph_named(prepared)})
        if options.record:
            graphs = plan.graphs_with_it_run()
            record_into(bundle, manifest, {"graphs": graphs, "latency": found, "latency_key": None})
        return found
    measured = manifest.merged_graph
    graph, bound = measured.own_files[0], measured.flops.bound
    merged = bundle / graph.file
    if options.everyone:
        contestants = all_contestants(prepared, merged, progress)
    else:
        contestants = two_contestants(prepared.loaded, merged, bound, progress)
    native = _native_library(bundle, manifest, options, check.device, progress)
    if native is not None:
        contestants.append(native_contestant(merged, native, bound))
    found = run_comparison(contestants, settings, progress, options.resume)
    found = found.model_copy(update={"graph": graph_named(prepared)})
    if options.record:
        from pitome.engine import keys

        key = keys.latency_key(graph, prepared.loaded, check, native)
        record_into(bundle, manifest, {"latency": found, "latency_key": key})
    return found


def _chosen_plan(
    bundle: Path, manifest: Manifest, options: BenchOptions, device: str, progress: Progress
) -> PlanOnGpu | None:
    """The plan that is measured, or None for onnxruntime; why no better one is, is noted.

    Raises:
        InputError, BackendError: as ``plan_or_onnxruntime``.
    """
    backend = options.backend
    for_graphs = "--all" if options.everyone else "--native" if options.native is not None else None
    if for_graphs is not None and backend == AUTO:
        backend = ONNXRUNTIME
    elif for_graphs is not None and backend != ONNXRUNTIME:
        raise InputError(
            f"BACKEND={backend} with {for_graphs}",
            "that measures graphs on onnxruntime, and there are no plans of them",
            "Leave one of the two out",
        )
    place = plan_or_onnxruntime(bundle, manifest, device, backend, progress)
    if place is not None and place.machine.gpu is not None:
        progress.note(f"measured is {place.plan.file} on {place.machine.gpu.name}")
    return place


def _bench_plan(
    place: PlanOnGpu, prepared: Prepared, settings: LatencySettings, resume: Path | None, progress: Progress
) -> LatencyReport:
    from pitome.engine.comparison import run_comparison
    from pitome.engine.plan_bench import build_unmerged_plan, plan_contestants

    with tempfile.TemporaryDirectory(prefix="pitome-bench-") as folder:
        unmerged = build_unmerged_plan(prepared.loaded, place.plan, Path(folder), progress)
        contestants, told = plan_contestants(place, unmerged)
        return run_comparison(contestants, settings, progress, resume, told)


def _native_library(
    bundle: Path, manifest: Manifest, options: BenchOptions, device: str, progress: Progress
) -> NativeLibrary | None:
    """The operator library that was asked for, else the bundle's; None where it can't run, with a note."""
    if options.native is not None:
        return describe_native(options.native)
    record = next((library for library in manifest.native if library.kind == "onnxruntime"), None)
    if record is None:
        return None
    if device != CPU.name:
        progress.note(f"the operator library is not measured: it has no operator for DEVICE={device}")
        return None
    library = NativeLibrary(bundle / record.file, record)
    try:
        library.check()
    except BackendError as error:
        progress.note(f"the operator library is not measured: {error.found}")
        return None
    return library


def _checks(options: BenchOptions, of_build: CheckOptions) -> CheckOptions:
    """The build's numbers, with what was asked for in their place."""
    if options.everyone:
        of_build = replace(of_build, batches=COMPARISON_BATCHES)
    return replace(
        of_build,
        batches=options.batches or of_build.batches,
        threads=options.threads or of_build.threads,
        device=options.device or of_build.device,
        latency_seconds=options.latency_seconds or of_build.latency_seconds,
    )
