"""The measured rounding of scores, which no jump of the energy is part of."""

from __future__ import annotations

import pytest
import torch

from pitome.merge import score_tokens
from pitome.validate.parity.rounding import Rounding, Tolerance, measure_rounding
from tests.merge_parameters import merge_parameters
from tests.validate.parity.planted_pairs import NUM_TOKENS, SIZE, plant_pair, ulp

pytestmark = pytest.mark.quick


def test_rounding_is_the_largest_difference_to_float64() -> None:
    generator = torch.Generator().manual_seed(0)
    exact = torch.randn(2, 9, 8, generator=generator).double()
    single, parameters = exact.float(), merge_parameters(2, 4, 1, margin=0.3)
    rounding = measure_rounding(single, exact, torch.ones(2, 9, 1), parameters)
    assert 0 < rounding.similarity < 1e-6
    assert 0 < rounding.energy < 1e-6
    moved = single.clone()
    moved[1, 3] += 0.01
    assert measure_rounding(moved, exact, torch.ones(2, 9, 1), parameters).similarity > 1e-4


def test_two_rounded_values_may_be_twice_the_rounding_apart() -> None:
    assert Rounding(1.0, 2.0, 3.0).tolerance == Tolerance(2.0, 4.0, at_margin=3.0)
    assert Rounding(1.0, 5.0, 2.0).largest(Rounding(3.0, 4.0, 1.0)) == Rounding(3.0, 5.0, 2.0)


def test_a_tokens_own_similarity_counts_at_the_margin_only() -> None:
    """Two equal tokens of exact norm; the third's own similarity is rounded, and it is like none."""
    exact = torch.tensor([[[1.0, 0, 0], [1, 0, 0], [0, 0.1, 0.3]]]).double()
    single = exact.float()
    rounding = measure_rounding(single, exact, torch.ones(1, 3, 1), merge_parameters(1, 2, 0))
    own = score_tokens(single, torch.ones(1, 3), merge_parameters(1, 2, 0))[0][0, 2, 2]
    assert rounding.similarity == 0
    assert rounding.at_margin == pytest.approx(abs(float(own) - 1), abs=1e-15)


@pytest.mark.parametrize("ulps", [50.0, -50.0])
def test_no_jump_is_in_the_rounding_of_energies(ulps: float) -> None:
    """In float32 the pair lies on the other side of the margin, which moves two energies by a jump."""
    case = plant_pair(ulps)
    one_ulp = ulp(case.parameters.margin)
    crossed = case.nearer(-ulps * one_ulp)
    _, rounded = score_tokens(crossed.float(), SIZE[..., 0], case.parameters)
    _, exact = score_tokens(case.metric, SIZE[..., 0].double(), case.parameters)
    jump = case.parameters.jump / NUM_TOKENS
    first, second = case.pair
    moved = (rounded.double() - exact)[0, [first, second]].abs()
    torch.testing.assert_close(moved, torch.full((2,), jump).double(), atol=1e-5, rtol=0)
    rounding = measure_rounding(crossed, case.metric, SIZE, case.parameters)
    assert 0 < rounding.energy < 200 * one_ulp < jump
    assert rounding.at_margin > 99 * one_ulp


def test_a_padding_pair_moves_no_energy() -> None:
    """Its similarity crosses the margin, but no mean is over it."""
    case = plant_pair(50.0)
    crossed = case.nearer(-50 * ulp(case.parameters.margin))
    size = SIZE.clone()
    size[0, case.pair[1]] = 0
    rounding = measure_rounding(crossed, case.metric, size, case.parameters)
    assert rounding.energy < 200 * ulp(case.parameters.margin)
