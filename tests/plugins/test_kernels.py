"""The CUDA kernels, run on the CPU: the operator's table of cases through the real plugin object."""

from __future__ import annotations

import os
from functools import cache

import numpy as np
import pytest
import torch

from pitome.merge import MergeResult, merge
from pitome.parameters import MergeParameters
from tests.operator_cases import CASES, DTYPES, LARGE_CASES, OperatorCase, make_inputs
from tests.pitome.slow_checker import TooManyTies, unexplained
from tests.pitome.test_merge import assert_values, by_name, exact_decisions, rounding
from tests.plugins.merge_library import HostLibrary
from tests.plugins.plugin_program import HOST, SANITIZED, Build, run_merges
from validate.decisions import Rounding, judge

EVERY = [(case, dtype) for case in CASES for dtype in DTYPES]
TABLES = {"small": EVERY, "large": LARGE_CASES}
NUM_ORDERS = 10
FEW_TOKENS = 300
"""Up to here the slow loops of the tests take seconds."""

Call = tuple[OperatorCase, torch.dtype]


@cache
def results(table: str, sanitized: bool, seed: int = 0) -> list[MergeResult]:
    """Every case of a table through one process of the plugin's test program."""
    build: Build = SANITIZED if sanitized else HOST
    cases = [(*make_inputs(case, dtype), case.parameters) for case, dtype in TABLES[table]]
    return run_merges(cases, build.library, build.program, seed)


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


@pytest.mark.parametrize("index", range(len(EVERY)), ids=lambda index: by_name_of(EVERY[index]))
def test_the_table_of_cases(index: int) -> None:
    held_to_the_contract(EVERY[index], results("small", False)[index])


@pytest.mark.parametrize("index", range(len(LARGE_CASES)), ids=lambda index: by_name_of(LARGE_CASES[index]))
def test_the_table_of_large_cases(index: int) -> None:
    held_to_the_contract(LARGE_CASES[index], results("large", False)[index])


def by_name_of(call: Call) -> str:
    return "-".join(map(by_name, call))


def test_the_large_table_covers_what_the_kernels_take() -> None:
    cases = [case for case, _ in LARGE_CASES]
    assert {case.num_tokens for case in cases} == {2, 3, 197, 198, 257, 577, 1370, 3840}
    assert {case.metric_width for case in cases} == {1, 64, 80, 768, 1408}
    assert {case.batch for case in cases} == {1, 3, 17}
    assert any(2 * case.parameters.num_merged == case.parameters.num_candidates for case in cases)
    unprotected = [case.num_tokens - case.parameters.num_protected for case in cases]
    assert any(
        case.parameters.num_candidates == count for case, count in zip(cases, unprotected, strict=True)
    )
    assert any(
        case.parameters.num_merged == count // 2 for case, count in zip(cases, unprotected, strict=True)
    )


def assert_same_bits(one: MergeResult, other: MergeResult) -> None:
    for first, second in zip(one, other, strict=True):
        assert torch.equal(first.view(torch.uint8), second.view(torch.uint8))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("seed", range(1, NUM_ORDERS))
def test_the_order_of_threads_changes_no_bit(table: str, seed: int) -> None:
    found = run_merges(
        [(*make_inputs(case, dtype), case.parameters) for case, dtype in TABLES[table]], seed=seed
    )
    for expected, result in zip(results(table, False), found, strict=True):
        assert_same_bits(expected, result)


@pytest.mark.parametrize("table", TABLES)
def test_the_sanitizers_have_nothing_to_report(table: str) -> None:
    """A report ends the program; and the sanitized build gives the same bits."""
    for expected, result in zip(results(table, False), results(table, True), strict=True):
        assert_same_bits(expected, result)


@pytest.fixture(scope="module")
def library() -> HostLibrary:
    return HostLibrary()


INPUTS = (
    torch.randn(2, 150, 40, generator=torch.Generator().manual_seed(0)),
    torch.randn(2, 150, 80, generator=torch.Generator().manual_seed(1)),
    torch.ones(2, 150, 1),
    MergeParameters(30, 130, 1, margin=0.1, size_penalty=0.05),
)


def test_every_barrier_of_the_kernels_is_missed_where_it_is_removed(library: HostLibrary) -> None:
    """Without it, some order of the threads gives other results, a fault, or an access out of bounds."""
    expected = library.merge(*INPUTS)
    barriers = [place for place in library.barriers() if ".cuh:" in place]
    assert len(barriers) >= 10
    for place in barriers:
        outcomes = [outcome_without(library, place, seed, expected) for seed in range(5)]
        assert any(outcomes), f"nothing happens without the barrier at {place}"
    for seed in range(NUM_ORDERS):
        assert not outcome_without(library, "", seed, expected), "with all barriers nothing changes"


def outcome_without(library: HostLibrary, place: str, seed: int, expected: MergeResult) -> bool:
    """Whether a missing barrier shows; in a process of its own, which it may bring down."""
    child = os.fork()
    if child == 0:
        library.keep_faults(True)
        library.open_barrier(place)
        result = library.merge(*INPUTS, seed=seed)
        same = all(torch.equal(one, other) for one, other in zip(result, expected, strict=True))
        os._exit(0 if same and not library.fault() else 1)
    _, status = os.waitpid(child, 0)
    return status != 0


def test_at_most_five_launches_and_three_without_energies(library: HostLibrary) -> None:
    x, metric, size, parameters = INPUTS
    five = ["add_energies", "find_edges", "merge_rows", "order_tokens", "select_edges"]
    found = library.count(x, metric, size, parameters)
    assert sorted(found) == five
    assert all(counter["launches"] == 1 for counter in found.values())
    by_position = MergeParameters(30, 130, 1, order="position")
    assert sorted(library.count(x, metric, size, by_position)) == ["find_edges", "merge_rows", "select_edges"]


def test_rows_that_do_not_start_at_16_bytes_give_the_same_numbers(library: HostLibrary) -> None:
    """Columns of zeros more change no norm and no product; other accesses read them."""
    x, metric, size, parameters = INPUTS
    wide = torch.cat([metric, torch.zeros(2, 150, 1)], dim=2).contiguous()
    shifted = torch.empty(x.numel() + 1)[1:].view(x.shape).copy_(x)
    assert shifted.data_ptr() % 16
    expected = library.merge(x, metric, size, parameters)
    assert_same_bits(expected, library.merge(shifted, wide, size, parameters))


def test_the_batch_changes_no_image(library: HostLibrary) -> None:
    x, metric, size, parameters = INPUTS
    together = library.merge(x, metric, size, parameters)
    for image in range(2):
        one = slice(image, image + 1)
        alone = library.merge(
            x[one].contiguous(), metric[one].contiguous(), size[one].contiguous(), parameters
        )
        for part, everything in zip(alone, together, strict=True):
            assert torch.equal(part, everything[one])
