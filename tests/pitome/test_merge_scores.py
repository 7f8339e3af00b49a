"""The numbers that decisions come from, one by one: energies, edges, and the first of equal targets."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from pitome.energies import Energy
from pitome.merge import (
    apply_assignment,
    cosine_similarity,
    edge_values,
    energy_of_similarity,
    find_edges,
    merge,
    order_tokens,
    score_tokens,
)
from pitome.parameters import MergeParameters
from tests.merge_parameters import merge_parameters
from tests.pitome.slow_merge import energy_of, score


def unusual_rows() -> tuple[Tensor, Tensor]:
    """Metric [1, 12, 6] and sizes [1, 12]: zero, tiny and not finite rows, padding, padding not finite."""
    random = torch.Generator().manual_seed(6)
    metric = torch.randn(1, 12, 6, generator=random) + 1
    metric[0, 2] = 0
    metric[0, 3] = 1e-8
    metric[0, 4] = math.nan
    metric[0, 5] = math.inf
    metric[0, 6] = 1e25
    metric[0, 7] = math.nan
    size = torch.tensor([[1.0, 3, 1, 1, 2, 1, 1, 0, 0, -1, 1, 1]])
    return metric, size


@pytest.mark.parametrize("energy", ["elu", "eq4", "sharp", "gaussian"])
@pytest.mark.parametrize("alpha", [1.0, 0.5])
def test_energies_are_means_over_the_counted_tokens(energy: Energy, alpha: float) -> None:
    one_metric, one_size = unusual_rows()
    metric, size = torch.cat([one_metric, one_metric.flip(1)]), torch.cat([one_size, one_size.abs() + 1])
    parameters = merge_parameters(2, 8, 0, energy=energy, margin=0.7, alpha=alpha)
    similarity, energies = score_tokens(metric, size, parameters)
    for image in range(2):
        wanted = score(metric[image].double().numpy(), size[image].double().numpy(), parameters)
        np.testing.assert_allclose(similarity[image].numpy(), wanted.similarity, atol=1e-6)
        np.testing.assert_allclose(energies[image].numpy(), wanted.energy, rtol=1e-4, atol=1e-5)


def test_a_batch_element_of_padding_or_broken_rows_has_no_mean_and_no_nan() -> None:
    metric = torch.ones(2, 3, 2)
    metric[1] = math.nan
    size = torch.tensor([[0.0, 0, -2], [1, 0, 1]])
    _, energies = score_tokens(metric, size, merge_parameters(1, 2, 0))
    assert energies.tolist() == [[math.inf] * 3, [-math.inf, math.inf, -math.inf]]


def test_a_norm_below_1e_6_counts_as_1e_6() -> None:
    rows = torch.tensor([[[1e-7, 0.0], [1e-6, 0.0], [1.0, 0.0]]])
    expected = torch.tensor([[[0.01, 0.1, 0.1], [0.1, 1, 1], [0.1, 1, 1]]])
    torch.testing.assert_close(cosine_similarity(rows), expected)


def test_a_finite_row_is_one_whose_sum_of_squares_is() -> None:
    """1e19 squared is a float32, the sum of four of them is not."""
    rows = torch.tensor([[[1e19, 0, 0, 0], [1e19, 1e19, 1e19, 1e19], [1, 0, 0, 0]]])
    assert cosine_similarity(rows)[0].tolist() == [[1, -2, 1], [-3, -3, -3], [1, -2, 1]]


@pytest.mark.parametrize("penalty", [0.0, 0.25])
def test_edges_from_padding_are_infinite_and_others_pay_for_their_size(penalty: float) -> None:
    parameters = merge_parameters(1, 2, 0, size_penalty=penalty)
    size = torch.tensor([0.0, -1.0, 1.0, 0.5, 8.0])
    values = edge_values(torch.full((5,), 0.5), size, parameters)
    wanted = [0.5 - penalty * math.log(one) for one in (1.0, 0.5, 8.0)]
    assert values[:2].tolist() == [math.inf, math.inf]
    assert values[2:].tolist() == pytest.approx(wanted)


@pytest.mark.parametrize("targets", [2, 5, 64, 257])
def test_of_equal_targets_the_first_is_taken(targets: int) -> None:
    """Also where the maximum is searched for in vectors."""
    parameters = MergeParameters(1, 2 * targets, 0, order="position")
    similarity = torch.zeros(1, 2 * targets, 2 * targets)
    first, second = torch.arange(targets)[None], torch.arange(targets, 2 * targets)[None]
    for best in (0, 1, targets // 2, targets - 1):
        similarity[0, :, targets + best :] = 0.5
        _, found = find_edges(similarity, torch.ones(1, 2 * targets), first, second, parameters)
        assert found.unique().tolist() == [best]
        similarity.zero_()


def test_the_function_at_the_margin_and_beside_it() -> None:
    """At the margin the line counts; below it the exponential, whose exponent is divided by the width."""
    similarity = [-1.0, 0.0, 0.25, math.nextafter(0.5, 0), 0.5, math.nextafter(0.5, 1), 1.0]
    for function, offset, width, alpha in (
        ("piecewise", 0.0, 1.0, 1.0),
        ("piecewise", 0.25, 0.5, 2.0),
        ("piecewise", 0.5, 2.0**-7, 1.0),
        ("gaussian", 0.0, 1.0, 1.0),
    ):
        parameters = MergeParameters(
            1, 2, 0, margin=0.5, offset=offset, width=width, alpha=alpha, function=function
        )
        exact = energy_of_similarity(torch.tensor(similarity, dtype=torch.float64), parameters)
        assert exact.tolist() == pytest.approx([energy_of(one, parameters) for one in similarity])


def test_the_side_of_the_function_that_is_not_taken_does_not_overflow() -> None:
    """A where lets no infinity through, but its gradient would be NaN."""
    similarity = torch.tensor([-1.0, 0.0, 1.0], requires_grad=True)
    parameters = MergeParameters(1, 2, 0, margin=0.0, offset=0.0, width=2.0**-10, alpha=0.5)
    energy_of_similarity(similarity, parameters).sum().backward()
    assert similarity.grad is not None
    assert similarity.grad.tolist() == [0, 1024, 1024]


def test_equal_energies_keep_their_places() -> None:
    energy = torch.tensor([[1.0, 3.0, 1.0, 3.0] * 40])
    by_energy = order_tokens(energy, MergeParameters(1, 2, 0))
    high, low = [i for i in range(160) if i % 2], [i for i in range(160) if not i % 2]
    assert by_energy.tolist() == [high + low]
    by_position = order_tokens(energy.expand(2, -1), MergeParameters(1, 2, 0, order="position"))
    assert by_position.tolist() == [list(range(160))] * 2


def test_equal_edges_are_taken_in_the_order_of_their_sources() -> None:
    """Eighty equal pairs, forty edges to take: those of the first forty sources."""
    x = torch.ones(1, 160, 2)
    result = merge(x, x, torch.ones(1, 160, 1), MergeParameters(40, 160, 0, order="position"))
    sources = [token for token in range(0, 160, 2) if token < 80]
    kept = [token for token in range(160) if token not in sources]
    slot_of_first_target = kept.index(1)
    assert [result.assignment[0, token].item() for token in sources] == [slot_of_first_target] * 40
    assert [result.assignment[0, token].item() for token in kept] == list(range(120))


def test_negative_sizes_count_as_zero() -> None:
    random = torch.Generator().manual_seed(7)
    x, metric = torch.randn(1, 12, 3, generator=random), torch.randn(1, 12, 4, generator=random)
    parameters = merge_parameters(4, 10, 1, margin=0.3, size_penalty=0.1)
    zero = torch.tensor([1.0, 1, 0, 2, 0, 1, 3, 1, 1, 0, 1, 1]).view(1, 12, 1)
    negative = torch.where(zero == 0, -3.0, zero)
    plain, found = merge(x, metric, zero, parameters), merge(x, metric, negative, parameters)
    applied = apply_assignment(x, negative, plain.assignment, 8)
    for one, other, third in zip(plain, found, applied, strict=True):
        assert torch.equal(one, other)
        torch.testing.assert_close(one, third)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_decisions_given_leave_single_tokens_bit_for_bit(dtype: torch.dtype) -> None:
    """x 11 / 11 is not always x: a token alone is copied, those of a group of two have their mean."""
    x = torch.rand(1, 3, 200, generator=torch.Generator().manual_seed(8), dtype=torch.float64).to(dtype)
    size = torch.full((1, 3, 1), 11.0)
    assert not torch.equal(x * 11 / 11, x)
    applied = apply_assignment(x, size, torch.tensor([[0, 1, 1]], dtype=torch.int32), 2)
    assert applied.x.dtype == dtype
    assert torch.equal(applied.x[0, 0], x[0, 0])
    mean = ((x[0, 1].double() + x[0, 2].double()) / 2).to(dtype)
    torch.testing.assert_close(applied.x[0, 1], mean)
    assert applied.size.flatten().tolist() == [11, 22]


def test_given_assignments_of_any_integer_become_int32() -> None:
    x = torch.ones(2, 3, 1)
    applied = apply_assignment(x, torch.ones(2, 3, 1), torch.tensor([[0, 1, 1], [0, 0, 1]]), 2)
    assert applied.assignment.dtype == torch.int32
    assert applied.size.flatten().tolist() == [1, 2, 2, 1]


def test_float64_inputs_pay_for_their_size_in_float64() -> None:
    """Edges of token 0, of size 3, and of token 2 that differ by 1e-9; log 3 in float32 is 2e-8 off."""
    parameters = merge_parameters(1, 4, 0, size_penalty=0.125, order="position")
    near, nearer = 0.9, 0.9 - 0.125 * math.log(3) - 1e-9
    degrees = [0, math.acos(near), math.pi, math.pi + math.acos(nearer)]
    metric = torch.tensor([[[math.cos(one), math.sin(one)] for one in degrees]], dtype=torch.float64)
    size = torch.tensor([3.0, 1, 1, 1]).view(1, 4, 1)
    assert merge(metric, metric, size, parameters).assignment.tolist() == [[0, 0, 1, 2]]
