"""The EnergyMerge nodes of a graph: what they say, and that their integers say what their strings do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitome.errors import InputError
from pitome.op import ONNX_DOMAIN, ONNX_NAME, node_attributes
from pitome.parameters import MergeParameters
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
    attribute: Any = node.attributes.get(name)
    return None if attribute is None else attribute.value


def node_parameters(node: onnx_ir.Node) -> MergeParameters:
    """What a node's merge is told.

    Raises:
        InputError: an attribute is missing, is nothing that the operator takes, or does not follow from the
            others: ``by_position`` from ``order``, the slices from ``split``.
    """
    for name in FIELDS:
        if attribute_value(node, name) is None:
            raise InputError(
                f"the merge {node.name}", f"it has no attribute {name}", "Export the model again"
            )
    parameters = MergeParameters(*(attribute_value(node, name) for name in FIELDS))
    disagreement = first_disagreement(node, parameters)
    if disagreement is not None:
        raise InputError(f"the merge {node.name}", disagreement, "Export the model again")
    return parameters


def first_disagreement(node: onnx_ir.Node, parameters: MergeParameters) -> str | None:
    """The first attribute that does not follow from a node's own parameters, in words; None where all do."""
    for name, wanted in node_attributes(parameters).items():
        found = attribute_value(node, name)
        if name not in FIELDS and found != wanted:
            return (
                f"{name} is {found}, but order {parameters.order} and split {parameters.split} of "
                f"{parameters.num_candidates} candidates mean {wanted}"
                if not isinstance(wanted, str)
                else f"{name} is {found}, and this version writes {wanted}"
            )
    return None
