"""``pitome bench``: the latency of a bundle's model beside the unmerged one's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pitome.bundle import LatencyReport, Manifest, verify_bundle
from pitome.bundle.publishing import check_place
from pitome.engine.bundles import record_into
from pitome.engine.options import COMPARISON_BATCHES, BenchOptions, CheckOptions
from pitome.engine.prepare import reload
from pitome.engine.progress import Progress, Silent
from pitome.engine.steps import graph_named
from pitome.errors import BackendError
from pitome.runtime import CPU, installed_device
from pitome.runtime.native import NativeLibrary, describe_native


def bench(bundle: Path, options: BenchOptions, progress: Progress | None = None) -> LatencyReport:
    """Merged against unmerged on onnxruntime, interleaved, or all contestants there are.

    Args:
        bundle: its folder.
        options: how it is measured.
        progress: is told how far it is; None = nobody is.

    Raises:
        BundleError: the bundle is damaged, or its model is not the one that is loaded now.
        InputError: a number out of range, a device that onnxruntime does not have, or the file to resume
            from is of another measurement.
        BackendError: the operator library that was asked for does not load here.
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
    settings = LatencySettings(
        check.batches,
        check.threads,
        min_seconds=check.latency_seconds,
        memory=options.everyone,
        device=installed_device(check.device),
    )
    check_settings(settings)
    if options.record:
        check_place(bundle)
    if options.resume is not None:
        check_log_file(options.resume)
    prepared = reload(bundle, manifest, progress, options.weights)
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
