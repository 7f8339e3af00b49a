"""The user's plan on the user's GPU against the unmerged model's in the same runtime: what ``pitome bench
--device cuda`` measures where a plan of the bundle runs here. No GPU has run it yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pitome.bundle.latency_records import PlanRun
from pitome.engine.graph_cache import unmerged_graph
from pitome.engine.progress import Progress
from pitome.errors import BackendError, InputError
from pitome.export.plans import PlanRequest, build_plan
from pitome.runtime import installed_device
from pitome.runtime.backends import AUTO, ONNXRUNTIME, TENSORRT, find_plan_backend
from pitome.runtime.plans import Machine, PlanOptions, PluginFile, open_plan, ranked_plans, this_machine

if TYPE_CHECKING:
    from pitome.bundle import Manifest
    from pitome.bundle.graph_records import GraphRecord, PlanRecord
    from pitome.models.loading import LoadedModel
    from pitome.runtime.plans.engine import PlanEngine
    from pitome.validate.bench.contestants import Contestant


def choose_plan(
    bundle: Path, manifest: Manifest, device: str, backend: str, ask: Callable[[], Machine] = this_machine
) -> tuple[PlanOnGpu | None, list[str]]:
    """The plan that is measured, and why those before it can't be; None: onnxruntime is.

    Args:
        bundle: its folder.
        manifest: of the bundle, which was verified; the plans are those of the merged graph.
        device: value of ``--device``.
        backend: value of ``--backend``.
        ask: for the machine; called only where a plan may be meant.

    Raises:
        InputError: a plan is asked for on another device than cuda, or the bundle has none of that backend.
        BackendError: a plan is asked for, and none can run here.
    """
    if backend == ONNXRUNTIME or (backend == AUTO and device != "cuda"):
        return None, []
    asked = f"BACKEND={backend} with DEVICE={device}"
    if device != "cuda":
        raise InputError(asked, "plans run on a GPU only", "Use --device cuda, or leave --backend out")
    graph = manifest.merged_graph
    plans = [plan for plan in graph.plans if backend in (AUTO, plan.backend)]
    if backend != AUTO and not plans:
        there = ", ".join(plan.file for plan in graph.plans) or "none at all"
        raise InputError(
            asked,
            f"{bundle} has no plan of {find_plan_backend(backend).label}; its plans are {there}",
            f"Run pitome build {bundle} --backend {backend}",
        )
    against: list[str] = []
    machine = ask() if plans else Machine()
    for plan, reason in ranked_plans(plans, machine, manifest.plugin):
        if reason is None:
            return PlanOnGpu(bundle, manifest, graph, plan, machine), against
        against.append(f"{plan.file} can't run here: {reason}")
    if backend != AUTO:
        raise BackendError(
            asked,
            "no plan of the bundle can run here:",
            f"Run pitome build {bundle} --backend {backend} on this machine, or leave --backend out",
            [f"- {each}" for each in against],
        )
    return None, against or [f"{bundle} has no plan"]


def plan_or_onnxruntime(
    bundle: Path, manifest: Manifest, device: str, backend: str, progress: Progress
) -> PlanOnGpu | None:
    """The plan that runs, or None for onnxruntime; why no better one does, is noted.

    Raises:
        InputError, BackendError: as ``choose_plan``; onnxruntime does not have the device either.
    """
    place, against = choose_plan(bundle, manifest, device, backend)
    if place is None and against:
        try:
            installed_device(device)
        except InputError as error:
            lines = [f"- {each}" for each in against]
            found = f"{error.found}, and no plan of the bundle can run:"
            raise InputError(error.asked, found, error.remedy, lines) from None
    for each in against:
        progress.note(each)
    if place is None and against:
        progress.note("so onnxruntime runs it")
    return place


@dataclass(frozen=True)
class PlanOnGpu:
    """A plan of a bundle that was verified, and the machine whose GPU takes it."""

    bundle: Path
    manifest: Manifest
    graph: GraphRecord
    plan: PlanRecord
    machine: Machine

    def open(self) -> PlanEngine:
        """To be measured, with the bundle's plugin library where it needs it.

        Raises:
            InputError, BackendError, BundleError: as ``open_plan``.
        """
        limits = {tensor.name: tensor.below for tensor in self.graph.inputs if tensor.below is not None}
        plugin, library = None, self.manifest.plugin
        if self.plan.merge_path == "plugin" and not self.plan.plugin_embedded and library is not None:
            plugin = PluginFile(self.bundle / library.file, library)
        return open_plan(
            self.plan.backend,
            self.bundle / self.plan.file,
            record=self.plan,
            plugin=plugin,
            options=PlanOptions(limits=limits, cuda_graphs=True, contexts=1),
            machine=self.machine,
        )

    def check_batches(self, batches: Sequence[int]) -> None:
        """Refuse (InputError) a batch that is not within the plan's profile."""
        smallest, _, largest = self.plan.profile
        wrong = [batch for batch in batches if not smallest <= batch <= largest]
        if wrong:
            raise InputError(
                f"batch {wrong[0]} of {self.plan.file}",
                f"its profile goes from {smallest} to {largest}",
                "Choose --batch within it, or build a plan with another PROFILE",
            )

    def graphs_with_it_run(self) -> tuple[GraphRecord, ...]:
        """The graphs of the manifest, in which the plan is one that has run."""
        ran = self.plan.model_copy(update={"executed": True})
        plans = tuple(ran if each == self.plan else each for each in self.graph.plans)
        graph = self.graph.model_copy(update={"plans": plans})
        return tuple(graph if each == self.graph else each for each in self.manifest.graphs)


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


def plan_contestants(place: PlanOnGpu, unmerged: Path) -> tuple[list[Contestant], PlanRun]:
    """The two plans as contestants, and what is told of where they run.

    Raises:
        InputError, BackendError, BundleError: as ``open_plan``: the bundle's is opened once, before anything
            long.
    """
    from pitome.bundle import file_sha256
    from pitome.validate.bench.contestants import plan_contestant

    plan, machine, gpu = place.plan, place.machine, place.machine.gpu
    assert gpu is not None, "the plan was chosen for it"
    first = place.open()
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
    options = PlanOptions(precision=plan.precision, cuda_graphs=True, contexts=1)
    other = partial(open_plan, plan.backend, unmerged, options=options, machine=machine)
    bound = place.graph.flops.bound
    return [
        plan_contestant("merged", plan.backend, plan.sha256, place.open, against="unmerged", bound=bound),
        plan_contestant("unmerged", plan.backend, file_sha256(unmerged), other),
    ], told
