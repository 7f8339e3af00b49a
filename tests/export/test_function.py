"""The operator's ONNX body against the reference merge, and against what every runtime can take."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import AttributeProto, TensorProto, helper, inliner, shape_inference
from onnx.reference import ReferenceEvaluator
from torch import Tensor

from pitome.energies import Energy
from pitome.errors import InputError
from pitome.export.function import IR_VERSION, OPSET, energy_merge_function, num_nodes
from pitome.export.plans import PlanRequest, build_plan
from pitome.merge import MergeResult, apply_assignment, merge
from pitome.op import ONNX_DOMAIN, ONNX_NAME, ONNX_VERSION, node_attributes
from pitome.parameters import MergeParameters, Order, RankSlices, Split
from tests.merge_parameters import merge_parameters
from tests.operator_cases import CASES, OperatorCase, make_inputs
from tests.operator_model import operator_model
from tests.pitome.slow_checker import unexplained
from tests.pitome.test_merge import assert_values, by_name, rounding

NAMES = {torch.float32: "float32", torch.float16: "float16", torch.bfloat16: "bfloat16"}
Rule = tuple[Order, Energy, Split]
BODIES: list[Rule] = list(itertools.product(get_args(Order), get_args(Energy), get_args(Split)))
# The slow loops take too long for many tokens in more than one precision.
ON_ONNXRUNTIME = [
    (case, dtype)
    for case in CASES
    for dtype in (torch.float32, torch.float16)
    if case.num_tokens < 300 or dtype == torch.float32 or case.exact
]


def open_model(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    content = model.SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def feed(x: Tensor, metric: Tensor, size: Tensor) -> dict[str, np.ndarray]:
    return {"x": x.numpy(), "metric": metric.numpy(), "size": size.numpy()}


def run(x: Tensor, metric: Tensor, size: Tensor, parameters: MergeParameters) -> MergeResult:
    """One merge on onnxruntime."""
    model = operator_model(parameters, x.shape[1], x.shape[2], metric.shape[2], NAMES[x.dtype])
    return MergeResult(*map(torch.from_numpy, open_model(model).run(None, feed(x, metric, size))))


# What it computes.


@pytest.mark.parametrize(("case", "dtype"), ON_ONNXRUNTIME, ids=by_name)
def test_the_body_merges_like_the_reference(case: OperatorCase, dtype: torch.dtype) -> None:
    x, metric, size = make_inputs(case, dtype)
    result = run(x, metric, size, case.parameters)
    assert (result.x.dtype, result.size.dtype, result.assignment.dtype) == (dtype, torch.float32, torch.int32)
    if case.exact:
        expected = merge(x, metric, size, case.parameters)
        assert torch.equal(result.assignment, expected.assignment)
        assert torch.equal(result.size, expected.size)
    else:
        eps = rounding(case.parameters, case.metric_width)
        assert not unexplained(result.assignment, metric, size, case.parameters, eps)
    assert_values(result, x, size)
    assert_untouched_tokens(result, x, size, case.parameters.num_protected)


def assert_untouched_tokens(result: MergeResult, x: Tensor, size: Tensor, prefix: int) -> None:
    """The prefix and every kept token that received nothing are the input's, bit for bit, in order."""
    assert torch.equal(result.x[:, :prefix], x[:, :prefix])
    assert torch.equal(result.size[:, :prefix], size[:, :prefix])
    for image, slots in enumerate(result.assignment.long()):
        assert slots[:prefix].tolist() == list(range(prefix))
        alone = (slots.bincount()[slots] == 1) & (size[image, :, 0] > 0)
        assert torch.equal(result.x[image, slots[alone]], x[image, alone])
        assert slots[slots.bincount()[slots] == 1].diff().gt(0).all()


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.exact and case.num_tokens == 17], ids=by_name
)
def test_bfloat16_merges_like_the_reference(case: OperatorCase) -> None:
    """On ONNX's own evaluator: onnxruntime has no bfloat16 kernels on a CPU."""
    x, metric, size = make_inputs(case, torch.bfloat16)
    model = operator_model(case.parameters, case.num_tokens, case.width, case.metric_width, "bfloat16")
    bfloat16 = helper.tensor_dtype_to_np_dtype(TensorProto.BFLOAT16)
    inputs = {"x": x.float().numpy().astype(bfloat16), "metric": metric.float().numpy().astype(bfloat16)}
    # Inlined, because the evaluator gives its Elu no attribute of a function.
    evaluator: Any = ReferenceEvaluator(inliner.inline_local_functions(model))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        y, size_out, assignment = evaluator.run(None, {**inputs, "size": size.numpy()})
    assert y.dtype == bfloat16
    result = MergeResult(
        torch.from_numpy(y.astype(np.float32)).bfloat16(),
        torch.from_numpy(size_out),
        torch.from_numpy(assignment),
    )
    expected = merge(x, metric, size, case.parameters)
    assert torch.equal(result.assignment, expected.assignment)
    assert torch.equal(result.size, expected.size)
    assert_values(result, x, size)


