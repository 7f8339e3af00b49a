"""Graphs of dependent matrix products, and contestants whose time is counted instead of measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pitome.runtime import DeclaredInput, Inputs, RunResult, Runtime
from pitome.validate.bench.contestants import Contestant
from pitome.validate.bench.latency import compare, latency_records, merged_and_unmerged
from pitome.validate.bench.records import LatencyRecord
from pitome.validate.bench.settings import LatencySettings

WIDTH = 192


def chain(
    path: Path,
    matmuls: int,
    *,
    batch: int | str = "batch",
    tokens: int | str = 64,
    name: str = "pixels",
    dtype: int = TensorProto.FLOAT,
    op: str = "MatMul",
) -> Path:
    """Write a graph of ``matmuls`` dependent matrix products."""
    weight = numpy_helper.from_array(np.eye(WIDTH, dtype=np.float32), "weight")
    nodes, value = [], name
    if dtype != TensorProto.FLOAT:
        nodes.append(helper.make_node("Cast", [name], ["floats"], to=TensorProto.FLOAT))
        value = "floats"
    for index in range(matmuls):
        nodes.append(helper.make_node(op, [value, "weight"], [f"value{index}"]))
        value = f"value{index}"
    shape = [batch, tokens, WIDTH]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info(name, dtype, shape)],
        [helper.make_tensor_value_info(value, TensorProto.FLOAT, shape)],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, path)
    return path


def measure_pair(
    merged: Path, unmerged: Path, settings: LatencySettings, bound: float = 1.0
) -> list[LatencyRecord]:
    """Two graphs against each other, on the machine's clock: for all but their times."""
    return latency_records(compare(merged_and_unmerged(merged, unmerged, bound), settings), settings)


@dataclass
class CountedClock:
    """A clock that only the runs of its contestants move on."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now

    def counted(self, contestant: Contestant, seconds: float) -> Contestant:
        """The same contestant, really run, each run of which takes so many seconds on this clock."""
        return replace(
            contestant, load=lambda settings: _CountedRuntime(contestant.load(settings), self, seconds)
        )


@dataclass
class _CountedRuntime:
    runtime: Runtime
    clock: CountedClock
    seconds: float
    name: str = field(init=False)
    precision: str = field(init=False)
    inputs: tuple[DeclaredInput, ...] = field(init=False)
    outputs: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.name, self.precision = self.runtime.name, self.runtime.precision
        self.inputs, self.outputs = self.runtime.inputs, self.runtime.outputs

    def run(self, inputs: Inputs) -> RunResult:
        return self.runtime.run(inputs)

    def prepare(self, inputs: Inputs) -> Callable[[], object]:
        once = self.runtime.prepare(inputs)

        def run() -> object:
            self.clock.now += self.seconds
            return once()

        return run
