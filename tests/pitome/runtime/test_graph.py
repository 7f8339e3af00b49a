"""Any number of rows in batches that a plan takes, on a runtime that writes down what it was given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from pitome.bundle import Manifest
from pitome.errors import InputError
from pitome.runtime.graph import Batches, OpenedGraph
from pitome.runtime.protocol import DeclaredInput, Inputs, RunResult
from tests.pitome.bundle.bundle_cases import document


@dataclass
class Recording:
    """Gives each image's first number."""

    name: str = "recording"
    precision: str = "fp32"
    inputs: tuple[DeclaredInput, ...] = (DeclaredInput("pixel_values", "float16", (None, 3, 32, 32)),)
    outputs: tuple[str, ...] = ("embedding",)
    given: list[tuple[str, int]] = field(default_factory=list)

    def run(self, inputs: Inputs) -> RunResult:
        pixels = inputs["pixel_values"]
        self.given.append((str(pixels.dtype), len(pixels)))
        return RunResult({"embedding": np.repeat(pixels[:, 0, 0, :1], 8, axis=1)})

    def prepare(self, inputs: Inputs) -> Callable[[], object]:
        return lambda: self.run(inputs)


def opened(batches: Batches) -> tuple[OpenedGraph, Recording]:
    runtime = Recording()
    (graph,) = Manifest.model_validate(document()).graphs
    return OpenedGraph(graph, runtime, batches, "running model of the bundle b"), runtime


def pixels(count: int) -> dict[str, np.ndarray]:
    return {"pixel_values": np.ones((count, 3, 32, 32)) * np.arange(count)[:, None, None, None]}


@pytest.mark.parametrize(
    ("batches", "count", "sizes"),
    [
        (Batches(), 1, [1]),
        (Batches(), 100, [100]),
        (Batches(1, 8, 32), 32, [32]),
        (Batches(1, 8, 32), 70, [32, 32, 6]),
        (Batches(4, 8, 8), 1, [4]),
        (Batches(4, 8, 8), 17, [8, 8, 4]),
        (Batches(3, 3, 3), 7, [3, 3, 3]),
    ],
)
def test_rows_are_split_and_filled_up(batches: Batches, count: int, sizes: list[int]) -> None:
    graph, runtime = opened(batches)
    found = graph.run(pixels(count))["embedding"]
    assert runtime.given == [("float16", size) for size in sizes]
    assert found[:, 0].tolist() == list(range(count))


@pytest.mark.parametrize(
    ("batches", "asked", "size"),
    [
        (Batches(), None, 8),
        (Batches(), 500, 500),
        (Batches(1, 16, 32), None, 16),
        (Batches(1, 16, 32), 500, 32),
        (Batches(4, 16, 32), 2, 2),
    ],
)
def test_the_size_of_a_batch(batches: Batches, asked: int | None, size: int) -> None:
    assert batches.size(asked) == size


def test_a_graph_for_one_size_of_batch() -> None:
    assert Batches.of_inputs((DeclaredInput("x", "float32", (4, 3)),)) == Batches(4, 4, 4)
    assert Batches.of_inputs((DeclaredInput("x", "float32", ("batch", 3)),)) == Batches()


def test_what_has_no_rows_never_runs() -> None:
    graph, runtime = opened(Batches(4, 8, 8))
    with pytest.raises(InputError, match="there are 0 of pixel_values"):
        graph.run(pixels(0))
    assert runtime.given == []
