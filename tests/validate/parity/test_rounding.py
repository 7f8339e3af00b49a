"""The measured rounding of scores, which no jump of the energy is part of."""

from __future__ import annotations

import pytest
import torch

from pitome.validate.parity.rounding import Rounding, Tolerance, measure_rounding
from tests.merge_parameters import merge_parameters

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
    assert rounding.tolerance == Tolerance(2 * rounding.similarity, 2 * rounding.energy, rounding.similarity)
    assert Rounding(1.0, 2.0).largest(Rounding(3.0, 0.0)) == Rounding(3.0, 2.0)