@pytest.mark.parametrize(("order", "energy", "split"), BODIES)
def test_rows_that_are_not_finite_reach_no_value(order: Order, energy: Energy, split: Split) -> None:
    """All rows of one image, the prefix's row of another, and one row of each kind in a third."""
    x = torch.randn(3, 9, 5, generator=torch.Generator().manual_seed(0))
    metric, size = torch.ones(3, 9, 4), torch.ones(3, 9, 1)
    metric[0] = torch.nan
    metric[1, 0] = torch.inf
    metric[2, [2, 4, 7]] = torch.tensor([torch.nan, -torch.inf, 1e30]).unsqueeze(1)
    parameters = merge_parameters(3, 7, 1, margin=0.5, order=order, energy=energy, split=split)
    result, expected = run(x, metric, size, parameters), merge(x, metric, size, parameters)
    assert torch.equal(result.assignment, expected.assignment)
    torch.testing.assert_close(result.x, expected.x, rtol=0, atol=1e-6)
    assert torch.isfinite(result.x).all()


def test_a_source_that_is_not_finite_merges_last() -> None:
    """No target is finite: the sources 2 and 4 have similarity -2 and go before the first, which has -3."""
    x = torch.randn(1, 8, 3, generator=torch.Generator().manual_seed(0))
    metric = torch.ones(1, 8, 4)
    metric[0, [0, 1, 3, 5, 7]] = torch.nan
    result = run(x, metric, torch.ones(1, 8, 1), MergeParameters(2, 8, 0, order="position"))
    assert result.assignment.tolist() == [[0, 1, 1, 2, 1, 3, 4, 5]]


def test_a_negative_size_is_padding() -> None:
    x, metric, size = make_inputs(next(case for case in CASES if case.content == "padding"), torch.float32)
    assert (size == 0).any()
    parameters = MergeParameters(1, 2, 0)
    negative = torch.where(size == 0, -3.0, size)
    for plain, other in zip(
        run(x, metric, size, parameters), run(x, metric, negative, parameters), strict=True
    ):
        assert torch.equal(plain, other)


def test_one_session_takes_every_batch() -> None:
    case = next(case for case in CASES if case.exact and case.batch == 3 and case.num_tokens == 17)
    x, metric, size = make_inputs(case, torch.float32)
    session = open_model(operator_model(case.parameters, 17, case.width, case.metric_width))
    together = session.run(None, feed(x, metric, size))
    for first, last in ((0, 1), (1, 3), (0, 3)):
        part = session.run(None, feed(x[first:last], metric[first:last], size[first:last]))
        for some, everything in zip(part, together, strict=True):
            np.testing.assert_array_equal(some, everything[first:last])


# One body serves all nodes of a file.


def two_merges(dtype: str, merges: Sequence[MergeParameters]) -> onnx.ModelProto:
    """21 tokens -> 16 -> 13, both merges through one body with attributes of their own."""
    kind = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "bfloat16": TensorProto.BFLOAT16}
    nodes, values = [], ["x", "size"]
    for index, parameters in enumerate(merges):
        outputs = [f"x_{index}", f"size_{index}", f"assignment_{index}"]
        inputs = [values[0], values[0], values[1]]
        attributes = node_attributes(parameters)
        nodes.append(
            helper.make_node(ONNX_NAME, inputs, outputs, f"merge_{index}", domain=ONNX_DOMAIN, **attributes)
        )
        values = outputs
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "two_merges",
        [info("x", kind[dtype], ["batch", 21, 16]), info("size", TensorProto.FLOAT, ["batch", 21, 1])],
        [
            info("x_1", kind[dtype], ["batch", 13, 16]),
            info("size_1", TensorProto.FLOAT, ["batch", 13, 1]),
            info("assignment_0", TensorProto.INT32, ["batch", 21]),
            info("assignment_1", TensorProto.INT32, ["batch", 16]),
        ],
    )
    return helper.make_model(
        graph,
        functions=[energy_merge_function(merges, narrow=dtype != "float32")],
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(ONNX_DOMAIN, ONNX_VERSION)],
        ir_version=IR_VERSION,
    )


def merges_of(rule: Rule, other: Rule | None = None) -> list[MergeParameters]:
    """Two merges that differ in every number, the second by another rule where one is given."""
    (order, energy, split), (order_2, energy_2, split_2) = rule, other or rule
    # Far below its margin, sharp is -1 for all, and nothing but ties would be left.
    margin, margin_2 = (-0.4 if name == "sharp" else 0.25 for name in (energy, energy_2))
    return [
        merge_parameters(
            5, 17, 1, margin=2 * margin, size_penalty=0.05, order=order, energy=energy, split=split
        ),
        merge_parameters(3, 6, 2, margin=margin_2, alpha=0.5, order=order_2, energy=energy_2, split=split_2),
    ]


# Where the rules differ, every pair of orders and of splits meets, in both directions.
RULES = [(rule, rule) for rule in BODIES] + [
    (("energy", "elu", "alternate"), ("position", "elu", "alternate_second")),
    (("position", "elu", "half"), ("energy", "sharp", "alternate")),
    (("energy", "gaussian", "alternate_second"), ("position", "elu", "half")),
    (("position", "gaussian", "alternate"), ("energy", "eq4", "half")),
    (("energy", "elu", "half"), ("energy", "eq4", "alternate_second")),
    (("position", "elu", "alternate_second"), ("position", "gaussian", "alternate")),
]


