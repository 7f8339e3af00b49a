"""The yardstick itself: names do not count for it, everything else does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.export.same_graph import same_graph


def make(weight: str = "weight", middle: str = "middle") -> onnx.ModelProto:
    """y = relu(x w), 2 by 2, on a dynamic batch."""
    nodes = [
        helper.make_node("MatMul", ["x", weight], [middle], name=f"to {middle}"),
        helper.make_node("LeakyRelu", [middle], ["y"], alpha=0.5),
    ]
    graph = helper.make_graph(
        nodes,
        "main",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(np.float32([[1, 2], [3, 4]]), weight)],
        value_info=[helper.make_tensor_value_info(middle, TensorProto.FLOAT, ["batch", 2])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def differences(folder: Path, other: onnx.ModelProto) -> list[str]:
    onnx.save(make(), folder / "one.onnx")
    onnx.save(other, folder / "other.onnx")
    return same_graph(folder / "one.onnx", folder / "other.onnx")


def test_other_names_are_the_same(tmp_path: Path) -> None:
    assert differences(tmp_path, make("model.weight", "val_3")) == []


def change_weight(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.float32([[1, 2], [3, 5]]), "weight"))


def change_attribute(model: onnx.ModelProto) -> None:
    model.graph.node[1].attribute[0].f = 0.25


def change_operator(model: onnx.ModelProto) -> None:
    model.graph.node[1].op_type = "Elu"


def change_shape(model: onnx.ModelProto) -> None:
    model.graph.value_info[0].type.tensor_type.shape.dim[0].dim_param = "rows"


def add_weight(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.float32([1]), "unused"))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (change_weight, ["weight value 0 is another", "output y is another on onnxruntime"]),
        (change_attribute, ["node 1 is another", "output y is another on onnxruntime"]),
        (change_operator, ["node 1 is another", "output y is another on onnxruntime"]),
        (change_shape, ["value value 1 is another"]),
        (add_weight, ["1 and 2 weights"]),
    ],
)
def test_what_differs_is_named(
    change: Callable[[onnx.ModelProto], None], found: list[str], tmp_path: Path
) -> None:
    other = make()
    change(other)
    assert [text.partition(", by")[0] for text in differences(tmp_path, other)] == found
