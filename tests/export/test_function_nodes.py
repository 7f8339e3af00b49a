"""How many nodes the operator's ONNX body has, and that every runtime can take each."""

from __future__ import annotations

import pytest
from onnx import AttributeProto, TensorProto

from pitome.export.function import OPSET, energy_merge_function
from pitome.op import ONNX_DOMAIN, ONNX_NAME, node_attributes
from pitome.parameters import MergeParameters, RankSlices
from tests.merge_parameters import merge_parameters

KINDS: dict[str, list[MergeParameters]] = {
    "position": [MergeParameters(3, 8, order="position")],
    "elu": [merge_parameters(3, 8)],
    "elu with alpha": [merge_parameters(3, 8), merge_parameters(3, 8, alpha=0.5)],
    "sharp": [merge_parameters(3, 8, energy="sharp")],
    "eq4": [merge_parameters(3, 8, energy="eq4")],
    "eq4 below zero": [merge_parameters(3, 8, energy="eq4", margin=-0.5)],
    "gaussian": [merge_parameters(3, 8, energy="gaussian")],
    "elu and position": [merge_parameters(3, 8), MergeParameters(3, 8, order="position")],
    "gaussian and position": [
        merge_parameters(3, 8, energy="gaussian"),
        MergeParameters(3, 8, order="position"),
    ],
    "eq4 and position": [merge_parameters(3, 8, energy="eq4"), MergeParameters(3, 8, order="position")],
}
"""Every body that there is, by what merges of a file it serves."""
MOST_NODES = {
    "position": 68,
    "elu": 77,
    "elu with alpha": 77,
    "sharp": 77,
    "eq4": 80,
    "eq4 below zero": 81,
    "gaussian": 79,
    "elu and position": 80,
    "gaussian and position": 82,
    "eq4 and position": 83,
}
"""Without constants. No method makes files of the three over 80, but a list of layers by hand can."""


@pytest.mark.parametrize("kind", KINDS)
def test_how_many_nodes_a_merge_costs(kind: str) -> None:
    nodes = [node for node in energy_merge_function(KINDS[kind]).node if node.op_type != "Constant"]
    assert len(nodes) == MOST_NODES[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_attributes_are_declared_and_used(kind: str) -> None:
    function = energy_merge_function(KINDS[kind])
    declared = set(node_attributes(MergeParameters(1, 2)))
    assert (function.domain, function.name, function.overload) == (ONNX_DOMAIN, ONNX_NAME, "")
    assert set(function.attribute) == declared
    assert not function.attribute_proto, "a default would hide an attribute that a node lacks"
    used = {attribute.ref_attr_name for node in function.node for attribute in node.attribute} - {""}
    numbers = {"num_merged", "num_protected", "size_penalty", *RankSlices._fields}
    numbers |= {"by_position"} if " and " in kind else set()
    numbers |= {"margin"} if kind != "position" else set()
    numbers |= {"width"} if kind.startswith(("elu", "sharp", "eq4")) else set()
    numbers |= {"alpha"} if "alpha" in kind else set()
    numbers |= {"offset"} if kind.startswith("eq4") else set()
    assert used == numbers, "strings cannot steer a body, and the slices say how many candidates there are"


@pytest.mark.parametrize("kind", KINDS)
def test_the_body_holds_nothing_that_a_builder_refuses(kind: str) -> None:
    """No scattering with a reduction, no shapes that depend on values, no control flow, no strings."""
    function = energy_merge_function(KINDS[kind])
    refused = {"NonZero", "Compress", "Unique", "Loop", "If", "Scan", "ScatterND", "Attention"}
    assert not {node.op_type for node in function.node} & refused
    assert {node.domain for node in function.node} == {""}
    assert [opset.version for opset in function.opset_import if opset.domain == ""] == [OPSET]
    for node in function.node:
        if node.op_type == "ScatterElements":
            assert "reduction" not in {attribute.name for attribute in node.attribute}
        assert all(attribute.type != AttributeProto.STRING for attribute in node.attribute)


@pytest.mark.parametrize("kind", KINDS)
def test_constants_are_tensors_and_float_attributes_are_cast_at_once(kind: str) -> None:
    """Folders of constants read value_float as float64, and their file no longer loads."""
    nodes = energy_merge_function(KINDS[kind]).node
    read_by = {name: [node for node in nodes if name in node.input] for node in nodes for name in node.output}
    for node in nodes:
        if node.op_type != "Constant":
            continue
        (attribute,) = node.attribute
        if not attribute.ref_attr_name:
            assert attribute.name == "value"
        elif attribute.type == AttributeProto.FLOAT:
            (reader,) = read_by[node.output[0]]
            assert (reader.op_type, reader.attribute[0].i) == ("Cast", TensorProto.FLOAT)
        else:
            assert attribute.name == "value_int"


@pytest.mark.parametrize("kind", KINDS)
def test_every_result_has_a_name_of_its_own_and_is_used(kind: str) -> None:
    """An unused result named ``_`` breaks TensorRT-RTX as soon as the function is used twice."""
    function = energy_merge_function(KINDS[kind])
    results = [name for node in function.node for name in node.output]
    assert len(results) == len(set(results))
    assert "" not in results
    assert "_" not in results
    used = {name for node in function.node for name in node.input} | set(function.output)
    assert all(name in used or name.startswith("unused_") for name in results)