@pytest.mark.parametrize(("first_rule", "second_rule"), RULES)
def test_each_node_goes_by_its_own_attributes(first_rule: Rule, second_rule: Rule) -> None:
    """Decisions of the second merge are judged on what the first one gave it."""
    x = torch.randn(2, 21, 16, generator=torch.Generator().manual_seed(1))
    size = torch.ones(2, 21, 1)
    merges = merges_of(first_rule, second_rule)
    model = two_merges("float32", merges)
    values = map(torch.from_numpy, open_model(model).run(None, {"x": x.numpy(), "size": size.numpy()}))
    y, size_out, first_assignment, second_assignment = values
    first, second = merges
    assert not unexplained(first_assignment, x, size, first, rounding(first, 16))
    middle = apply_assignment(x, size, first_assignment, 16)
    # The rows that the first merge made are off by one more rounding each.
    eps = rounding(second, 2 * 16)
    assert not unexplained(second_assignment, middle.x, middle.size, second, eps)
    assert_values(MergeResult(y, size_out, second_assignment), middle.x, middle.size)


def test_functions_of_energies_cannot_be_mixed() -> None:
    merges = [MergeParameters(1, 2), MergeParameters(1, 2, function="gaussian")]
    with pytest.raises(InputError) as error:
        energy_merge_function(merges, narrow=False)
    assert str(error.value) == (
        "one ONNX file for merges by energies of different functions: the merges have gaussian and "
        "piecewise, and parsers take the first body for all of them. Use one function in all layers that "
        "merge by energy"
    )
    energy_merge_function(
        [MergeParameters(1, 2), MergeParameters(1, 2, order="position", function="gaussian")], narrow=False
    )


# What it is made of.


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


@pytest.mark.parametrize("dtype", NAMES.values())
@pytest.mark.parametrize(("order", "energy", "split"), BODIES)
def test_checker_and_shape_inference_take_every_body(
    order: Order, energy: Energy, split: Split, dtype: str
) -> None:
    parameters = merge_parameters(3, 8, 1, order=order, energy=energy, split=split)
    model = operator_model(parameters, 12, 6, 4, dtype)
    onnx.checker.check_model(model, full_check=True)
    declared = {output.name: output.type.tensor_type.elem_type for output in model.graph.output}
    for output in model.graph.output:
        output.ClearField("type")
    inlined = inliner.inline_local_functions(model)
    inferred = shape_inference.infer_shapes(inlined, strict_mode=True, data_prop=True)
    assert {output.name: output.type.tensor_type.elem_type for output in inferred.graph.output} == declared


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("energy", get_args(Energy))
def test_decisions_and_sums_are_made_in_float32(energy: Energy, dtype: str) -> None:
    """Only rows of x on their way in and out have the narrow type; the metric is widened at once."""
    parameters = merge_parameters(3, 8, 1, energy=energy)
    model = inliner.inline_local_functions(operator_model(parameters, 12, 6, 4, dtype))
    inferred = shape_inference.infer_shapes(model, strict_mode=True).graph
    types = {
        value.name: value.type.tensor_type.elem_type
        for value in (*inferred.input, *inferred.value_info, *inferred.output)
    }
    narrow = {"float16": TensorProto.FLOAT16, "bfloat16": TensorProto.BFLOAT16}[dtype]
    makers = {name: node for node in inferred.node for name in node.output}
    made = {makers[name].op_type for name, kind in types.items() if kind == narrow and name in makers}
    assert made == {"CastLike", "Concat", "GatherND"}, "a group's mean, the table, and rows of x"
    assert [node.op_type for node in inferred.node if "metric" in node.input] == ["Cast"]
    for node in inferred.node:
        if node.op_type in ("MatMul", "Div", "Mul", "Sqrt", "Elu", "Exp"):
            assert types[node.input[0]] == TensorProto.FLOAT, node.name


@pytest.mark.parametrize(
    ("precision", "dtype", "rule", "other"),
    [
        ("fp32", "float32", ("energy", "elu", "alternate"), ("energy", "eq4", "half")),
        ("fp16", "float16", ("energy", "gaussian", "half"), ("position", "elu", "alternate_second")),
        ("bf16", "bfloat16", ("position", "elu", "alternate"), ("position", "elu", "half")),
    ],
)
def test_tensorrt_rtx_builds_two_merges(
    tmp_path: Path, precision: str, dtype: str, rule: Rule, other: Rule
) -> None:
    pytest.importorskip("tensorrt_rtx")
    path = tmp_path / "two.onnx"
    onnx.save(two_merges(dtype, merges_of(rule, other)), path)
    request = PlanRequest(
        path, tmp_path / "two.plan", "tensorrt_rtx", ("sm89",), (1, 2, 4), precision, num_merges=2
    )
    result = build_plan(request)
    assert (result.merge_path, result.num_merges) == ("function", 2)
    assert result.bytes == (tmp_path / "two.plan").stat().st_size > 10_000
