"""Whether the result of a merge is what METHOD.md section 2 asks for: the one rule for every implementation.

Needs PyTorch and numpy only, so that it also runs where the tests' tools are not installed.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from pitome.merge import MergeResult, merge
from pitome.parameters import MergeParameters
from pitome.validate.parity.decisions import judge
from pitome.validate.parity.rounding import Tolerance
from tests.operator_cases import OperatorCase, make_inputs
from tests.pitome.slow_checker import TooManyTies, unexplained
from tests.pitome.slow_merge import as_float64, merge_values, slow_merge

UNIT = 2.0**-24
"""Rounding unit of float32."""
FEW_TOKENS = 300
"""Up to here the slow loops of the tests take seconds."""


def held_to_the_contract(call: tuple[OperatorCase, torch.dtype], result: MergeResult) -> None:
    """Raise AssertionError where a result of the table of cases is wrong."""
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


@cache
def exact_decisions(case: OperatorCase) -> np.ndarray:
    """The assignment [B, N] of an exact case, which no dtype changes."""
    return slow_merge(*make_inputs(case, torch.float32), case.parameters).assignment


def assert_within_rounding(case: OperatorCase, result: MergeResult, metric: Tensor, size: Tensor) -> None:
    """The slow checker within the worst rounding; where that is too wide for it, the judge of real models."""
    try:
        eps = rounding(case.parameters, case.metric_width)
        assert not unexplained(result.assignment, metric, size, case.parameters, eps)
        return
    except TooManyTies:
        eps = min(eps, probable_rounding(case.parameters, case.metric_width))
    for image, assignment in enumerate(result.assignment):
        verdict = judge(assignment, metric[image].double(), size[image], case.parameters, Tolerance(eps, eps))
        assert verdict.explained


def rounding(parameters: MergeParameters, metric_width: int) -> float:
    """By how much two rounded scores can be off against each other.

    A dot product of D terms, two norms and two products: (D + 4) units (Higham, Accuracy and Stability of
    Numerical Algorithms, section 3.1), times the steepest slope of the energy's function, twice.
    """
    slope = max(1.0, parameters.alpha) / parameters.width
    if parameters.function == "gaussian":
        slope = max(slope, np.exp(-0.5) / (1 - parameters.margin))
    return 2 * (metric_width + 4) * UNIT * slope


def probable_rounding(parameters: MergeParameters, metric_width: int) -> float:
    """``rounding`` with the square root of its number of terms, six times.

    Errors of independent roundings grow so, but for one product in 10 ^ 4 (Higham and Mary, A New Approach to
    Probabilistic Rounding Error Analysis, SIAM J. Sci. Comput. 41, 2019, theorem 3.1: 2 n exp(-6 ^ 2 / 2)).
    """
    return rounding(parameters, metric_width) * 6 / np.sqrt(metric_width + 4)


def assert_values(result: MergeResult, x: Tensor, size: Tensor) -> None:
    """Values to 1e-6 of the largest output, given the decisions; half a unit of the dtype on top."""
    y, size_out = merge_values(x, size, result.assignment)
    half_unit = torch.finfo(x.dtype).eps / 2 if x.dtype != torch.float32 else 0.0
    tolerance = 1e-6 * np.abs(y).max() + half_unit * np.abs(y)
    assert (np.abs(as_float64(result.x) - y) <= tolerance).all()
    np.testing.assert_allclose(as_float64(result.size), size_out, rtol=1e-6, atol=0)
    assert (as_float64(result.x)[np.broadcast_to(size_out == 0, y.shape)] == 0).all()


def assert_untouched(result: MergeResult, x: Tensor, size: Tensor, prefix: int) -> None:
    """Tokens that stay alone are the input's bit for bit, in their order; padding among them is exactly 0."""
    for image, slots in enumerate(result.assignment.long()):
        assert slots[:prefix].tolist() == list(range(prefix))
        alone = slots.bincount()[slots] == 1
        real = size[image, :, 0] > 0
        assert torch.equal(result.x[image, slots[alone & real]], x[image, alone & real])
        assert (result.x[image, slots[alone & ~real]] == 0).all()
        assert slots[alone].diff().gt(0).all()
