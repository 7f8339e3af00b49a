"""Settings measured as plans on this machine's GPU: what ``pitome tune --device cuda`` builds for each.

Each graph becomes a plan of one backend for this GPU and one batch size, so that the settings are compared as
they would be deployed. No GPU has run it yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pitome.bundle.build_options import DEFAULT_PLUGIN
from pitome.errors import BackendError, InputError, PitomeError
from pitome.export.plans import PlanRequest, build_plan, check_request
from pitome.runtime.backends import AUTO, ONNXRUNTIME, PLAN_BACKENDS, TENSORRT, PlanBackend, find_plan_backend
from pitome.runtime.plans import Machine, PlanOptions, open_plan, this_machine
from pitome.runtime.plans.fit import RTX_TARGETS

if TYPE_CHECKING:
    from pitome.bundle.latency_records import RuntimeKind
    from pitome.validate.bench.contestants import Contestant

PRECISION: Final = "fp16"
"""Of the graphs: what a GPU is used with."""


@dataclass(frozen=True)
class PlanMaker:
    """Builds plans for the GPU in the machine, and makes contestants of them."""

    backend: PlanBackend
    machine: Machine
    batch: int
    plugin: Path | None = None
    """None: the merges go by the function."""

    @property
    def runtime(self) -> str:
        """As records call it."""
        assert self.machine.gpu is not None, "plan_maker"
        version = self.machine.versions[self.backend.name]
        return f"{self.backend.label} {version}, {self.machine.gpu.name}, {PRECISION}"

    def request(self, graph: Path, merges: int) -> PlanRequest:
        """What the builder is asked for."""
        assert self.machine.gpu is not None, "plan_maker"
        plugin = self.plugin if merges else None
        return PlanRequest(
            onnx=graph,
            plan=graph.with_suffix(".plan"),
            backend=self.backend.name,
            # TensorRT builds for the machine's GPU without being told.
            targets=() if self.backend == TENSORRT else (self.machine.gpu.target,),
            profile=(self.batch, self.batch, self.batch),
            precision=PRECISION,
            num_merges=merges,
            merge_path="function" if plugin is None else "plugin",
            plugin=plugin,
        )

    def contestant(
        self, name: str, graph: Path, merges: int, *, against: str | None = None, bound: float | None = None
    ) -> Contestant:
        """A graph in fp16 as a plan, built now.

        Raises:
            InputError, BackendError: it can't be built.
        """
        from pitome.validate.bench.contestants import plan_contestant

        result = build_plan(self.request(graph, merges))
        plugin = self.plugin if merges else None
        options = PlanOptions(precision=PRECISION, cuda_graphs=True, contexts=1)
        opened = partial(
            open_plan, self.backend.name, result.plan, plugin=plugin, options=options, machine=self.machine
        )
        kind: RuntimeKind = "tensorrt" if self.backend == TENSORRT else "tensorrt_rtx"
        return plan_contestant(name, kind, result.sha256, opened, against=against, bound=bound)


def plan_maker(
    device: str, backend: str, batch: int, ask: Callable[[], Machine] = this_machine
) -> tuple[PlanMaker | None, list[str]]:
    """What builds plans here, and why a better one does not; None: onnxruntime is measured.

    Args:
        device: value of ``--device``.
        backend: value of ``--backend``.
        batch: that is measured.
        ask: for the machine; called only where a plan may be meant.

    Raises:
        InputError: a plan is asked for on another device than cuda.
        BackendError: a plan is asked for, and can't be built or run here.
    """
    if backend == ONNXRUNTIME or (backend == AUTO and device != "cuda"):
        return None, []
    asked = f"BACKEND={backend} with DEVICE={device}"
    if device != "cuda":
        raise InputError(asked, "plans run on a GPU only", "Use --device cuda, or leave --backend out")
    wanted = tuple(reversed(PLAN_BACKENDS)) if backend == AUTO else (find_plan_backend(backend),)
    machine = ask()
    against: list[str] = []
    for each in wanted:
        reason = _why_not(each, machine)
        maker = PlanMaker(each, machine, batch, _plugin(each))
        if reason is None:
            reason = _why_not_built(maker)
        if reason is None:
            return maker, against
        against.append(f"{each.label}: {reason}")
    if backend != AUTO:
        raise BackendError(asked, "; ".join(against), "Leave --backend out, or use --device cpu")
    return None, against


def _why_not(backend: PlanBackend, machine: Machine) -> str | None:
    if backend.name not in machine.versions:
        return "it is not installed"
    if machine.gpu is None:
        return machine.why_no_gpu
    if backend != TENSORRT and machine.gpu.target not in RTX_TARGETS:
        return f"it does not compile for {machine.gpu.target}"
    return None


def _plugin(backend: PlanBackend) -> Path | None:
    """As a build has it: the plugin is TensorRT's usual way, the function that of TensorRT-RTX."""
    return DEFAULT_PLUGIN if backend == TENSORRT else None


def _why_not_built(maker: PlanMaker) -> str | None:
    try:
        check_request(maker.request(Path("model.onnx"), 1))
    except PitomeError as error:
        return str(error)
    return None
