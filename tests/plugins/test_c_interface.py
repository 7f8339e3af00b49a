"""The C interface refuses what the kernels cannot do, in words, before anything is launched."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from pitome.errors import InputError
from pitome.parameters import MergeParameters
from pitome.plugins.tools.merge_library import (
    HOST_LIBRARY,
    HostLibrary,
    MergeLibrary,
    Parameters,
    Shape,
    Tensors,
)
from tests.device_library import DEVICE_LIBRARY

GOOD = Parameters.of(MergeParameters(3, 8, 1, margin=0.5))
SHAPE = Shape(2, 12, 6, 4, 0)


@pytest.fixture(
    params=[
        pytest.param(HOST_LIBRARY, id="host"),
        pytest.param(DEVICE_LIBRARY, id="device", marks=pytest.mark.full),
    ]
)
def library(request: pytest.FixtureRequest) -> MergeLibrary:
    """What needs no kernel is the same in both builds."""
    return MergeLibrary(request.param)


def changed(structure: Any, **values: Any) -> Any:
    copy = type(structure).from_buffer_copy(structure)
    for name, value in values.items():
        setattr(copy, name, value)
    return copy


def test_good_parameters_and_shapes_pass(library: MergeLibrary) -> None:
    assert library.check(GOOD, SHAPE) == ""
    assert library.check(GOOD, changed(SHAPE, batch=0)) == ""
    assert library.check(GOOD, Shape(1, 3840, 4096, 4096, 2)) == ""
    largest = Parameters.of(MergeParameters(1920, 3840, 0))
    assert library.check(largest, Shape(1, 3840, 1, 1, 0)) == ""


NOT_FINITE = "not a finite number. Give a finite number"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {"num_merged": 0},
            "num_merged=0: a merge removes at least one token. Leave a layer without",
        ),
        ({"num_merged": -1}, "num_merged=-1: a merge removes at least one token"),
        (
            {"num_candidates": 5},
            "num_candidates=5 with num_merged=3: the operator needs 0 < 2 num_merged <= num_candidates. "
            "Allow at least 6 candidates",
        ),
        ({"num_merged": 2**31 - 1}, "Allow at least 4294967294 candidates"),
        ({"num_protected": -2}, "num_protected=-2: negative. Give zero or more"),
        ({"num_candidates": 3840}, "more than the 3840 tokens that the kernels take. Merge fewer tokens"),
        ({"margin": float("nan")}, f"margin=nan: {NOT_FINITE}"),
        ({"alpha": float("inf")}, f"alpha=inf: {NOT_FINITE}"),
        ({"size_penalty": float("-inf")}, f"size_penalty=-inf: {NOT_FINITE}"),
        ({"offset": float("nan")}, f"offset=nan: {NOT_FINITE}"),
        ({"width": float("inf")}, f"width=inf: {NOT_FINITE}"),
        ({"margin": 1024.5}, "margin=1024.5: outside -1024 to 1024. Give a number between them"),
        ({"margin": -1024.5}, "margin=-1024.5: outside -1024 to 1024"),
        ({"offset": 2000.0}, "offset=2000: outside -1024 to 1024"),
        ({"alpha": -2000.0}, "alpha=-2000: outside -1024 to 1024"),
        ({"width": 0.0}, "width=0: outside 0.000976562 to 1024"),
        ({"width": 0.0009}, "width=0.0009: outside 0.000976562 to 1024"),
        ({"width": -1.0}, "width=-1: outside 0.000976562 to 1024"),
        ({"width": 1024.5}, "width=1024.5: outside 0.000976562 to 1024"),
        ({"size_penalty": -0.5}, "size_penalty=-0.5: outside 0 to 1024"),
        ({"size_penalty": 1025.0}, "size_penalty=1025: outside 0 to 1024"),
        ({"order": 2}, "order=2: the operator knows 0 (energy) and 1 (position). Choose one of these"),
        ({"order": -1}, "order=-1: the operator knows 0 (energy) and 1 (position)"),
        (
            {"function": -1},
            "function=-1: the operator knows 0 (piecewise) and 1 (gaussian). Choose one of these",
        ),
        ({"function": 2}, "function=2: the operator knows 0 (piecewise) and 1 (gaussian)"),
        ({"split": -1}, "split=-1: the operator knows 0 (alternate), 1 (alternate_second) and 2 (half)"),
        (
            {"split": 3},
            "split=3: the operator knows 0 (alternate), 1 (alternate_second) and 2 (half). "
            "Choose one of these",
        ),
        (
            {"function": 1, "margin": 1.0},
            "margin=1 with the gaussian function: its width is 1 - margin, which must be positive. Give a "
            "margin below 1",
        ),
    ],
)
def test_bad_parameters_are_refused(library: MergeLibrary, change: dict[str, Any], text: str) -> None:
    assert text in library.check(changed(GOOD, **change), SHAPE)
    assert library.workspace_size(changed(GOOD, **change), SHAPE) == 0


@pytest.mark.parametrize(
    "change",
    [
        *({name: sign * 1024.0} for name in ("margin", "offset", "alpha") for sign in (1, -1)),
        {"width": 2.0**-10},
        {"width": 2.0**10},
        {"size_penalty": 0.0},
        {"size_penalty": 1024.0},
        {"function": 1, "margin": 1 - 2.0**-24},
        {"split": 1},
        {"split": 2},
        {"num_candidates": 6},
    ],
)
def test_the_limits_themselves_are_taken(library: MergeLibrary, change: dict[str, Any]) -> None:
    assert library.check(changed(GOOD, **change), SHAPE) == ""


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"dtype": 3}, "dtype=3: the kernels know 0 (float32), 1 (float16) and 2 (bfloat16)"),
        ({"batch": -1}, "batch=-1: negative. Give zero or more"),
        ({"num_tokens": 3841}, "num_tokens=3841: the kernels take 1 to 3840. Use the function body for more"),
        ({"num_tokens": 0}, "num_tokens=0: the kernels take 1 to 3840"),
        ({"width": 4097}, "width=4097: the kernels take 1 to 4096. Use the function body for more"),
        ({"metric_width": 0}, "metric_width=0: the kernels take 1 to 4096"),
        (
            {"num_tokens": 8},
            "num_candidates=8 for 8 tokens, 1 of them protected: the operator needs num_candidates <= 7",
        ),
    ],
)
def test_bad_shapes_are_refused(library: MergeLibrary, change: dict[str, Any], text: str) -> None:
    assert text in library.check(GOOD, changed(SHAPE, **change))
    assert library.workspace_size(GOOD, changed(SHAPE, **change)) == 0


def test_python_and_the_library_refuse_the_same(library: MergeLibrary) -> None:
    """The operator's own check and the kernels' draw one line; beyond it only the kernels' limits of size."""
    tokens = 9
    for merged in range(0, 6):
        for candidates in range(0, 11):
            for prefix in range(0, 3):
                parameters = MergeParameters(merged, candidates, prefix)
                try:
                    parameters.check(tokens)
                    allowed = True
                except InputError:
                    allowed = False
                refusal = library.check(Parameters.of(parameters), changed(SHAPE, num_tokens=tokens))
                assert (refusal == "") == allowed, (parameters, refusal)


