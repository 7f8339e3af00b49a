"""The operator as onnxruntime runs it: types, the function that it replaces, threads, and what it refuses."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor

from pitome.merge import MergeResult, merge
from pitome.parameters import MergeParameters
from pitome.runtime.native import count_native_merges
from tests.merge_contract import assert_untouched, held_to_the_contract
from tests.operator_cases import CASES, OperatorCase, make_inputs
from tests.pitome.test_merge import assert_values, by_name
from tests.plugins.onnxruntime.one_merge import TYPES, model_of, open_model, run

PARAMETERS = MergeParameters(19, 176, 1, size_penalty=0.05)
# One case of each content and dtype: the core has been through all of them.
SOME = {(case.content, dtype): (case, dtype) for case in CASES for dtype in TYPES}


def tensors(batch: int = 2, tokens: int = 197) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    x = torch.randn(batch, tokens, 96, generator=random)
    return x, torch.randn(batch, tokens, 64, generator=random), torch.ones(batch, tokens, 1)


@pytest.mark.parametrize(("case", "dtype"), SOME.values(), ids=by_name)
def test_it_merges_like_the_reference(case: OperatorCase, dtype: torch.dtype) -> None:
    x, metric, size = make_inputs(case, dtype)
    session = open_model(model_of(case.parameters, x, metric))
    assert count_native_merges(session) == 1
    result = run(session, x, metric, size)
    if torch.equal(result.assignment, merge(x, metric, size, case.parameters).assignment):
        assert result.x.dtype == dtype
        assert_values(result, x, size)
        assert_untouched(result, x, size, case.parameters.num_protected)
    else:
        held_to_the_contract((case, dtype), result)


def test_it_goes_before_the_function_of_the_same_file() -> None:
    x, metric, size = tensors()
    model = model_of(PARAMETERS, x, metric)
    assert [function.name for function in model.functions] == ["EnergyMerge"]
    by_library, by_function = open_model(model), open_model(model, native=False)
    assert (count_native_merges(by_library), count_native_merges(by_function)) == (1, 0)
    one, other = run(by_library, x, metric, size), run(by_function, x, metric, size)
    assert torch.equal(one.assignment, other.assignment)
    torch.testing.assert_close(one.x, other.x, rtol=0, atol=1e-6)


def test_several_sessions_and_threads_at_once() -> None:
    x, metric, size = tensors()
    model = model_of(PARAMETERS, x, metric)
    sessions = [open_model(model, threads=threads) for threads in (1, 2, 3)]
    expected = run(sessions[0], x, metric, size)

    def many(index: int) -> list[MergeResult]:
        return [run(sessions[index % len(sessions)], x, metric, size) for _ in range(20)]

    with ThreadPoolExecutor(6) as pool:
        for results in pool.map(many, range(6)):
            for result in results:
                assert all(map(torch.equal, result, expected))


def test_a_batch_that_changes_and_an_empty_one() -> None:
    x, metric, size = tensors(5)
    session = open_model(model_of(PARAMETERS, x, metric))
    for batch in (5, 1, 3, 0):
        result = run(session, x[:batch], metric[:batch], size[:batch])
        expected = merge(x[:batch], metric[:batch], size[:batch], PARAMETERS)
        assert torch.equal(result.assignment, expected.assignment)
        assert result.x.shape == (batch, 178, 96)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"num_merged": 0}, "num_merged = 0 of num_candidates = 176: a merge needs 0 < 2 * num_merged"),
        ({"num_candidates": 37}, "num_merged = 19 of num_candidates = 37: a merge needs 0 < 2 * num_merged"),
        ({"num_protected": -1}, "num_protected = -1: negative. Use 0 or more"),
        ({"margin": float("nan")}, "margin = nan: outside [-1024, 1024]. Use a number in it"),
        ({"width": 0.0}, "width = 0: outside [0.0009765625, 1024]. Use a number in it"),
        ({"size_penalty": -1.0}, "size_penalty = -1: outside [0, 1024]. Use a number in it"),
        (
            {"function": "gaussian", "margin": 1.0},
            "function = gaussian with margin = 1: its width is 1 - margin. Use a margin below 1",
        ),
        ({"order": "random"}, 'order = "random": the operator knows energy, position'),
        ({"function": "step"}, 'function = "step": the operator knows piecewise, gaussian'),
        ({"split": "thirds"}, 'split = "thirds": the operator knows alternate, alternate_second, half'),
        ({"by_position": 1}, "by_position = 1: order makes it 0. Export the model again"),
        ({"source_start": 1}, "source_start = 1: split makes it 0. Export the model again"),
        ({"source_stop": 88}, "source_stop = 88: split makes it 176. Export the model again"),
        ({"target_start": 0}, "target_start = 0: split makes it 1. Export the model again"),
        ({"target_stop": 1}, "target_stop = 1: split makes it 176. Export the model again"),
        ({"split_step": 1}, "split_step = 1: split makes it 2. Export the model again"),
        ({"num_merged": 2**40}, "num_merged = 1099511627776 does not fit 32 bits"),
        ({"alpha": None}, "the attribute alpha is missing or of another type"),
        ({"margin": 1}, "the attribute margin is missing or of another type"),
        ({"order": None}, "the attribute order is missing or of another type"),
    ],
    ids=str,
)
def test_a_node_outside_the_contract_is_refused_when_the_file_is_loaded(
    attributes: dict[str, Any], reason: str
) -> None:
    x, metric, _ = tensors()
    with pytest.raises(Exception, match="pitome::EnergyMerge: ") as caught:  # onnxruntime's have no base
        open_model(model_of(PARAMETERS, x, metric, attributes))
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("shapes", "reason"),
    [
        (((2, 197, 96), (2, 196, 64), (2, 197, 1)), "x [2, 197, 96] with metric [2, 196, 64]: they need"),
        (((2, 197), (2, 197, 64), (2, 197, 1)), "x [2, 197] with metric [2, 197, 64]: they need three"),
        (((2, 197, 96), (2, 197, 64), (2, 197)), "size [2, 197]: x has 197 tokens. Give size [2, 197, 1]"),
        (((2, 176, 96), (2, 176, 64), (2, 176, 1)), "num_candidates = 176: there are 176 tokens, 1 of them"),
        (((2, 197, 96), (2, 197, 0), (2, 197, 1)), "with a metric of width 0: a width is not positive"),
        (((1, 32769, 1), (1, 32769, 1), (1, 32769, 1)), "32769 tokens: more than 32768. Use fewer"),
    ],
    ids=str,
)
def test_inputs_that_do_not_fit_are_refused(shapes: tuple[tuple[int, ...], ...], reason: str) -> None:
    x, metric, _ = tensors()
    model = model_of(PARAMETERS, x, metric)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.ClearField("shape")
    session = open_model(model)
    with pytest.raises(Exception, match="pitome::EnergyMerge: ") as caught:
        run(session, *(torch.ones(shape) for shape in shapes))  # type: ignore[arg-type]
    assert reason in str(caught.value)
