"""The user's plan on the user's GPU against the unmerged model's in the same runtime: what ``pitome bench
--device cuda`` measures where a plan of the bundle runs here. No GPU has run it yet."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pitome.bundle.latency_records import PlanRun
from pitome.engine.graph_cache import unmerged_graph
from pitome.engine.progress import Progress
from pitome.errors import BackendError, InputError
from pitome.export.plans import PlanRequest, build_plan
from pitome.runtime.backends import AUTO, ONNXRUNTIME, TENSORRT, find_plan_backend
from pitome.runtime.plans import Machine, PlanOptions, PluginFile, open_plan, ranked_plans

if TYPE_CHECKING:
    from pitome.bundle import Manifest
    from pitome.bundle.graph_records import GraphRecord, PlanRecord
    from pitome.models.loading import LoadedModel
    from pitome.runtime.plans.engine import PlanEngine
    from pitome.validate.bench.contestants import Contestant


def choose_plan(
    bundle: Path,
    manifest: Manifest,
    graph: GraphRecord,
    device: str,
    backend: str,
    machine: Callable[[], Machine],
) -> tuple[PlanRecord | None, list[str]]:
    """The plan that is measured, and why those before it can't be; None: onnxruntime is.

    Args:
        bundle: as errors say it.
        manifest: of the bundle.
        graph: whose plans there are.
        device: value of ``--device``.
        backend: value of ``--backend``.
        machine: asked only where a plan may be meant.

    Raises:
        InputError: a plan is asked for on another device than cuda, or the bundle has none of that backend.
        BackendError: a plan is asked for, and none can run here.
    """
    if backend == ONNXRUNTIME or (backend == AUTO and device != "cuda"):
        return None, []
    asked = f"BACKEND={backend} with DEVICE={device}"
    if device != "cuda":
        raise InputError(asked, "plans run on a GPU only", "Use --device cuda, or leave --backend out")
    plans = [plan for plan in graph.plans if backend in (AUTO, plan.backend)]
    if backend != AUTO and not plans:
        there = ", ".join(plan.file for plan in graph.plans) or "none at all"
        raise InputError(
            asked,
            f"{bundle} has no plan of {find_plan_backend(backend).label}; its plans are {there}",
            f"Run pitome build {bundle} --backend {backend}",
        )
    against = []
    for plan, reason in ranked_plans(plans, machine(), manifest.plugin) if plans else ():
        if reason is None:
            return plan, against
        against.append(f"{plan.file} can't run here: {reason}")
    if backend != AUTO:
        raise BackendError(
            asked,
            "no plan of the bundle can run here:",
            f"Run pitome build {bundle} --backend {backend} on this machine, or leave --backend out",
            [f"- {each}" for each in against],
        )
    return None, against or [f"{bundle} has no plan"]


def plan_options(manifest: Manifest, graph: GraphRecord) -> PlanOptions:
    """How a bundle's plan is run when it is measured."""
    limits = {tensor.name: tensor.below for tensor in graph.inputs if tensor.below is not None}
    return PlanOptions(limits=limits, cuda_graphs=True, contexts=1)


def open_bundle_plan(
    bundle: Path, manifest: Manifest, graph: GraphRecord, plan: PlanRecord, machine: Machine
) -> PlanEngine:
    """A plan of a bundle that was verified, with the bundle's plugin library where it needs it.

    Raises:
        InputError, BackendError, BundleError: as ``open_plan``.
    """
    plugin = None
    if plan.merge_path == "plugin" and not plan.plugin_embedded and manifest.plugin is not None:
        plugin = PluginFile(bundle / manifest.plugin.file, manifest.plugin)
    return open_plan(
        plan.backend,
        bundle / plan.file,
        record=plan,
        plugin=plugin,
        options=plan_options(manifest, graph),
        machine=machine,
    )


def build_unmerged_plan(loaded: LoadedModel, plan: PlanRecord, folder: Path, progress: Progress) -> Path:
    """The unmerged model as a plan of the same backend, precision, profile and GPUs."""
    graph = unmerged_graph(loaded, progress, plan.precision)
    request = PlanRequest(
        onnx=graph,
        plan=folder / f"unmerged.{plan.precision}.{plan.backend}.plan",
        backend=plan.backend,
        # TensorRT builds for the machine's GPU without being told.
        targets=() if plan.backend == TENSORRT.name else plan.targets,
        profile=plan.profile,
        precision=plan.precision,
        num_merges=0,
    )
    with progress.step(f"Build the unmerged model's {find_plan_backend(plan.backend).label} plan") as report:
        return build_plan(request, report).plan


def plan_contestants(
    merged: Callable[[], PlanEngine], plan: PlanRecord, unmerged: Path, machine: Machine, bound: float
) -> tuple[list[Contestant], PlanRun]:
    """The two plans as contestants, and what is told of where they run.

    Raises:
        InputError, BackendError, BundleError: as ``open_plan``: both are opened once, before anything long.
    """
    from pitome.bundle import file_sha256
    from pitome.validate.bench.contestants import plan_contestant

    gpu = machine.gpu
    assert gpu is not None, "the plan was chosen for it"
    options = PlanOptions(precision=plan.precision, cuda_graphs=True, contexts=1)
    first = merged()
    told = PlanRun(
        file=plan.file,
        backend=plan.backend,
        version=machine.versions[plan.backend],
        precision=plan.precision,
        gpu=gpu.name,
        target=gpu.target,
        driver=gpu.driver,
        launched=first.how,
    )
    first.close()
    other = partial(open_plan, plan.backend, unmerged, options=options, machine=machine)
    return [
        plan_contestant("merged", plan.backend, plan.sha256, merged, against="unmerged", bound=bound),
        plan_contestant("unmerged", plan.backend, file_sha256(unmerged), other),
    ], told