def addresses(**changes: int | None) -> Tensors:
    memory = torch.zeros(4096)
    start = -(-memory.data_ptr() // 16) * 16
    names = [name for name, _ in Tensors._fields_]
    tensors = Tensors(**{name: start + 1024 * index for index, name in enumerate(names)})
    for name, value in changes.items():
        setattr(tensors, name, value)
    return tensors


@pytest.mark.parametrize("name", [name for name, _ in Tensors._fields_])
def test_null_pointers_are_refused(library: MergeLibrary, name: str) -> None:
    with pytest.raises(RuntimeError, match=f"^{name}: a null pointer. Give the address of its memory$"):
        library.enqueue_raw(GOOD, SHAPE, addresses(**{name: None}))


@pytest.mark.parametrize(("name", "alignment"), [("x", 2), ("size", 4), ("assignment", 4), ("workspace", 16)])
def test_misaligned_pointers_are_refused(library: MergeLibrary, name: str, alignment: int) -> None:
    odd = getattr(addresses(), name) + 1
    with pytest.raises(
        RuntimeError, match=f"^{name} at 0x[0-9a-f]+: not aligned to {alignment} bytes. Give aligned"
    ):
        library.enqueue_raw(GOOD, SHAPE, addresses(**{name: odd}))


def test_a_grid_that_no_launch_can_have_is_refused(library: MergeLibrary) -> None:
    shape = Shape(2**31 - 1, 3840, 1, 1, 0)
    text = rf"more blocks than a launch may have\. Give at most {(2**31 - 1) // 3837} at a time$"
    with pytest.raises(RuntimeError, match=text):
        library.enqueue_raw(GOOD, shape, addresses())


def test_the_workspace_grows_with_batch_and_tokens_only(library: MergeLibrary) -> None:
    size = library.workspace_size(GOOD, SHAPE)
    assert size > 0
    assert size % 16 == 0
    for change in ({"width": 4096}, {"metric_width": 4096}, {"dtype": 1}):
        assert library.workspace_size(GOOD, changed(SHAPE, **change)) == size
    larger = library.workspace_size(GOOD, changed(SHAPE, batch=32))
    assert 15 * size < larger <= 16 * size
    assert library.workspace_size(GOOD, changed(SHAPE, num_tokens=24)) > size
    # CLIP ViT-B/16 at batch 8: the similarities of 196 x 196 tokens, and little else.
    clip = Parameters.of(MergeParameters(19, 176, 1))
    assert 8 * 196**2 * 4 < library.workspace_size(clip, Shape(8, 197, 768, 768, 1)) < 1.25 * 8 * 196**2 * 4


def test_nothing_outside_the_workspace_is_written() -> None:
    """Exactly the bytes that were asked for, with others around them."""
    library = HostLibrary()
    x = torch.randn(2, 12, 6)
    parameters = MergeParameters(3, 8, 1, margin=0.5)
    needed = library.workspace_size(GOOD, SHAPE)
    memory = torch.full((needed + 64,), 7, dtype=torch.uint8)
    start = (16 - memory.data_ptr() % 16) % 16 + 16
    outputs = torch.zeros(2, 9, 6), torch.zeros(2, 9, 1), torch.zeros(2, 12, dtype=torch.int32)
    size, metric = torch.ones(2, 12, 1), torch.randn(2, 12, 4)
    pointers = [tensor.data_ptr() for tensor in (x, metric, size, *outputs)]
    library.enqueue_raw(GOOD, SHAPE, Tensors(*pointers, memory.data_ptr() + start))
    library.handle.pitome_host_stream_synchronize(None)
    assert (memory[:start] == 7).all()
    assert (memory[start + needed :] == 7).all()
    expected = library.merge(x, metric, size, parameters)
    assert torch.equal(outputs[2], expected.assignment)


def test_the_version_is_the_project_s(library: MergeLibrary) -> None:
    from pitome import __version__

    assert library.version() == __version__


def test_parameters_are_handed_over_in_the_order_of_the_contract() -> None:
    parameters = MergeParameters(
        3, 8, 1, 0.25, 0.75, 4.0, 0.5, 0.125, "position", "gaussian", "alternate_second"
    )
    found = [getattr(Parameters.of(parameters), name) for name, *_ in Parameters._fields_]
    assert found == [3, 8, 1, 0.25, 0.75, 4.0, 0.5, 0.125, 1, 1, 1]
    assert [name for name, *_ in Parameters._fields_] == [
        field.name for field in dataclasses.fields(MergeParameters)
    ]
