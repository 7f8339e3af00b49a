"""The reference merge against slow float64 loops, and the properties METHOD.md section 2 promises."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from torch import Tensor

from pitome.merge import (
    MergeResult,
    apply_assignment,
    compose_assignments,
    cosine_similarity,
    merge,
    unmerge,
)
from pitome.parameters import MergeParameters
from tests.merge_parameters import merge_parameters
from tests.operator_cases import CASES, DTYPES, OperatorCase, make_inputs
from tests.pitome.slow_checker import TooManyTies, explains, unexplained
from tests.pitome.slow_merge import as_float64, merge_values, slow_merge

UNIT = 2.0**-24
"""Rounding unit of float32."""
EXACT = [case for case in CASES if case.exact]

IN_DTYPES = [
    (case, dtype) for case in CASES for dtype in DTYPES if case.num_tokens < 300 or dtype == DTYPES[0]
]


def by_name(value: Any) -> str:
    return value.name if isinstance(value, OperatorCase) else str(value)


def rounding(parameters: MergeParameters, metric_width: int) -> float:
    """By how much two rounded scores can be off against each other.

    A dot product of D terms, two norms and two products: (D + 4) units (Higham, Accuracy and Stability of
    Numerical Algorithms, section 3.1), times the steepest slope of the energy's function, twice.
    """
    slope = max(1.0, parameters.alpha) / parameters.width
    if parameters.function == "gaussian":
        slope = max(slope, np.exp(-0.5) / (1 - parameters.margin))
    return 2 * (metric_width + 4) * UNIT * slope


def assert_values(result: MergeResult, x: Tensor, size: Tensor) -> None:
    """Values to 1e-6 of the largest output, given the decisions; half a unit of the dtype on top."""
    y, size_out = merge_values(x, size, result.assignment)
    half_unit = torch.finfo(x.dtype).eps / 2 if x.dtype != torch.float32 else 0.0
    tolerance = 1e-6 * np.abs(y).max() + half_unit * np.abs(y)
    assert (np.abs(as_float64(result.x) - y) <= tolerance).all()
    np.testing.assert_allclose(as_float64(result.size), size_out, rtol=1e-6, atol=0)
    assert (as_float64(result.x)[np.broadcast_to(size_out == 0, y.shape)] == 0).all()


@pytest.mark.parametrize(("case", "dtype"), [pair for pair in IN_DTYPES if pair[0].exact], ids=by_name)
def test_exact_metrics_give_the_decisions_of_the_slow_loops(case: OperatorCase, dtype: torch.dtype) -> None:
    x, metric, size = make_inputs(case, dtype)
    result = merge(x, metric, size, case.parameters)
    np.testing.assert_array_equal(result.assignment.numpy(), exact_decisions(case))
    assert_values(result, x, size)


@cache
def exact_decisions(case: OperatorCase) -> np.ndarray:
    """The assignment [B, N] of an exact case, which no dtype changes."""
    return slow_merge(*make_inputs(case, torch.float32), case.parameters).assignment


@pytest.mark.parametrize(("case", "dtype"), [pair for pair in IN_DTYPES if not pair[0].exact], ids=by_name)
def test_rounded_metrics_give_decisions_within_rounding(case: OperatorCase, dtype: torch.dtype) -> None:
    x, metric, size = make_inputs(case, dtype)
    result = merge(x, metric, size, case.parameters)
    eps = rounding(case.parameters, case.metric_width)
    assert not unexplained(result.assignment, metric, size, case.parameters, eps)
    expected = slow_merge(x, metric, size, case.parameters)
    for image, margins in enumerate(expected.margins):
        if margins.smallest > eps:
            np.testing.assert_array_equal(result.assignment[image].numpy(), expected.assignment[image])
    assert_values(result, x, size)


@st.composite
def merges(draw: st.DrawFn, most_tokens: int) -> tuple[Tensor, Tensor, Tensor, MergeParameters]:
    """Random inputs with clusters, padding, zero rows and rows that are not finite, and any parameters."""
    num_protected = draw(st.integers(0, 3))
    num_tokens = draw(st.integers(num_protected + 2, max(most_tokens, num_protected + 2)))
    unprotected = num_tokens - num_protected
    num_merged = draw(st.integers(1, unprotected // 2))
    parameters = merge_parameters(
        num_merged=num_merged,
        num_candidates=draw(st.integers(2 * num_merged, unprotected)),
        num_protected=num_protected,
        margin=draw(st.floats(-0.5, 0.95)),
        alpha=draw(st.sampled_from([0.5, 1.0, 1.5])),
        size_penalty=draw(st.sampled_from([0.0, 0.05, 0.3])),
        order=draw(st.sampled_from(["energy", "position"])),
        energy=draw(st.sampled_from(["elu", "eq4", "sharp", "gaussian"])),
        split=draw(st.sampled_from(["alternate", "alternate_second", "half"])),
    )
    batch, width = draw(st.integers(1, 2)), draw(st.sampled_from([3, 8, 16]))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    centres = random.standard_normal((draw(st.integers(2, 9)), width))
    spread = draw(st.sampled_from([0.2, 1.0]))
    metric = centres[random.integers(len(centres), size=(batch, num_tokens))]
    metric = metric + spread * random.standard_normal(metric.shape)
    size = np.where(
        random.random((batch, num_tokens, 1)) < 0.5, 1.0, random.integers(1, 9, (batch, num_tokens, 1))
    )
    unusual = num_protected + random.permutation(unprotected)
    kinds = draw(st.tuples(*[st.integers(0, min(3, unprotected // 4))] * 3))
    zero, broken, padding = np.split(unusual[: sum(kinds)], np.cumsum(kinds)[:-1])
    metric[:, zero[:1]] = 0  # two zero rows have equal energies: a tie that only exact metrics settle
    metric[:, broken] = random.choice([np.nan, np.inf, -np.inf, 1e25], (batch, len(broken), width))
    size[:, padding] = 0
    metric[:, padding[1:2]] = np.nan
    x = random.standard_normal((batch, num_tokens, 5)) * draw(st.sampled_from([1e-3, 1.0, 1e3]))
    return *(torch.from_numpy(values).float() for values in (x, metric, size)), parameters  # type: ignore[return-value]


def check_property(inputs: tuple[Tensor, Tensor, Tensor, MergeParameters]) -> None:
    x, metric, size, parameters = inputs
    result = merge(x, metric, size, parameters)
    eps = rounding(parameters, metric.shape[-1])
    try:
        reason = unexplained(result.assignment, metric, size, parameters, eps)
    except TooManyTies:
        reject()
    assert not reason, reason
    assert_values(result, x, size)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(merges(most_tokens=24))
def test_any_small_merge_follows_the_method(inputs: tuple[Tensor, Tensor, Tensor, MergeParameters]) -> None:
    check_property(inputs)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(merges(most_tokens=400))
def test_any_large_merge_follows_the_method(inputs: tuple[Tensor, Tensor, Tensor, MergeParameters]) -> None:
    check_property(inputs)


@pytest.mark.parametrize(("case", "dtype"), IN_DTYPES, ids=by_name)
def test_shapes_dtypes_prefix_and_kept_tokens(case: OperatorCase, dtype: torch.dtype) -> None:
    x, metric, size = make_inputs(case, dtype)
    before = x.clone(), metric.clone(), size.clone()
    result = merge(x, metric, size, case.parameters)
    for given_tensor, copy in zip((x, metric, size), before, strict=True):
        torch.testing.assert_close(given_tensor, copy, rtol=0, atol=0, equal_nan=True)

    kept, prefix = case.num_tokens - case.parameters.num_merged, case.parameters.num_protected
    assert (result.x.dtype, result.size.dtype, result.assignment.dtype) == (dtype, torch.float32, torch.int32)
    assert result.x.shape == (case.batch, kept, case.width)
    assert result.size.shape == (case.batch, kept, 1)
    assert result.assignment.shape == (case.batch, case.num_tokens)

    assert torch.equal(result.x[:, :prefix], x[:, :prefix])
    assert torch.equal(result.size[:, :prefix], size[:, :prefix])
    assert (result.assignment[:, :prefix] == torch.arange(prefix)).all()
    assert (result.assignment[:, prefix:] >= prefix).all()
    assert torch.equal(result.size.sum(1), size.sum(1))
    for image in range(case.batch):
        slots = result.assignment[image].long()
        assert slots.unique().tolist() == list(range(kept))
        alone = (slots.bincount()[slots] == 1) & (size[image, :, 0] > 0)
        assert torch.equal(result.x[image, slots[alone]], x[image, alone])
        assert slots[slots.bincount()[slots] == 1].diff().gt(0).all()


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.batch == 3 and case.num_tokens < 300], ids=by_name
)
def test_each_batch_element_is_merged_as_if_alone(case: OperatorCase) -> None:
    x, metric, size = make_inputs(case, torch.float32)
    together = merge(x, metric, size, case.parameters)
    for image in range(case.batch):
        alone = merge(x[image, None], metric[image, None], size[image, None], case.parameters)
        one = MergeResult(*(values[image, None] for values in together))
        if case.exact:
            assert all(torch.equal(*pair) for pair in zip(alone, one, strict=True))
        else:
            eps = rounding(case.parameters, case.metric_width)
            for result in (alone, one):
                assert explains(
                    result.assignment, metric[image, None], size[image, None], case.parameters, eps
                )


def groups_of(assignment: Tensor) -> set[frozenset[int]]:
    """The partition of the positions [N] that an assignment [N] makes."""
    return {frozenset(np.flatnonzero(assignment.numpy() == slot).tolist()) for slot in assignment.unique()}


@pytest.mark.parametrize(
    ("energy", "split"),
    [("elu", "alternate"), ("gaussian", "half"), ("sharp", "half"), ("eq4", "alternate_second")],
)
def test_shuffled_tokens_form_the_same_groups(energy: Any, split: Any) -> None:
    """True for the energy order where nothing ties: no position enters a decision."""
    random = torch.Generator().manual_seed(3)
    metric, x = torch.randn(1, 40, 8, generator=random), torch.randn(1, 40, 4, generator=random)
    size = torch.randint(1, 4, (1, 40, 1), generator=random).float()
    parameters = merge_parameters(9, 25, 1, margin=0.3, size_penalty=0.05, energy=energy, split=split)
    assert slow_merge(x, metric, size, parameters).margins[0].smallest > rounding(parameters, 8)

    shuffle = torch.cat([torch.zeros(1, dtype=torch.long), 1 + torch.randperm(39, generator=random)])
    plain = merge(x, metric, size, parameters)
    shuffled = merge(x[:, shuffle], metric[:, shuffle], size[:, shuffle], parameters)
    back = {frozenset(shuffle[list(group)].tolist()) for group in groups_of(shuffled.assignment[0])}
    assert back == groups_of(plain.assignment[0])


def test_scaled_metric_rows_change_nothing() -> None:
    """A cosine has no length; powers of two scale without rounding."""
    random = torch.Generator().manual_seed(4)
    x, metric = torch.randn(2, 50, 4, generator=random), torch.randn(2, 50, 16, generator=random)
    scale = 2.0 ** torch.randint(-8, 8, (2, 50, 1), generator=random)
    parameters = merge_parameters(10, 30, 1, margin=0.4)
    size = torch.ones(2, 50, 1)
    plain, scaled = merge(x, metric, size, parameters), merge(x, metric * scale, size, parameters)
    assert all(torch.equal(*pair) for pair in zip(plain, scaled, strict=True))


def test_position_order_does_not_look_at_energies() -> None:
    """ToMe: alternate positions are sources, so each source is at an even offset from the prefix."""
    x, metric = torch.randn(1, 21, 4), torch.randn(1, 21, 4)
    parameters = MergeParameters(8, 20, 1, order="position")
    result = merge(x, metric, torch.ones(1, 21, 1), parameters)
    for group in groups_of(result.assignment[0]):
        assert sum((position - 1) % 2 for position in group if position) <= 1


def test_protected_tokens_have_the_lowest_energy() -> None:
    """Nine near-equal tokens and one apart: with M = 8 the one apart stays alone."""
    metric = torch.ones(1, 10, 4) + 0.1 * torch.eye(10)[None, :, :4]
    metric[0, 6] = torch.tensor([1.0, -1.0, 1.0, -1.0])
    result = merge(metric, metric, torch.ones(1, 10, 1), merge_parameters(4, 8, 0, margin=0.5))
    assert frozenset({6}) in groups_of(result.assignment[0])


def test_enough_padding_leaves_the_real_tokens_as_they_are() -> None:
    """METHOD.md section 4: padding merges first, and where it lands in a real token nothing changes."""
    random = torch.Generator().manual_seed(5)
    x, size = torch.randn(1, 30, 4, generator=random), torch.ones(1, 30, 1)
    size[:, 16:] = 0
    metric = torch.randn(1, 30, 8, generator=random)
    result = merge(x, metric, size, merge_parameters(7, 29, 1, margin=0.3, size_penalty=0.1))
    real = result.size[0, :, 0] > 0
    assert torch.equal(result.x[0, real], x[0, :16])
    assert (result.x[0, ~real] == 0).all()


def test_size_penalty_spares_large_tokens() -> None:
    """Two equally similar pairs, one edge left to take: the larger source stays."""
    metric = torch.tensor([[[1.0, 1, 1, 1], [1, 1, 1, 1], [1, -1, 1, -1], [1, -1, 1, -1]]])
    size = torch.tensor([8.0, 1, 1, 1]).view(1, 4, 1)
    plain = MergeParameters(1, 4, 0, order="position")
    penalised = dataclasses.replace(plain, size_penalty=0.1)
    assert merge(metric, metric, size, plain).assignment.tolist() == [[0, 0, 1, 2]]
    assert merge(metric, metric, size, penalised).assignment.tolist() == [[0, 1, 2, 2]]


def test_cosine_similarity_marks_rows_that_are_not_finite() -> None:
    rows = torch.tensor([[[3.0, 4.0], [float("nan"), 1.0], [4.0, -3.0], [1e30, 0.0], [0.0, 0.0]]])
    expected = [[1, -2, 0, -2, 0], [-3] * 5, [0, -2, 1, -2, 0], [-3] * 5, [0, -2, 0, -2, 0]]
    for dtype in (torch.float32, torch.bfloat16):
        similarity = cosine_similarity(rows.to(dtype))
        assert similarity.dtype == torch.float32
        torch.testing.assert_close(similarity, torch.tensor([expected]).float(), rtol=0, atol=4 * UNIT)


def test_float64_inputs_decide_in_float64() -> None:
    """The second target is nearer by 2e-9, which float32 cannot see: there the first wins the tie."""
    metric = torch.tensor([[[1.0, 0], [1, 1], [-1, -1], [1, 1 - 4e-9]]], dtype=torch.float64)
    parameters = MergeParameters(1, 4, 0, order="position")
    exact = merge(metric, metric, torch.ones(1, 4, 1), parameters)
    rounded = merge(metric.float(), metric.float(), torch.ones(1, 4, 1), parameters)
    assert exact.x.dtype == torch.float64
    assert exact.assignment.tolist() == [[2, 0, 1, 2]]
    assert rounded.assignment.tolist() == [[0, 0, 1, 2]]


def test_given_decisions_are_applied_with_the_same_values() -> None:
    for case in CASES[::3]:
        x, metric, size = make_inputs(case, torch.float32)
        result = merge(x, metric, size, case.parameters)
        applied = apply_assignment(x, size, result.assignment, result.x.shape[1])
        assert torch.equal(applied.assignment, result.assignment)
        assert_values(applied, x, size)


def test_unmerge_gives_every_position_its_groups_vector() -> None:
    x = torch.tensor([[[1.0, 10.0], [2.0, 20.0]], [[3.0, 30.0], [4.0, 40.0]]])
    assignment = torch.tensor([[0, 1, 0], [1, 1, 0]], dtype=torch.int32)
    assert unmerge(x, assignment)[..., 0].tolist() == [[1, 2, 1], [4, 4, 3]]


@pytest.mark.parametrize("case", [case for case in EXACT if case.num_tokens in (17, 50)], ids=by_name)
def test_merging_what_was_unmerged_gives_it_back(case: OperatorCase) -> None:
    x, metric, size = make_inputs(case, torch.float32)
    result = merge(x, metric, size, case.parameters)
    spread = unmerge(result.x, result.assignment)
    assert spread.shape == x.shape
    again = apply_assignment(spread, size, result.assignment, result.x.shape[1])
    torch.testing.assert_close(again.x, result.x, rtol=0, atol=1e-6 * float(result.x.abs().max()))


def test_composed_assignments_unmerge_like_two_steps() -> None:
    random = torch.Generator().manual_seed(6)
    x, metric = torch.randn(2, 33, 4, generator=random), torch.randn(2, 33, 8, generator=random)
    first = merge(x, metric, torch.ones(2, 33, 1), MergeParameters(10, 24, 1))
    second = merge(first.x, first.x, first.size, MergeParameters(6, 22, 1))
    whole = compose_assignments(first.assignment, second.assignment)
    assert whole.shape == (2, 33)
    assert whole.dtype == torch.int32
    two_steps = unmerge(unmerge(second.x, second.assignment), first.assignment)
    assert torch.equal(unmerge(second.x, whole), two_steps)
    # The mean of means is the mean over the original tokens.
    direct = apply_assignment(x, torch.ones(2, 33, 1), whole, second.x.shape[1])
    torch.testing.assert_close(direct.x, second.x, rtol=0, atol=1e-6 * float(x.abs().max()))
    assert torch.equal(direct.size, second.size)
