"""Small ONNX graphs, written by hand, and requests for plans of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from pitome.export.plans import PlanRequest
from pitome.op import ONNX_VERSION
from pitome.runtime.tensorrt_plugin import CREATOR
from tests.export.plans.fake_machine import machine

__all__ = ["machine"]

_, VERSION, NAMESPACE = CREATOR

OPSETS = [helper.make_opsetid("", 18), helper.make_opsetid("pitome", ONNX_VERSION)]


def tensor_info(name: str, *shape: str | int, dtype: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, list(shape))


def save_graph(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    **parts: Any,
) -> Path:
    graph = helper.make_graph(nodes, "test", inputs, outputs, initializer=parts.pop("initializers", []))
    model = helper.make_model(
        graph, opset_imports=OPSETS, ir_version=10, functions=parts.pop("functions", [])
    )
    onnx.save(model, path, **parts)
    return path


def merge_body() -> onnx.FunctionProto:
    """A stand-in for the real body: keep the ``keep`` tokens whose rows are most similar to all others."""
    keep = helper.make_node("Constant", [], ["keep"])
    attribute = keep.attribute.add()
    attribute.name, attribute.ref_attr_name, attribute.type = "value_ints", "keep", onnx.AttributeProto.INTS
    nodes = [
        keep,
        helper.make_node("Constant", [], ["last"], value_ints=[2]),
        helper.make_node("Transpose", ["metric"], ["columns"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["metric", "columns"], ["similarity"]),
        helper.make_node("ReduceMean", ["similarity", "last"], ["energy"], keepdims=0),
        helper.make_node("TopK", ["energy", "keep"], ["values", "kept"], axis=1),
        helper.make_node("Unsqueeze", ["kept", "last"], ["kept_column"]),
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Constant", [], ["one_hot"], value_floats=[0.0, 1.0]),
        helper.make_node("Gather", ["shape", "axis_one"], ["num_tokens"]),
        helper.make_node("OneHot", ["kept", "num_tokens", "one_hot"], ["selection"], axis=-1),
        helper.make_node("MatMul", ["selection", "x"], ["y"]),
        helper.make_node("GatherElements", ["size", "kept_column"], ["size_out"], axis=1),
        helper.make_node("Cast", ["kept"], ["assignment"], to=TensorProto.INT32),
    ]
    nodes.insert(0, helper.make_node("Constant", [], ["axis_one"], value_int=1))
    return helper.make_function(
        "pitome",
        "EnergyMerge",
        ["x", "metric", "size"],
        ["y", "size_out", "assignment"],
        nodes,
        OPSETS[:1],
        ["keep"],
    )


@pytest.fixture
def merged_onnx(tmp_path: Path) -> Path:
    return save_merged(tmp_path / "merged.onnx")


def save_merged(path: Path, functions: list[onnx.FunctionProto] | None = None) -> Path:
    """Two merges of 8 tokens to 6 and to 4, named ``merge_0`` and ``merge_1``."""

    def merge(name: str, x: str, size: str, keep: int, outputs: list[str]) -> onnx.NodeProto:
        return helper.make_node(
            "EnergyMerge",
            [x, x, size],
            outputs,
            name=name,
            domain="pitome",
            keep=[keep],
            plugin_namespace=NAMESPACE,
            plugin_version=VERSION,
        )

    nodes = [
        merge("merge_0", "x", "size", 6, ["y0", "size0", "assignment0"]),
        helper.make_node("Relu", ["y0"], ["x1"], name="relu"),
        merge("merge_1", "x1", "size0", 4, ["y", "size_out", "assignment1"]),
    ]
    return save_graph(
        path,
        nodes,
        [tensor_info("x", "batch", 8, 16), tensor_info("size", "batch", 8, 1)],
        [tensor_info("y", "batch", 4, 16), tensor_info("size_out", "batch", 4, 1)],
        functions=[merge_body()] if functions is None else functions,
    )


@pytest.fixture
def merged_without_body_onnx(tmp_path: Path) -> Path:
    return save_merged(tmp_path / "no-body.onnx", functions=[])


@pytest.fixture
def unsupported_onnx(tmp_path: Path) -> Path:
    return save_graph(
        tmp_path / "unsupported.onnx",
        [
            helper.make_node("Relu", ["x"], ["a"], name="known"),
            helper.make_node("NoSuchOperator", ["a"], ["y"], name="offender"),
        ],
        [tensor_info("x", "batch", 4)],
        [tensor_info("y", "batch", 4)],
    )


@pytest.fixture
def linear_onnx(tmp_path: Path) -> Callable[..., Path]:
    """``linear_onnx(*shape, dtype)`` multiplies by a matrix; no merges. External data where asked."""

    def save(
        *shape: str | int, dtype: int = TensorProto.FLOAT, width: int = 8, external_data: bool = False
    ) -> Path:
        numbers = np.eye(width, dtype=helper.tensor_dtype_to_np_dtype(dtype))
        weight = helper.make_tensor("weight", dtype, [width, width], numbers.tobytes(), raw=True)
        shape = shape or ("batch", width)
        parts = {"save_as_external_data": True, "location": "linear.data", "size_threshold": 0}
        return save_graph(
            tmp_path / "linear.onnx",
            [helper.make_node("MatMul", ["x", "weight"], ["y"], name="linear")],
            [tensor_info("x", *shape, dtype=dtype)],
            [tensor_info("y", *shape, dtype=dtype)],
            initializers=[weight],
            **(parts if external_data else {}),
        )

    return save


@pytest.fixture
def long_onnx(tmp_path: Path) -> Path:
    """2000 small layers: more progress than a pipe holds, so the builder waits until it has been read."""
    count = 2000
    names = ["x", *(f"v{index}" for index in range(count))]
    nodes = [
        helper.make_node("Mul" if index % 2 else "Add", [names[index], "x"], [names[index + 1]])
        for index in range(count)
    ]
    return save_graph(
        tmp_path / "long.onnx", nodes, [tensor_info("x", "batch", 8)], [tensor_info(names[-1], "batch", 8)]
    )


@pytest.fixture
def request_plan(tmp_path: Path) -> Callable[..., PlanRequest]:
    """A valid request for ``plans/test.plan``, with anything changed."""
    folder = tmp_path / "plans"
    folder.mkdir()

    def make(onnx: Path = tmp_path / "absent.onnx", **changes: Any) -> PlanRequest:
        settings: dict[str, Any] = {
            "plan": folder / "test.plan",
            "backend": "tensorrt_rtx",
            "targets": ("sm89",),
            "profile": (1, 2, 4),
            "precision": "fp32",
            "num_merges": 0,
        }
        return PlanRequest(onnx=onnx, **{**settings, **changes})

    return make
