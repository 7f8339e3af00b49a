"""Everything that can be refused before long work begins: the same checks for a dry run and for the work."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from pitome.bundle.build_options import DEFAULT_PLUGIN, MergePath
from pitome.bundle.graph_records import GraphRecord, Role
from pitome.bundle.publishing import check_place
from pitome.bundle.verification import read_manifest, weights_named
from pitome.engine.checkpoint_files import read_checkpoint
from pitome.engine.graph_cache import check_cache
from pitome.engine.operator_library import check_merges, check_native
from pitome.engine.options import (
    CheckOptions,
    EngineOptions,
    ExportOptions,
    ModelOptions,
    PlaceOptions,
    PlanOptions,
)
from pitome.engine.portable_build import portable_model
from pitome.engine.prepare import Prepared, prepare, with_own_inputs
from pitome.engine.progress import Progress
from pitome.errors import BundleError, InputError
from pitome.export.plans import PlanRequest, check_request
from pitome.methods import method_class
from pitome.models.loading import LoadedModel
from pitome.models.registry import resolve_model
from pitome.runtime import installed_device
from pitome.validate.own_data import check_column, check_inputs

_NAME = re.compile(r"[\w-][\w.+-]*")


def check_all(options: EngineOptions | ExportOptions, progress: Progress) -> tuple[Prepared, Path]:
    """Check all that the options ask for, the cheap things before the model is loaded; write nothing.

    Returns:
        The model, unmerged and merged, and the folder that its bundle is to have.

    Raises:
        InputError, BackendError: options, model or machine that cannot do it.
    """
    plan = options.plan if isinstance(options, EngineOptions) else None
    if isinstance(options, EngineOptions):
        _check_measuring(options.check)
        check_native(options.check)
    method_class(options.merge.method).check_schedule(options.schedule)
    if plan is not None:
        # How many merges there will be is not known yet, and with none of them more is allowed.
        _check_plans(plan, 0)
    check_place(bundle_folder(options.place, resolve_model(options.model.model).name))
    prepared = prepare(options.model, options.schedule, options.merge, progress)
    if plan is not None:
        for graph in prepared.graphs:
            _check_plans(plan_of_graph(plan, graph.role), graph.num_merges)
    loaded = prepared.loaded
    final = bundle_folder(options.place, f"{loaded.name}-random" if loaded.random else loaded.name)
    check_place(final)
    if options.place.name is None:
        _refuse_other_model(final, loaded, options.model)
    read_checkpoint(loaded)
    if isinstance(options, EngineOptions):
        prepared = with_own_inputs(prepared, options.check, progress)
        check_cache(loaded)
        check_merges(options.check, prepared.num_merges)
    return prepared, final


def bundle_folder(place: PlaceOptions, own: str) -> Path:
    """``OUT/NAME``.

    Args:
        place: as the user chose it.
        own: the name where the user gave none.

    Raises:
        InputError: a name that no folder can have.
    """
    name = own if place.name is None else place.name
    if not _NAME.fullmatch(name):
        raise InputError(
            f"NAME={name}",
            "a bundle's folder is named with letters, digits and _ . + -, the first no point",
            "Choose another name; OUT= is the folder that it lies in",
        )
    return place.out / name


def plan_of_graph(options: PlanOptions, role: Role) -> PlanOptions:
    """The options as they are of one graph: a text graph merges nothing, so it needs no library, and runs on
    every GPU that one of the merged graph's plans is for."""
    if role != "text-encoder":
        return options
    targets = options.targets_of(options.chosen_paths[-1]) or None  # the plugin, whose GPUs are more, is last
    return replace(options, targets=targets, merge_path=("function",), plugin=None, embed_plugin=False)


def plan_requests(
    folder: Path, options: PlanOptions, onnx_name: str, num_merges: int, graph: str = "model"
) -> tuple[PlanRequest, ...]:
    """The plans of a graph that the options ask for, with the backend's usual values where they leave them
    open.

    A plan is named after its graph, its precision, its backend and what computes its merges; one without
    merges is the same whichever way they would have gone, and is built once.

    Raises:
        InputError: merge paths that there are not.
    """
    paths = options.chosen_paths

    def request(merge_path: MergePath) -> PlanRequest:
        # What is said of a library is for the plan that loads one; where none does, the check refuses it.
        told = merge_path == "plugin" or "plugin" not in paths
        usual = DEFAULT_PLUGIN if merge_path == "plugin" else None
        way = merge_path if num_merges else "none"
        return PlanRequest(
            onnx=folder / onnx_name,
            plan=folder / f"{graph}.{options.precision}.{options.backend}.{way}.plan",
            backend=options.backend,
            targets=options.targets_of(merge_path),
            profile=options.profile,
            precision=options.precision,
            num_merges=num_merges,
            merge_path=merge_path,
            plugin=(options.plugin or usual) if told else None,
            embed_plugin=options.embed_plugin and told,
        )

    return tuple(request(path) for path in (paths if num_merges else paths[:1]))


def graph_requests(folder: Path, graph: GraphRecord, options: PlanOptions) -> tuple[PlanRequest, ...]:
    """The plans of a graph that lies in ``folder``, as the options ask for them of the whole model.

    Raises:
        InputError: as `plan_requests`.
    """
    onnx = next(each for each in graph.onnx if each.precision == options.precision and not each.inlined)
    return plan_requests(folder, plan_of_graph(options, graph.role), onnx.file, graph.merges, graph.name)


def _check_plans(options: PlanOptions, num_merges: int) -> None:
    for request in plan_requests(Path(), options, "model.onnx", num_merges):
        check_request(request)


def _check_measuring(check: CheckOptions) -> None:
    from pitome.validate.bench.settings import LatencySettings, check_settings

    check_inputs(check.inputs, check.column)
    check_column(check.column, [] if check.inputs is None else [check.inputs])
    installed_device(check.device)
    check_settings(LatencySettings(check.batches, check.threads, min_seconds=check.latency_seconds))
    if check.parity_images < 1:
        raise InputError(
            f"{check.parity_images} parity images", "parity is checked on one at least", "Give 1 or more"
        )


def _refuse_other_model(final: Path, loaded: LoadedModel, model: ModelOptions) -> None:
    """Two folders of one name (run1/checkpoint-500, run2/checkpoint-500) are two models.

    Equal weights are the same model. Other weights may replace it where both are the same preset or hub id,
    named alike: then the hub has a newer version, or the seed is another one.
    """
    folder = resolve_model(model.model).folder
    local = folder is not None or any(Path(text).expanduser().is_dir() for text in (model.weights,) if text)
    try:
        before = read_manifest(final)
    except BundleError:  # none, a damaged one, or one of another version
        found, source = (weights_named(final) or loaded.sha256), "which it names"
        if not local:  # of a preset or hub id the name says that it is the same model
            return
    else:
        found, source = before.model.weights.sha256, before.model.weights.source
        named = before.build.model
        asked = portable_model(model, final)
        if not local and (named.model, named.weights) == (asked.model, asked.weights):
            return
    if found == loaded.sha256:
        return
    raise InputError(
        f"build {final}",
        f"it holds another model of this name: its weights ({source}) have the digest "
        f"{found[:12]}, those of {loaded.source} have {loaded.sha256[:12]}",
        f"Choose another name with NAME= or another folder with OUT=, or replace it with NAME={final.name}",
    )
