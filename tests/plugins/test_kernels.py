"""The CUDA kernels, run on the CPU: the operator's table of cases through the real plugin object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from pitome.merge import MergeResult, merge
from pitome.parameters import MergeParameters
from pitome.validate.parity.decisions import Rounding, judge
from tests.operator_cases import LARGE_CASES, OperatorCase, make_inputs
from tests.pitome.slow_checker import TooManyTies, unexplained
from tests.pitome.test_merge import assert_values, by_name, exact_decisions, rounding
from tests.plugins.kernel_runs import TABLES, Call, results

FEW_TOKENS = 300
"""Up to here the slow loops of the tests take seconds."""


def held_to_the_contract(call: Call, result: MergeResult) -> None:
    case, dtype = call
    x, metric, size = make_inputs(case, dtype)
    assert (result.x.dtype, result.size.dtype, result.assignment.dtype) == (dtype, torch.float32, torch.int32)
    if case.exact:
        # In float64 by slow loops where they end, else by the reference, which the same loops hold.
        slow = exact_decisions(case) if case.num_tokens < FEW_TOKENS else None
        expected = merge(x, metric, size, case.parameters).assignment.numpy() if slow is None else slow
        np.testing.assert_array_equal(result.assignment.numpy(), expected)
    else:
        assert_within_rounding(case, result, metric, size)
    assert_values(result, x, size)
    assert_untouched(result, x, size, case.parameters.num_protected)


def assert_within_rounding(
    case: OperatorCase, result: MergeResult, metric: torch.Tensor, size: torch.Tensor
) -> None:
    """The slow checker within the worst rounding; where that is too wide for it, the judge of real models."""
    try:
        eps = rounding(case.parameters, case.metric_width)
        assert not unexplained(result.assignment, metric, size, case.parameters, eps)
        return
    except TooManyTies:
        eps = min(eps, probable_rounding(case.parameters, case.metric_width))
    for image, assignment in enumerate(result.assignment):
        verdict = judge(assignment, metric[image].double(), size[image], case.parameters, Rounding(eps, eps))
        assert verdict.explained


def probable_rounding(parameters: MergeParameters, metric_width: int) -> float:
    """``rounding`` with the square root of its number of terms, six times.

    Errors of independent roundings grow so, but for one product in 10 ^ 4 (Higham and Mary, A New Approach to
    Probabilistic Rounding Error Analysis, SIAM J. Sci. Comput. 41, 2019, theorem 3.1: 2 n exp(-6 ^ 2 / 2)).
    """
    return rounding(parameters, metric_width) * 6 / np.sqrt(metric_width + 4)


def assert_untouched(result: MergeResult, x: torch.Tensor, size: torch.Tensor, prefix: int) -> None:
    """Tokens that stay alone are the input's bit for bit, in their order; padding among them is exactly 0."""
    for image, slots in enumerate(result.assignment.long()):
        assert slots[:prefix].tolist() == list(range(prefix))
        alone = slots.bincount()[slots] == 1
        real = size[image, :, 0] > 0
        assert torch.equal(result.x[image, slots[alone & real]], x[image, alone & real])
        assert (result.x[image, slots[alone & ~real]] == 0).all()
        assert slots[alone].diff().gt(0).all()


def named(table: str, marks: Sequence[pytest.MarkDecorator] = ()) -> list[Any]:
    """The places of a table's calls, named by what they are."""
    return [
        pytest.param((table, index), id="-".join(map(by_name, call)), marks=marks)
        for index, call in enumerate(TABLES[table])
    ]


@pytest.mark.parametrize(
    "place", [*named("small"), *named("medium"), *named("many tokens", [pytest.mark.full])]
)
def test_the_kernels_merge_like_the_reference(place: tuple[str, int]) -> None:
    table, index = place
    held_to_the_contract(TABLES[table][index], results(table)[index])


def test_the_large_table_covers_what_the_kernels_take() -> None:
    cases = [case for case, _ in LARGE_CASES]
    assert {case.num_tokens for case in cases} == {2, 3, 197, 198, 257, 577, 1370, 3840}
    assert {case.metric_width for case in cases} == {1, 64, 80, 768, 1408}
    assert {case.batch for case in cases} == {1, 3, 17}
    assert len(TABLES["medium"]) + len(TABLES["many tokens"]) == len(LARGE_CASES)
    assert any(2 * case.parameters.num_merged == case.parameters.num_candidates for case in cases)
    unprotected = [case.num_tokens - case.parameters.num_protected for case in cases]
    assert any(
        case.parameters.num_candidates == count for case, count in zip(cases, unprotected, strict=True)
    )
    assert any(
        case.parameters.num_merged == count // 2 for case, count in zip(cases, unprotected, strict=True)
    )
