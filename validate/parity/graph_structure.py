"""Is a graph the same as one that was measured, but for its precision?

The exporter traces the same model in every precision, so the graphs have the same nodes but for casts. What
nothing here can run, such as bfloat16, is held against float32's graph: that is how tokens in another order,
another scale of attention or two weights in each other's place are seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pitome.export.merge_nodes import load_graph
from pitome.export.onnx import TORCH_TYPES

Described = tuple[Any, ...]
_ONNX_TYPES = {torch.float32: 1, torch.float16: 10, torch.bfloat16: 16}
"""As ``TensorProto.DataType`` numbers them."""


def first_difference(path: Path, measured: Path, precision: str) -> str | None:
    """Where a graph first computes something else than a measured one, in words; None where it does not.

    Casts to float32 or the graph's own precision are looked through, constants are compared as that precision
    rounds them, and types are not compared.

    Args:
        path: the graph.
        measured: the float32 graph of the same model.
        precision: of ``path``.
    """
    dtype = TORCH_TYPES[precision]
    ours, theirs = (list(_described(load_graph(each).graph, dtype)) for each in (path, measured))
    for index, (found, expected) in enumerate(zip(ours, theirs, strict=False)):  # both end with "the end"
        if found[0] != expected[0]:
            return f"node {index} but for casts is {found[1]}, in {measured.name} it is {expected[1]}"
    return None


def _described(graph: Any, dtype: torch.dtype) -> Iterator[tuple[Described, str]]:
    """Of each node, and of the outputs at the end: what it computes from which values, and in words."""
    import onnx_ir

    transparent = {int(onnx_ir.DataType.FLOAT), _ONNX_TYPES[dtype]}
    known: dict[Any, Described] = {value: ("input", index) for index, value in enumerate(graph.inputs)}

    def value(each: Any) -> Described | None:
        if each is None:
            return None
        if each not in known:
            known[each] = _constant(each.const_value, dtype)
        return known[each]

    number = 0
    for node in graph:
        if node.op_type == "Cast" and node.attributes["to"].as_int() in transparent:
            known[node.outputs[0]] = value(node.inputs[0]) or ()
            continue
        attributes = sorted((name, _attribute(each, dtype)) for name, each in node.attributes.items())
        given = tuple(value(each) for each in node.inputs)
        for position, each in enumerate(node.outputs):
            known[each] = ("node", number, position)
        yield (node.op_identifier(), tuple(attributes), given), f"{node.op_type} {node.name}"
        number += 1
    yield tuple(value(each) for each in graph.outputs), "the end"


def _attribute(attribute: Any, dtype: torch.dtype) -> Any:
    return _constant(attribute.value, dtype) if hasattr(attribute.value, "numpy") else str(attribute.value)


def _constant(tensor: Any, dtype: torch.dtype) -> Described:
    """Shape and digest of the numbers, floats as a precision rounds them.

    Finite ones stay finite: models mask with the lowest number that a type has.
    """
    values = np.asarray(tensor.numpy())
    if tensor.dtype.is_floating_point():
        floats, limits = torch.from_numpy(values.astype(np.float32)), torch.finfo(dtype)
        finite = floats.clamp(limits.min, limits.max)
        values = torch.where(floats.isfinite(), finite, floats).to(dtype).float().numpy()
    return "constant", values.shape, hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
