"""Work on a bundle that is there: build a plan from it, validate, bench, inspect, compare."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitome.bundle import (
    FileRecord,
    Manifest,
    PlanRecord,
    PluginRecord,
    file_sha256,
    read_manifest,
    valid_files,
    verify_bundle,
)
from pitome.bundle.publishing import build_folder
from pitome.cli.display import Display
from pitome.engine import records, steps
from pitome.engine.main_job import (
    Built,
    Prepared,
    bundle_folder,
    export_graphs,
    finish,
    first_manifest,
    option_record,
    options_of,
    prepare,
)
from pitome.engine.options import COMPARISON_BATCHES, CheckOptions, EngineOptions, PlanOptions
from pitome.engine.steps import Workplace
from pitome.errors import BundleError
from pitome.export.plans import PlanRequest, check_request
from pitome.methods import method_class

if TYPE_CHECKING:
    pass


def export_bundle(options: EngineOptions, command: str, display: Display) -> Built:
    """``pitome export``: a bundle with graphs; plans and checks of the very same graphs stay in it."""
    prepared = prepare(options.model, options.merge, display)
    final = bundle_folder(options.out, prepared.loaded)
    with build_folder(final) as folder:
        before, intact = valid_files(final)
        place = Workplace(folder, final, display, before, intact)
        graphs = export_graphs(place, prepared, options.plan.precision)
        manifest = first_manifest(prepared, graphs, options.plan.precision, command, option_record(options))
        if before is not None and before.onnx == tuple(graphs) and place.take_over(*_plan_files(before)):
            kept = ("plans", "plugin", "parity", "parity_key", "latency", "latency_key")
            manifest = manifest.model_copy(update={name: getattr(before, name) for name in kept})
        elif before is not None and before.plans:
            names = ", ".join(plan.file for plan in before.plans)
            display.note(f"dropped: {names}, made from other graphs; run `pitome build {final}`")
        manifest = finish(folder, manifest, prepared.compression)
    return Built(final, manifest, tuple(place.reused))


def add_plan(bundle: Path, options: PlanOptions, display: Display) -> Built:
    """``pitome build``: add a plan to a bundle, in place of one of the same name.

    Raises:
        BundleError: the bundle has no graph of the plan's precision, is damaged, or has another plan with
            another plugin library.
    """
    manifest = verify_bundle(bundle)
    graphs = [graph for graph in manifest.onnx if graph.precision == options.precision]
    if not graphs:
        found = ", ".join(graph.precision for graph in manifest.onnx)
        raise BundleError(
            f"a plan in {options.precision} from {bundle}",
            f"its graphs are in {found}",
            f"Export it with PRECISION={options.precision} first",
        )
    num_merges = _count_merges(manifest)
    request = steps.plan_request(bundle, options, graphs[0].file, num_merges)
    check_request(request)
    others = tuple(other for other in manifest.plans if other.file != request.plan.name)
    kept = _kept_plugin(bundle, manifest, others, request)
    with build_folder(bundle) as folder:
        _require_unchanged(bundle, manifest)
        place = Workplace(
            folder, bundle, display, manifest, frozenset(file.file for file in manifest.files())
        )
        _take_over_all(place, manifest)
        (folder / request.plan.name).unlink(missing_ok=True)
        if kept is None and manifest.plugin is not None:
            (folder / manifest.plugin.file).unlink()
        plan, plugin = steps.make_plan(place, graphs[0], options, num_merges)
        manifest = _rewrite(folder, manifest, {"plans": (*others, plan), "plugin": plugin or kept})
    return Built(bundle, manifest, tuple(place.reused))


def bench_bundle(
    bundle: Path,
    changes: dict[str, Any],
    record: bool,
    display: Display,
    everyone: bool = False,
    resume: Path | None = None,
) -> dict[str, Any]:
    """``pitome bench``: merged against unmerged on onnxruntime, interleaved, or all contestants there are.

    Args:
        bundle: its folder.
        changes: fields of CheckOptions; None and () stand for what the build had.
        record: write the result into the bundle too.
        display: shows the progress.
        everyone: add ToMe at equal FLOPs, PyTorch, and peak memory; by default at ``COMPARISON_BATCHES``.
        resume: a file that takes every finished batch size, and from which they are taken over.

    Raises:
        BundleError: the bundle is damaged, or its model is not the one that is loaded now.
        InputError: the file to resume from is of another measurement.
    """
    from pitome.engine.comparison import all_contestants, run_comparison, two_contestants
    from pitome.validate.bench.latency import LatencySettings

    manifest = verify_bundle(bundle)
    prepared, check = reload(bundle, manifest, display)
    if everyone:
        check = replace(check, batches=COMPARISON_BATCHES)
    check = replace(check, **{name: value for name, value in changes.items() if value})
    graph = manifest.onnx[0]
    loaded, merged = prepared.loaded, bundle / graph.file
    settings = LatencySettings(
        check.batches, check.threads, min_seconds=check.latency_seconds, memory=everyone
    )
    if everyone:
        parts = (prepared.compressed, prepared.compression)
        contestants = all_contestants(loaded, *parts, merged, display)
    else:
        contestants = two_contestants(loaded, merged, manifest.flops.bound, display)
    found = run_comparison(contestants, settings, display, resume)
    if record:
        from pitome.engine import keys

        key = keys.latency_key(graph, prepared.loaded, check)
        record_into(bundle, manifest, {"latency": found, "latency_key": key})
    return found


def reload(bundle: Path, manifest: Manifest, display: Display) -> tuple[Prepared, CheckOptions]:
    """The model of a bundle, loaded and compressed again as its manifest says.

    Raises:
        BundleError: the weights are other ones now.
    """
    model, merge, check = options_of(manifest)
    weights = manifest.model.weights
    if weights.random:
        model = replace(model, weights="random", seed=weights.seed or 0)
    prepared = prepare(model, merge, display)
    if prepared.loaded.sha256 != weights.sha256:
        raise BundleError(
            f"the model of {bundle}",
            f"its weights had the digest {weights.sha256[:12]}, those of {prepared.loaded.source} "
            f"now have {prepared.loaded.sha256[:12]}",
            "Get the same weights, or run `make engine` again",
        )
    described = (records.method_record(prepared.compression), records.schedule_record(prepared.compression))
    if described != (manifest.method, manifest.schedule):
        raise BundleError(
            f"the model of {bundle}",
            "its options lead to another method or schedule with this version of pitome",
            f"Use pitome {manifest.pitome_version}, or run `make engine` again",
        )
    return prepared, check


def compare_bundles(first: Path, second: Path) -> list[tuple[str, str, str]]:
    """``pitome compare``: rows of (label, value of the first, value of the second)."""
    from pitome.validate.report.summary import summary_rows

    values = [
        {row.label: row.value for row in summary_rows(verify_bundle(bundle))} for bundle in (first, second)
    ]
    labels = dict.fromkeys([*values[0], *values[1]])
    return [(label, values[0].get(label, "-"), values[1].get(label, "-")) for label in labels]


def _count_merges(manifest: Manifest) -> int:
    return method_class(manifest.method.name).operator_nodes(manifest.schedule.num_merged)


def _plan_files(manifest: Manifest) -> tuple[FileRecord, ...]:
    return (*manifest.plans, *([manifest.plugin] if manifest.plugin else []))


def _kept_plugin(
    bundle: Path, manifest: Manifest, others: tuple[PlanRecord, ...], request: PlanRequest
) -> PluginRecord | None:
    """The plugin library of the plans that stay, which a new plan must have too: a bundle holds one."""
    plans = ", ".join(other.file for other in others if other.merge_path == "plugin")
    kept = manifest.plugin if plans else None
    if kept is not None and request.needs_plugin and request.plugin is not None:
        found = file_sha256(request.plugin)
        if found != kept.sha256:
            raise BundleError(
                f"a plan with the plugin library {request.plugin} in {bundle}",
                f"a bundle holds one library, and {plans} was built with another one "
                f"({kept.version}, sha256 {kept.sha256[:12]}, not {found[:12]})",
                f"Use PLUGIN={bundle / kept.file}, or run `make engine` again",
            )
    return kept


def _take_over_all(place: Workplace, manifest: Manifest) -> None:
    kept = Workplace(place.folder, place.final, Display(quiet=True), manifest, place.intact)
    files = [
        file for file in manifest.files() if manifest.report is None or file.file != manifest.report.file
    ]
    kept.take_over(*files)


def record_into(bundle: Path, manifest: Manifest, update: dict[str, Any]) -> None:
    """Replace fields of a bundle's manifest, and write its report anew."""
    with build_folder(bundle) as folder:
        _require_unchanged(bundle, manifest)
        place = Workplace(
            folder, bundle, Display(quiet=True), manifest, frozenset(file.file for file in manifest.files())
        )
        _take_over_all(place, manifest)
        _rewrite(folder, manifest, update)


def _require_unchanged(bundle: Path, manifest: Manifest) -> None:
    """Under the lock: what was read before it may be of an earlier build."""
    if read_manifest(bundle) != manifest:
        raise BundleError(
            f"writing into {bundle}", "it was built anew in the meantime", "Run the command again"
        )


def _rewrite(folder: Path, manifest: Manifest, update: dict[str, Any]) -> Manifest:
    """The manifest with some fields replaced, written with a new report."""
    return finish(folder, manifest.model_copy(update=update), None)
