"""Which engines a GPU report is about, and how each of them is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import nn

from pitome.bundle.manifest import Precision, Record
from pitome.errors import PitomeError
from pitome.export.debug_graph import write_debug_graph
from pitome.export.onnx import export_onnx
from pitome.export.plans import PlanRequest, PlanResult, build_plan, check_request
from pitome.validate.parity.passes import merging_layers

MergePath = Literal["plugin", "function", "none"]
PROFILE = (1, 8, 32)


@dataclass(frozen=True)
class EngineSpec:
    """One engine.

    Args:
        backend: "tensorrt" or "tensorrt_rtx".
        merge_path: how its merges are built; "none" is the unmerged model.
        precision: of its graph.
        decisions: whether the decisions of the merges are outputs too. They are what parity looks at. Engines
            that are measured lack them: a builder drops what nobody asked for.
    """

    backend: str
    merge_path: MergePath
    precision: Precision = "fp16"
    decisions: bool = False

    @property
    def name(self) -> str:
        """As tables call it."""
        return "unmerged engine" if self.merge_path == "none" else f"{self.merge_path} engine"

    @property
    def file(self) -> str:
        """Name of the plan."""
        return (
            f"{self.backend}.{self.merge_path}.{self.precision}{'.decisions' if self.decisions else ''}.plan"
        )

    @property
    def graph(self) -> str:
        """Name of the ONNX file that it is built from."""
        model = "unmerged" if self.merge_path == "none" else "merged"
        return f"{model}.{self.precision}{'.decisions' if self.decisions else ''}.onnx"


class BuiltEngine(Record):
    """What the report says of an engine."""

    name: str
    file: str
    precision: str
    backend: str
    backend_version: str
    merges: int
    layers: int
    megabytes: float
    build_seconds: float

    @classmethod
    def of(cls, spec: EngineSpec, result: PlanResult) -> BuiltEngine:
        """From the builder's result."""
        return cls(
            name=spec.name,
            file=spec.file,
            precision=spec.precision,
            backend=result.backend,
            backend_version=result.backend_version,
            merges=result.num_merges,
            layers=result.num_layers,
            megabytes=round(result.bytes / 1e6, 1),
            build_seconds=round(result.build_seconds, 1),
        )


def measured_engines(backend: str) -> tuple[EngineSpec, ...]:
    """The engines of one backend that are measured against each other."""
    paths: tuple[MergePath, ...] = ("plugin", "function", "none")
    return tuple(EngineSpec(backend, path) for path in paths)


class Workshop:
    """Exports each graph and builds each engine once.

    Args:
        folder: where the files go.
        merged: compressed model, float32, on the CPU.
        unmerged: the same with ``method="none"``.
        outputs: fields of the model's output.
        target: architecture of the GPU, such as "sm89".
        plugin: the plugin library.
        built: told of every engine that was built.
    """

    def __init__(
        self,
        folder: Path,
        merged: nn.Module,
        unmerged: nn.Module,
        outputs: Sequence[str],
        target: str,
        plugin: Path,
        built: Callable[[BuiltEngine], None],
    ) -> None:
        self.folder, self.merged, self.unmerged = folder, merged, unmerged
        self.outputs, self.target, self.plugin, self._built = tuple(outputs), target, plugin, built
        self._plans: dict[EngineSpec, Path] = {}
        self._decisions: dict[str, tuple[str, ...]] = {}

    def request(self, spec: EngineSpec) -> PlanRequest:
        """What the builder is asked for."""
        return PlanRequest(
            onnx=self.folder / spec.graph,
            plan=self.folder / spec.file,
            backend=spec.backend,
            # TensorRT builds for the machine's GPU without being told.
            targets=() if spec.backend == "tensorrt" else (self.target,),
            profile=PROFILE,
            precision=spec.precision,
            num_merges=0 if spec.merge_path == "none" else len(merging_layers(self.merged)),
            merge_path="plugin" if spec.merge_path == "plugin" else "function",
            plugin=self.plugin if spec.merge_path == "plugin" else None,
        )

    def unavailable(self, spec: EngineSpec) -> str:
        """Why an engine cannot be built on this machine at all; empty where it can."""
        try:
            check_request(self.request(spec))
        except PitomeError as error:
            return str(error)
        return ""

    def plan(self, spec: EngineSpec) -> Path:
        """The engine's plan, built now or before.

        Raises:
            InputError, BackendError: it could not be exported or built.
        """
        if spec not in self._plans:
            self._export(spec)
            result = build_plan(self.request(spec))
            self._plans[spec] = result.plan
            self._built(BuiltEngine.of(spec, result))
        return self._plans[spec]

    def decisions(self, spec: EngineSpec) -> tuple[str, ...]:
        """Names of the outputs that are decisions, in the order of the merges; after ``plan``."""
        return self._decisions.get(spec.graph, ())

    def _export(self, spec: EngineSpec) -> None:
        if spec.graph in self._decisions:
            return
        path = self.folder / spec.graph
        if spec.decisions:
            whole = EngineSpec(spec.backend, spec.merge_path, spec.precision)
            self._export(whole)
            self._decisions[spec.graph] = write_debug_graph(self.folder / whole.graph, path)
            return
        model = self.unmerged if spec.merge_path == "none" else self.merged
        export_onnx(model, path, outputs=self.outputs, precision=spec.precision)
        self._decisions[spec.graph] = ()
