"""The EnergyMerge nodes of a graph: what they say, and that their integers say what their strings do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from pitome.errors import InputError
from pitome.op import ONNX_DOMAIN, ONNX_NAME, node_attributes
from pitome.parameters import Function, MergeParameters, Order, Split
from pitome.runtime.operator_version import check_operator_version

if TYPE_CHECKING:
    import onnx_ir

FIELDS = tuple(MergeParameters.__dataclass_fields__)
"""The attributes that are parameters; the others follow from them."""


def load_graph(path: Path) -> onnx_ir.Model:
    """An ONNX file, its weights left where they are.

    Raises:
        InputError: its merges are of another version of the operator.
    """
    import onnx_ir

    check_operator_version(path)
    return onnx_ir.load(path)


def is_merge(node: onnx_ir.Node) -> bool:
    """Whether a node is the operator."""
    return (node.domain, node.op_type) == (ONNX_DOMAIN, ONNX_NAME)


def merge_nodes(model: onnx_ir.Model) -> list[onnx_ir.Node]:
    """The EnergyMerge nodes of a graph, in order."""
    return [node for node in model.graph if is_merge(node)]


def attribute_value(node: onnx_ir.Node, name: str) -> int | float | str | None:
    """An attribute's int, float or str; None where the node has none of this name."""
    attribute = node.attributes.get(name)
    value = None if attribute is None else attribute.value
    return value if isinstance(value, int | float | str) else None


def node_parameters(node: onnx_ir.Node) -> MergeParameters:
    """What a node's merge is told.

    Raises:
        InputError: an attribute is missing, is nothing that the operator takes, or does not follow from the
            others: ``by_position`` from ``order``, the slices from ``split``.
    """
    asked, remedy = f"the merge {node.name}", "Export the model again"
    for name in FIELDS:
        if attribute_value(node, name) is None:
            raise InputError(asked, f"it has no attribute {name}", remedy)
    given = node.attributes
    parameters = MergeParameters(
        num_merged=given["num_merged"].as_int(),
        num_candidates=given["num_candidates"].as_int(),
        num_protected=given["num_protected"].as_int(),
        margin=given["margin"].as_float(),
        offset=given["offset"].as_float(),
        width=given["width"].as_float(),
        alpha=given["alpha"].as_float(),
        size_penalty=given["size_penalty"].as_float(),
        order=cast(Order, given["order"].as_string()),
        function=cast(Function, given["function"].as_string()),
        split=cast(Split, given["split"].as_string()),
    )
    for name, wanted in node_attributes(parameters).items():
        found = attribute_value(node, name)
        if name not in FIELDS and found != wanted:
            says = f"order {parameters.order} and split {parameters.split}"
            raise InputError(asked, f"{name} is {found}, where {says} ask for {wanted}", remedy)
    return parameters
