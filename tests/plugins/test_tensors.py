"""The plugin's entry points under tensors that do not fit: not zero, and a message that says what does."""

from __future__ import annotations

from typing import Any

import pytest

from pitome.parameters import MergeParameters
from tests.plugins.plugin_program import (
    BF16,
    BUILDS,
    EVERY_BUILD,
    FLOAT,
    HALF,
    INT8,
    attribute_fields,
    describe,
)

PARAMETERS = MergeParameters(3, 8, 1)
Tensors = list[tuple[int, tuple[int, ...]]]
WITH_TYPES = ("getOutputDataTypes", "configurePlugin", "onShapeChange", "enqueue")
WITH_SHAPES = ("getOutputShapes", "configurePlugin", "getWorkspaceSize", "onShapeChange", "enqueue")


def inputs(
    x: tuple[int, ...] = (2, 17, 8),
    metric: tuple[int, ...] = (2, 17, 16),
    size: tuple[int, ...] = (2, 17, 1),
    types: tuple[int, int, int] = (FLOAT, FLOAT, FLOAT),
) -> Tensors:
    return list(zip(types, (x, metric, size), strict=True))


def ask(tensors: Tensors, build: str = "host") -> dict[str, Any]:
    fields = attribute_fields(PARAMETERS).values()
    calls: dict[str, Any] = describe(fields, tensors=tensors, build=BUILDS[build])["calls"]
    assert calls.pop("createPlugin")["returned"] == 1
    return calls


def assert_refused(answer: dict[str, Any], name: str, message: str) -> None:
    assert (answer["returned"] == 0) == (name == "getWorkspaceSize"), "a size of 0, a code that is not"
    assert answer["messages"] == 1
    assert answer["message"] == f"pitome::EnergyMerge, {name}: {message}"


@pytest.mark.parametrize("build", EVERY_BUILD)
@pytest.mark.parametrize("type_", [FLOAT, HALF, BF16])
def test_tensors_that_fit_are_taken_without_a_word(build: str, type_: int) -> None:
    calls = ask(inputs(types=(type_, type_, FLOAT)), build)
    workspace = calls.pop("getWorkspaceSize")
    assert workspace["returned"] > 0
    assert_null_pointer_refused(calls.pop("enqueue"))
    assert list(calls) == ["getOutputDataTypes", "getOutputShapes", "configurePlugin", "onShapeChange"]
    for answer in (workspace, *calls.values()):
        assert (answer["messages"], answer["message"]) == (0, "")
    assert all(answer["returned"] == 0 for answer in calls.values())


def assert_null_pointer_refused(answer: dict[str, Any]) -> None:
    assert_refused(answer, "enqueue", "x: a null pointer. Give the address of its memory")


@pytest.mark.parametrize(
    ("types", "found"),
    [
        ((HALF, FLOAT, FLOAT), "float16, float32 and float32"),
        ((HALF, HALF, HALF), "float16, float16 and float16"),
        ((BF16, HALF, FLOAT), "bfloat16, float16 and float32"),
        ((INT8, INT8, FLOAT), "int8, int8 and float32"),
        ((99, 99, FLOAT), "type number 99, type number 99 and float32"),
    ],
)
def test_types_that_do_not_fit_are_refused(types: tuple[int, int, int], found: str) -> None:
    calls = ask(inputs(types=types))
    for name in WITH_TYPES:
        assert_refused(
            calls[name],
            name,
            "x and metric both float32, float16 or bfloat16, and size float32: "
            f"they are {found}. Cast them in front of the operator",
        )


@pytest.mark.parametrize(
    ("x", "metric", "size"),
    [
        ((17, 8), (2, 17, 16), (2, 17, 1)),
        ((2, 17, 8), (2, 17, 16), (2, 17)),
        ((2, 17, 8, 1), (2, 17, 16), (2, 17, 1)),
        ((2, 17, 8), (2, 16, 16), (2, 17, 1)),
        ((2, 17, 8), (3, 17, 16), (2, 17, 1)),
        ((2, 17, 8), (2, 17, 16), (1, 17, 1)),
        ((2, 17, 8), (2, 17, 16), (2, 17, 2)),
    ],
)
def test_shapes_that_do_not_fit_each_other_are_refused(
    x: tuple[int, ...], metric: tuple[int, ...], size: tuple[int, ...]
) -> None:
    calls = ask(inputs(x, metric, size))
    for name in WITH_SHAPES:
        assert_refused(
            calls[name],
            name,
            "inputs x [B, N, C], metric [B, N, D] and size [B, N, 1]: "
            f"their shapes are {list(x)}, {list(metric)} and {list(size)}. Give all three the same B and N",
        )


@pytest.mark.parametrize(
    ("num_tokens", "width", "metric_width", "asked"),
    [
        (8, 8, 16, "num_candidates=8 for 8 tokens, 1 of them protected"),
        (3841, 8, 16, "num_tokens=3841"),
        (17, 4097, 16, "width=4097"),
        (17, 0, 16, "width=0"),
        (17, 8, 4097, "metric_width=4097"),
    ],
)
def test_what_the_parameters_and_the_kernels_do_not_allow_is_refused(
    num_tokens: int, width: int, metric_width: int, asked: str
) -> None:
    calls = ask(inputs((2, num_tokens, width), (2, num_tokens, metric_width), (2, num_tokens, 1)))
    for name in WITH_SHAPES:
        assert_refused(calls[name], name, calls["onShapeChange"]["message"].split(": ", 1)[1])
        assert calls[name]["message"].startswith(f"pitome::EnergyMerge, {name}: {asked}")


def test_a_batch_that_is_not_known_yet_is_taken_while_building_only() -> None:
    calls = ask(inputs((-1, 17, 8), (-1, 17, 16), (-1, 17, 1)))
    for name in ("getOutputShapes", "configurePlugin"):
        assert calls[name] == {"returned": 0, "messages": 0, "message": ""}
    for name in ("getWorkspaceSize", "onShapeChange", "enqueue"):
        assert_refused(calls[name], name, "batch=-1: negative. Give zero or more")


def test_a_width_that_is_not_known_yet_is_taken_while_building() -> None:
    calls = ask(inputs((2, 17, -1), (2, 17, 16), (2, -1, 1)))
    assert calls["getOutputShapes"] == {"returned": 0, "messages": 0, "message": ""}
    # Whatever is known must fit all the same.
    calls = ask(inputs((2, 17, -1), (2, 16, 16), (2, -1, 1)))
    assert calls["getOutputShapes"]["returned"] != 0


def test_more_in_one_dimension_than_an_int_holds_is_refused() -> None:
    calls = ask(inputs((2**31, 17, 8), (2**31, 17, 16), (2**31, 17, 1)))
    for name in WITH_SHAPES:
        assert_refused(
            calls[name],
            name,
            "tensors of at most 2^31 - 1 in every dimension: one has 2147483648. Split the batch",
        )


@pytest.mark.parametrize("count", [1, 2, 4])
def test_another_number_of_inputs_is_refused(count: int) -> None:
    calls = ask([*inputs(), (FLOAT, (1,))][:count])
    assert "enqueue" not in calls
    for name, answer in calls.items():
        assert_refused(
            answer,
            name,
            "3 inputs (x, metric, size) and 3 outputs (y, size_out, assignment): "
            f"there are {count} and 3. Connect exactly these",
        )
