"""Open a graph of a bundle in the way that was chosen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pitome.bundle.graph_records import GraphRecord, PlanRecord
from pitome.runtime.backends import ONNXRUNTIME, find_plan_backend
from pitome.runtime.choice import ChosenGraph, Way
from pitome.runtime.devices import CPU
from pitome.runtime.graph import Batches, OpenedGraph
from pitome.runtime.native import NativeLibrary
from pitome.runtime.onnxruntime import OnnxRuntime
from pitome.runtime.plans import Machine, PlanOptions, PluginFile, open_plan
from pitome.runtime.private_files import PrivateFiles


@dataclass(frozen=True)
class Opener:
    """Opens graphs of one bundle."""

    name: str
    """Of the bundle, as an error says it."""
    folder: Path
    files: PrivateFiles
    """Verified copies of its files."""
    machine: Machine
    threads: int
    """Of one operator on the CPU."""
    cuda_graphs: bool

    def fetch(self, way: Way) -> None:
        """Copy and check what it needs.

        Raises:
            BundleError, BackendError: as of `PrivateFiles.path`.
        """
        self.files.path(way.record.file)
        if way.native is not None:
            self.files.library(way.native)

    def open(self, graph: GraphRecord, way: Way) -> tuple[OpenedGraph, ChosenGraph]:
        """A graph that runs, and what is told of it.

        Raises:
            PitomeError: it can't be opened so.
        """
        asked = f"running {graph.name} of {self.name}"
        if isinstance(way.record, PlanRecord):
            return self._open_plan(graph, way, way.record, asked)
        native = None
        if way.native is not None:
            native = NativeLibrary(self.files.library(way.native), way.native)
        runtime = OnnxRuntime(
            self.files.path(way.record.file),
            way.record.precision,
            threads=self.threads,
            device=way.device or CPU,
            purpose=asked,
            native=native,
        )
        told = ChosenGraph(
            name=graph.name,
            backend=ONNXRUNTIME,
            provider=runtime.provider,
            file=way.record.file,
            precision=way.record.precision,
            native=native is not None,
            partitions=runtime.partitions,
        )
        return OpenedGraph(graph, runtime, Batches.of_inputs(runtime.inputs), asked), told

    def _open_plan(
        self, graph: GraphRecord, way: Way, plan: PlanRecord, asked: str
    ) -> tuple[OpenedGraph, ChosenGraph]:
        library = way.native
        runtime = open_plan(
            plan.backend,
            self.files.path(plan.file).read_bytes(),
            plugin=None if library is None else PluginFile(self.folder / library.file, library),
            record=plan,
            options=PlanOptions(
                limits={each.name: each.below for each in graph.inputs if each.below is not None},
                cuda_graphs=self.cuda_graphs,
            ),
            machine=self.machine,
        )
        backend = find_plan_backend(plan.backend)
        told = ChosenGraph(
            name=graph.name,
            backend=plan.backend,
            provider=f"{backend.label} {self.machine.versions[backend.name]}",
            file=plan.file,
            precision=plan.precision,
            native=plan.merge_path == "plugin",
        )
        return OpenedGraph(graph, runtime, Batches(*plan.profile), asked), told
