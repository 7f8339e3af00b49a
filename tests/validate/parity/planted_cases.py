"""An exported model in every precision, and mistakes to plant in its graphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from pitome.export.onnx import TORCH_TYPES, export_onnx
from pitome.validate.parity.check import check_parity
from pitome.validate.parity.graph_check import check_graph
from pitome.validate.parity.graph_weights import used_weights
from pitome.validate.parity.module_trace import trace
from pitome.validate.parity.passes import merging_layers
from pitome.validate.parity.records import GraphFinding, ParityReport
from pitome.validate.samples import CheckedInputs
from tests.compressed import compress_with

LAYER = 2
"""The block that is spoilt."""
RUNS = ("fp32", "fp16")
Change = Callable[[onnx.ModelProto], None]


def nothing(model: onnx.ModelProto) -> None:
    """An honest graph."""


@dataclass(frozen=True)
class Exported:
    merged: nn.Module
    unmerged: nn.Module
    graphs: Mapping[str, Path]
    output: str

    @staticmethod
    def make(model: nn.Module, output: str, folder: Path, *precisions: str, **options: Any) -> Exported:
        merged = compress_with(model, **(options or {"ratio": 0.8}))
        graphs = {precision: folder / f"{precision}.onnx" for precision in precisions}
        for precision, path in graphs.items():
            export_onnx(merged, path, outputs=[output], precision=precision)
        return Exported(merged, model, graphs, output)

    def plant(self, change: Change, folder: Path, precision: str = "fp32") -> Path:
        model = onnx.load(str(self.graphs[precision]))
        change(model)
        path = folder / "planted.onnx"
        onnx.save(model, str(path))
        return path

    def check(
        self, change: Change, folder: Path, inputs: CheckedInputs, precision: str = "fp32"
    ) -> ParityReport:
        """Parity with one graph spoilt, and that of fp32 as it was."""
        planted = self.plant(change, folder, precision)
        graphs = {"fp32": self.graphs["fp32"], precision: planted}
        return check_parity(self.merged, self.unmerged, graphs, [self.output], inputs, threads=1, num_exact=2)

    def read(self, path: Path, precision: str, example: Mapping[str, Tensor]) -> tuple[GraphFinding, ...]:
        """What reading alone finds, as parity does it."""
        norms, _ = trace(self.merged, example)
        return check_graph(
            path,
            self.merged,
            precision,
            norms,
            merging_layers(self.merged),
            used=used_weights(self.merged, example, [self.output]),
            judged=None if precision == "fp32" else self.graphs["fp32"],
            runs=precision in RUNS,
        )


def nodes_of(model: onnx.ModelProto, op_type: str) -> list[Any]:
    return [node for node in model.graph.node if node.op_type == op_type]


def swap_tokens(*layers: int) -> Change:
    """These merges take the last two of their tokens for each other; nothing else is wrong."""
    tokens = (37, 30, 25, 21)

    def change(model: onnx.ModelProto) -> None:
        merges = nodes_of(model, "EnergyMerge")
        for layer in layers:
            node, last, name = merges[layer], tokens[layer] - 1, f"swapped_{layer}"
            order = np.array([*range(last - 1), last, last - 1])
            model.graph.initializer.append(numpy_helper.from_array(order, name))
            gather = onnx.helper.make_node("Gather", [node.input[1], name], [f"{name}_metric"], axis=1)
            node.input[1] = f"{name}_metric"
            model.graph.node.insert(list(model.graph.node).index(node), gather)

    return change


def permute_tokens(model: onnx.ModelProto) -> None:
    """Every merge takes its tokens for one another, all but the class token."""
    generator = np.random.default_rng(0)
    for number, (node, count) in enumerate(
        zip(nodes_of(model, "EnergyMerge"), (37, 30, 25, 21), strict=True)
    ):
        order = np.array([0, *(1 + generator.permutation(count - 1))])
        model.graph.initializer.append(numpy_helper.from_array(order, f"order_{number}"))
        made = f"permuted_{number}"
        gather = onnx.helper.make_node("Gather", [node.input[1], f"order_{number}"], [made], axis=1)
        node.input[1] = made
        model.graph.node.insert(list(model.graph.node).index(node), gather)


def reverse_order(model: onnx.ModelProto) -> None:
    """The body of every merge begins with the lowest energy."""
    (body,) = [function for function in model.functions if function.name == "EnergyMerge"]
    (node,) = [node for node in body.node if "order" in node.output]
    (largest,) = [attribute for attribute in node.attribute if attribute.name == "largest"]
    largest.i = 1


def change_block(merged: nn.Module, precision: str, replaced: Callable[[Any], Any], count: int) -> Change:
    """Every matrix and bias of one block, of which ``count`` are there, becomes ``replaced`` of it.

    Matrices lie in the graph transposed and nameless; the ones of its layer norms are left as they are,
    because those of all norms lie there once.
    """
    own = [
        tensor.to(TORCH_TYPES[precision]).float()
        for name, tensor in merged.state_dict().items()
        if f"layers.{LAYER}." in name and not tensor.eq(tensor.flatten()[0]).all()
    ]

    def change(model: onnx.ModelProto) -> None:
        found = 0
        for initialiser in model.graph.initializer:
            array = numpy_helper.to_array(initialiser)
            values = torch.from_numpy(array.astype(np.float32))
            if any(torch.equal(values, each) or torch.equal(values, each.t()) for each in own):
                new = np.asarray(replaced(values.numpy()), dtype=np.float32).astype(array.dtype)
                initialiser.CopyFrom(numpy_helper.from_array(new, initialiser.name))
                found += 1
        assert found == count

    return change
