"""How many nodes the operator's ONNX body has, and that every runtime can take each."""

from __future__ import annotations

from dataclasses import replace

import pytest
from onnx import AttributeProto, TensorProto

from pitome.energies import Energy
from pitome.export.function import OPSET, energy_merge_function, num_nodes
from pitome.op import ONNX_DOMAIN, ONNX_NAME, node_attributes
from pitome.parameters import MergeParameters, RankSlices
from tests.merge_parameters import merge_parameters

PENALTY = 0.05


def file_of(
    energy: Energy, *, margin: float = 0.9, alpha: float = 1.0, position: bool = False
) -> list[MergeParameters]:
    """The merges of a file with the default's size penalty, one of them by position where told."""
    merges = [merge_parameters(3, 8, energy=energy, margin=margin, alpha=alpha, size_penalty=PENALTY)]
    return [*merges, *[replace(merges[0], order="position")] * position]


KINDS: dict[str, list[MergeParameters]] = {
    "position": [MergeParameters(3, 8, size_penalty=PENALTY, order="position")],
    "elu": file_of("elu"),
    "elu with alpha": [*file_of("elu"), *file_of("elu", alpha=0.5)],
    "sharp": file_of("sharp"),
    "eq4": file_of("eq4"),
    "eq4 below zero": file_of("eq4", margin=-0.5),
    "gaussian": file_of("gaussian"),
    "elu and position": file_of("elu", position=True),
    "sharp and position": file_of("sharp", position=True),
    "eq4 and position": file_of("eq4", position=True),
    "gaussian and position": file_of("gaussian", position=True),
    "elu and eq4": [*file_of("elu"), *file_of("eq4")],
    "no penalty": [merge_parameters(3, 8)],
    "sharp and position, no penalty": [
        merge_parameters(3, 8, energy="sharp"),
        merge_parameters(3, 8, energy="sharp", order="position"),
    ],
    "some with a penalty": [*file_of("elu"), merge_parameters(3, 8)],
}
"""Every part of a body, by what merges of a file it serves."""
NODES = {  # in float32, and in narrower types
    "position": (70, 73),
    "elu": (80, 80),
    "elu with alpha": (80, 80),
    "sharp": (80, 80),
    "eq4": (80, 80),
    "eq4 below zero": (80, 81),
    "gaussian": (80, 82),
    "elu and position": (80, 81),
    "sharp and position": (80, 83),
    "eq4 and position": (80, 83),
    "gaussian and position": (82, 85),
    "elu and eq4": (80, 81),
    "no penalty": (77, 80),
    "sharp and position, no penalty": (80, 80),
    "some with a penalty": (80, 80),
}
"""Without constants. Over 80 are files of both orders with a penalty, and the gaussian in narrow types."""
WIDTHS = pytest.mark.parametrize("narrow", [False, True], ids=["float32", "narrow"])


@WIDTHS
@pytest.mark.parametrize("kind", KINDS)
def test_how_many_nodes_a_merge_costs(kind: str, narrow: bool) -> None:
    function = energy_merge_function(KINDS[kind], narrow=narrow)
    assert (
        num_nodes(function)
        == sum(node.op_type != "Constant" for node in function.node)
        == NODES[kind][narrow]
    )


@WIDTHS
@pytest.mark.parametrize("kind", KINDS)
def test_attributes_are_declared_and_used(kind: str, narrow: bool) -> None:
    function = energy_merge_function(KINDS[kind], narrow=narrow)
    declared = set(node_attributes(MergeParameters(1, 2)))
    assert (function.domain, function.name, function.overload) == (ONNX_DOMAIN, ONNX_NAME, "")
    assert set(function.attribute) == declared
    assert not function.attribute_proto, "a default would hide an attribute that a node lacks"
    used = {attribute.ref_attr_name for node in function.node for attribute in node.attribute} - {""}
    numbers = {"num_merged", "num_protected", *RankSlices._fields}
    numbers |= {"size_penalty"} if not kind.endswith("no penalty") else set()
    numbers |= {"by_position"} if "and position" in kind else set()
    numbers |= {"margin"} if kind != "position" else set()
    numbers |= {"width"} if "sharp" in kind else set()
    numbers |= {"alpha"} if "alpha" in kind else set()
    numbers |= {"offset"} if kind == "elu and eq4" else set()
    # M is a number of rows where no node is spared for it, and has no other use: the slices say it.
    assert used - {"num_candidates"} == numbers, "strings cannot steer a body"


@WIDTHS
@pytest.mark.parametrize("kind", KINDS)
def test_the_body_holds_nothing_that_a_builder_refuses(kind: str, narrow: bool) -> None:
    """No scattering with a reduction, no shapes that depend on values, no control flow, no strings."""
    function = energy_merge_function(KINDS[kind], narrow=narrow)
    refused = {"NonZero", "Compress", "Unique", "Loop", "If", "Scan", "ScatterND", "Attention"}
    assert not {node.op_type for node in function.node} & refused
    assert {node.domain for node in function.node} == {""}
    assert [opset.version for opset in function.opset_import if opset.domain == ""] == [OPSET]
    for node in function.node:
        if node.op_type == "ScatterElements":
            assert "reduction" not in {attribute.name for attribute in node.attribute}
        assert all(attribute.type != AttributeProto.STRING for attribute in node.attribute)


@WIDTHS
@pytest.mark.parametrize("kind", KINDS)
def test_constants_are_tensors_and_float_attributes_are_cast_at_once(kind: str, narrow: bool) -> None:
    """Folders of constants read value_float as float64, and their file no longer loads."""
    nodes = energy_merge_function(KINDS[kind], narrow=narrow).node
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


@WIDTHS
@pytest.mark.parametrize("kind", KINDS)
def test_every_result_has_a_name_of_its_own_and_is_used(kind: str, narrow: bool) -> None:
    """An unused result named ``_`` breaks TensorRT-RTX as soon as the function is used twice."""
    function = energy_merge_function(KINDS[kind], narrow=narrow)
    results = [name for node in function.node for name in node.output]
    assert len(results) == len(set(results))
    assert "" not in results
    assert "_" not in results
    used = {name for node in function.node for name in node.input} | set(function.output)
    assert all(name in used or name.startswith("unused_") for name in results)
