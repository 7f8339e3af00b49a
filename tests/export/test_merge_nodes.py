"""What is read of the operator's nodes, and which are refused."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx_ir
import pytest

from pitome.errors import InputError
from pitome.export.merge_nodes import load_graph, merge_nodes, node_parameters
from pitome.op import node_attributes
from pitome.parameters import MergeParameters
from tests.merge_parameters import merge_parameters
from tests.operator_model import operator_model

PARAMETERS = merge_parameters(2, 7, 1, energy="sharp", margin=0.3, alpha=0.5, split="half", size_penalty=0.05)


def node_of(**changes: int | float | str | None) -> onnx_ir.Node:
    """The node of PARAMETERS with other attributes; None takes one away."""
    attributes = node_attributes(PARAMETERS) | changes
    given = {name: value for name, value in attributes.items() if value is not None}
    return onnx_ir.node("EnergyMerge", [], given, domain="pitome", name="energy_merge_3")


def test_a_node_gives_the_parameters_that_it_was_made_from() -> None:
    assert node_parameters(node_of()) == PARAMETERS


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("by_position", 1, 0),
        ("source_start", 1, 0),
        ("source_stop", 7, 4),
        ("target_start", 1, 4),
        ("target_stop", 6, 7),
        ("split_step", 2, 1),
        ("split_step", None, 1),
        ("plugin_version", "1", "2"),
        ("plugin_namespace", "other", "pitome"),
    ],
)
def test_an_attribute_that_does_not_follow_is_refused(
    name: str, value: int | str | None, wanted: int | str
) -> None:
    with pytest.raises(InputError) as error:
        node_parameters(node_of(**{name: value}))
    assert str(error.value) == (
        f"the merge energy_merge_3: {name} is {value}, where order energy and split half ask for {wanted}. "
        "Export the model again"
    )


@pytest.mark.parametrize("name", ["num_merged", "width", "function"])
def test_a_parameter_that_is_missing_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"the merge energy_merge_3: it has no attribute {name}"):
        node_parameters(node_of(**{name: None}))


def test_what_the_operator_does_not_take_is_refused() -> None:
    with pytest.raises(InputError, match="order='random': the operator knows energy, position"):
        node_parameters(node_of(order="random"))


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    model, path = operator_model(MergeParameters(2, 4), 9, 4, 4), tmp_path / "old.onnx"
    onnx.save(model, path)
    assert len(merge_nodes(load_graph(path))) == 1
    (opset,) = [opset for opset in model.opset_import if opset.domain == "pitome"]
    opset.version = 1
    onnx.save(model, path)
    with pytest.raises(InputError, match="of version 1 of the operator"):
        load_graph(path)
