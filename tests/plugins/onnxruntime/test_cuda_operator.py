"""The operator for onnxruntime's CUDA provider, with its kernels run by the CPU in the place of a GPU."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from pitome.merge import MergeResult
from pitome.parameters import MergeParameters, Order
from pitome.plugins.tools.merge_library import HostLibrary
from pitome.runtime.native import count_native_merges
from tests.merge_contract import held_to_the_contract
from tests.operator_cases import CASES, OperatorCase, make_inputs
from tests.pitome.test_merge import by_name
from tests.plugins.kernel_runs import INPUTS, MANY_INPUTS, Inputs, assert_same_bits
from tests.plugins.onnxruntime.cuda_library import HOST_LIBRARY, launches
from tests.plugins.onnxruntime.one_merge import TYPES, model_of, open_model, run

# One case of each content, energy function, split and dtype: the kernels have been through all of them.
SOME = {
    (case.content, case.parameters.function, case.parameters.split, dtype): (case, dtype)
    for case in CASES
    for dtype in TYPES
}
FEW = {"compare_pairs": 1, "decide_and_merge": 1}
MANY = {"add_energies": 1, "order_tokens": 1, "find_edges": 1, "select_edges": 1, "merge_rows": 1}

MANY_BY_POSITION = {"find_edges": 1, "select_edges": 1, "merge_rows": 1}


def merged(inputs: Inputs) -> MergeResult:
    x, metric, size, parameters = inputs
    return run(open_model(model_of(parameters, x, metric), library=HOST_LIBRARY), x, metric, size)


@pytest.mark.parametrize(("case", "dtype"), SOME.values(), ids=by_name)
def test_it_merges_like_the_reference(case: OperatorCase, dtype: torch.dtype) -> None:
    x, metric, size = make_inputs(case, dtype)
    session = open_model(model_of(case.parameters, x, metric), library=HOST_LIBRARY)
    assert count_native_merges(session) == 1
    held_to_the_contract((case, dtype), run(session, x, metric, size))


@pytest.mark.parametrize("inputs", [INPUTS, MANY_INPUTS], ids=["few", "many"])
def test_it_gives_the_bits_of_the_plugin(inputs: Inputs) -> None:
    x, metric, size, parameters = inputs
    assert_same_bits(merged(inputs), HostLibrary().merge(x, metric, size, parameters))


@pytest.mark.parametrize(
    ("inputs", "order", "expected"),
    [
        (INPUTS, "energy", FEW),
        (INPUTS, "position", FEW),
        (MANY_INPUTS, "energy", MANY),
        (MANY_INPUTS, "position", MANY_BY_POSITION),
    ],
    ids=["few", "few by position", "many", "many by position"],
)
def test_launches_of_a_merge(inputs: Inputs, order: Order, expected: dict[str, int]) -> None:
    """As of the plugin's: test_launches.py."""
    x, metric, size, asked = inputs
    parameters = replace(asked, order=order)
    session = open_model(model_of(parameters, x, metric), library=HOST_LIBRARY)
    assert launches(lambda: run(session, x, metric, size)) == expected


def test_a_batch_that_changes_and_an_empty_one() -> None:
    x, metric, size, parameters = INPUTS
    session = open_model(model_of(parameters, x, metric), library=HOST_LIBRARY)
    whole = run(session, x, metric, size)
    for batch in (1, 2):
        result = run(session, x[:batch], metric[:batch], size[:batch])
        assert_same_bits(result, MergeResult(*(value[:batch] for value in whole)))
    assert run(session, x[:0], metric[:0], size[:0]).x.shape == (0, 120, 40)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"num_merged": 0}, "num_merged = 0 of num_candidates = 130: a merge needs 0 < 2 * num_merged"),
        ({"source_start": 1}, "source_start = 1: split makes it 0. Export the model again"),
        (
            {"num_candidates": 3840, "source_stop": 3840, "target_stop": 3840},
            "than the 3840 tokens that",
        ),
    ],
    ids=str,
)
def test_a_node_outside_the_contract_is_refused_when_the_file_is_loaded(
    attributes: dict[str, Any], reason: str
) -> None:
    x, metric, _, parameters = INPUTS
    with pytest.raises(Exception, match="pitome::EnergyMerge: ") as caught:  # onnxruntime's have no base
        open_model(model_of(parameters, x, metric, attributes), library=HOST_LIBRARY)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("shapes", "reason"),
    [
        (((2, 150, 40), (2, 149, 80), (2, 150, 1)), "x [2, 150, 40] with metric [2, 149, 80]: they need"),
        (((1, 3841, 1), (1, 3841, 1), (1, 3841, 1)), "num_tokens=3841: the kernels take 1 to 3840"),
        (((1, 150, 4097), (1, 150, 1), (1, 150, 1)), "width=4097: the kernels take 1 to 4096"),
        (((1, 150, 1), (1, 150, 4097), (1, 150, 1)), "metric_width=4097: the kernels take 1 to 4096"),
    ],
    ids=str,
)
def test_inputs_that_do_not_fit_are_refused(shapes: tuple[tuple[int, ...], ...], reason: str) -> None:
    x, metric, _, parameters = INPUTS
    model = model_of(parameters, x, metric)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.ClearField("shape")
    session = open_model(model, library=HOST_LIBRARY)
    with pytest.raises(Exception, match="pitome::EnergyMerge: ") as caught:
        run(session, *(torch.ones(shape) for shape in shapes))  # type: ignore[arg-type]
    assert reason in str(caught.value)


def test_parameters_of_one_token_more_than_the_kernels_take() -> None:
    """What the operator for the CPU takes, the kernels refuse: with their words."""
    x = torch.ones(1, 3900, 2)
    with pytest.raises(Exception, match="pitome::EnergyMerge: num_candidates=3850 with num_protected=0"):
        open_model(model_of(MergeParameters(5, 3850, 0), x, x), library=HOST_LIBRARY)
