"""Open a graph of a bundle in the way that was chosen."""

from __future__ import annotations

from pitome.bundle.graph_records import GraphRecord
from pitome.runtime.choice import ONNXRUNTIME, ChosenGraph, Way
from pitome.runtime.devices import CPU
from pitome.runtime.graph import Batches, OpenedGraph
from pitome.runtime.native import NativeLibrary
from pitome.runtime.onnxruntime import OnnxRuntime
from pitome.runtime.private_files import PrivateFiles


def open_way(
    name: str, graph: GraphRecord, way: Way, files: PrivateFiles, threads: int
) -> tuple[OpenedGraph, ChosenGraph]:
    """A graph that runs, and what is told of it.

    Args:
        name: of the bundle, as an error says it.
        graph: what to run.
        way: how.
        files: verified copies of the bundle's.
        threads: of one operator on the CPU.

    Raises:
        BackendError, InputError: it can't be opened so.
    """
    asked = f"running {graph.name} of {name}"
    device = way.device or CPU
    native = None if way.native is None else NativeLibrary(files.library(way.native), way.native)
    runtime = OnnxRuntime(
        files.path(way.record.file),
        way.record.precision,
        threads=threads,
        device=device,
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
    return OpenedGraph(graph, way, runtime, Batches.of(way, runtime.inputs), asked), told
