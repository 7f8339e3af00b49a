"""``pitome build``: more plans from the graph of a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pitome.bundle import GraphRecord, Manifest, NativeRecord, PlanRecord, file_sha256, verify_bundle
from pitome.bundle.publishing import build_folder, check_place
from pitome.engine import steps
from pitome.engine.bundles import place_over
from pitome.engine.checks import graph_requests
from pitome.engine.main_job import Built, finish, with_plans
from pitome.engine.options import PlanOptions
from pitome.engine.progress import Progress, Silent
from pitome.errors import BundleError
from pitome.export.plans import PlanRequest, check_request


def add_plan(bundle: Path, options: PlanOptions, progress: Progress | None = None) -> Built:
    """Add a plan to a bundle, or one for each merge path, in place of those of the same names.

    Args:
        bundle: its folder.
        options: of the plans.
        progress: is told how far it is; None = nobody is.

    Raises:
        BundleError: the bundle has no graph of the plan's precision, is damaged, or has another plan with
            another plugin library.
        InputError, BackendError: options or a machine that cannot do it.
    """
    progress = progress or Silent()
    manifest = verify_bundle(bundle)
    _check_precision(bundle, manifest.merged_graph, options.precision)
    requests = [request for graph in manifest.graphs for request in graph_requests(bundle, graph, options)]
    for request in requests:
        check_request(request)
    check_place(bundle)
    names = [request.plan.name for request in requests]
    others = {
        graph.name: tuple(plan for plan in graph.plans if plan.file not in names) for graph in manifest.graphs
    }
    staying = tuple(plan for plans in others.values() for plan in plans)
    kept = _kept_plugin(bundle, manifest, staying, requests)
    with build_folder(bundle) as folder:
        place = place_over(folder, bundle, manifest, progress)
        for name in names:
            (folder / name).unlink(missing_ok=True)
        if kept is None and manifest.plugin is not None:
            (folder / manifest.plugin.file).unlink()
        made = {graph.name: steps.make_plans(place, graph, options) for graph in manifest.graphs}
        plugin = next((library for _, library in made.values() if library is not None), None)
        libraries = [library for library in manifest.native if library.kind != "tensorrt"]
        libraries += [library for library in [plugin or kept] if library is not None]
        plans = {name: (*others[name], *new) for name, (new, _) in made.items()}
        manifest = with_plans(manifest, plans).model_copy(update={"native": tuple(libraries)})
        manifest = finish(folder, manifest, None)
    return Built(bundle, manifest, tuple(place.reused))


def _check_precision(bundle: Path, graph: GraphRecord, precision: str) -> None:
    """The graphs of a bundle are all there in the same precisions."""
    found = [onnx.precision for onnx in graph.own_files]
    if precision not in found:
        raise BundleError(
            f"a plan in {precision} from {bundle}",
            f"its graphs are in {', '.join(found)}",
            f"Export it with PRECISION={precision} first",
        )


def _kept_plugin(
    bundle: Path, manifest: Manifest, others: tuple[PlanRecord, ...], requests: Sequence[PlanRequest]
) -> NativeRecord | None:
    """The plugin library of the plans that stay, which new plans must have too: a bundle holds one."""
    plans = ", ".join(other.file for other in others if other.merge_path == "plugin")
    kept = manifest.plugin if plans else None
    wanted = next((request.plugin for request in requests if request.needs_plugin), None)
    if kept is not None and wanted is not None:
        found = file_sha256(wanted)
        if found != kept.sha256:
            raise BundleError(
                f"a plan with the plugin library {wanted} in {bundle}",
                f"a bundle holds one library, and {plans} was built with another one "
                f"({kept.version}, sha256 {kept.sha256[:12]}, not {found[:12]})",
                f"Use PLUGIN={bundle / kept.file}, or run `make engine` again",
            )
    return kept
