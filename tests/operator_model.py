"""A model of one merge alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitome.export.function import IR_VERSION, OPSET, energy_merge_function
from pitome.op import ONNX_DOMAIN, ONNX_NAME, ONNX_VERSION, node_attributes
from pitome.parameters import MergeParameters

if TYPE_CHECKING:
    import onnx


def operator_model(
    parameters: MergeParameters, num_tokens: int, width: int, metric_width: int, dtype: str = "float32"
) -> onnx.ModelProto:
    """An ONNX model with inputs x, metric, size and outputs y, size_out, assignment; dynamic batch.

    Args:
        parameters: attributes of the merge.
        num_tokens: N.
        width: C.
        metric_width: D.
        dtype: "float32", "float16" or "bfloat16" for x and metric.
    """
    from onnx import TensorProto, helper

    kind = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "bfloat16": TensorProto.BFLOAT16}[
        dtype
    ]
    kept = num_tokens - parameters.num_merged
    names = (["x", "metric", "size"], ["y", "size_out", "assignment"])
    node = helper.make_node(
        ONNX_NAME, *names, domain=ONNX_DOMAIN, name="merge", **node_attributes(parameters)
    )
    graph = helper.make_graph(
        [node],
        "merge",
        [
            helper.make_tensor_value_info("x", kind, ["batch", num_tokens, width]),
            helper.make_tensor_value_info("metric", kind, ["batch", num_tokens, metric_width]),
            helper.make_tensor_value_info("size", TensorProto.FLOAT, ["batch", num_tokens, 1]),
        ],
        [
            helper.make_tensor_value_info("y", kind, ["batch", kept, width]),
            helper.make_tensor_value_info("size_out", TensorProto.FLOAT, ["batch", kept, 1]),
            helper.make_tensor_value_info("assignment", TensorProto.INT32, ["batch", num_tokens]),
        ],
    )
    function = energy_merge_function([parameters], narrow=dtype != "float32")
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ONNX_DOMAIN, ONNX_VERSION)]
    return helper.make_model(graph, functions=[function], opset_imports=opsets, ir_version=IR_VERSION)
