"""The energies that users name, against METHOD.md section 2, worked out by hand."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch

from pitome.energies import Energy, energy_function
from pitome.merge import energy_of_similarity
from tests.merge_parameters import merge_parameters

SIMILARITIES = [-1.0, 0.25, 0.5, 0.75, 1.0]


def values_of(energy: Energy, margin: float, alpha: float = 1.0) -> list[float]:
    """f of the similarities above."""
    parameters = merge_parameters(1, 2, energy=energy, margin=margin, alpha=alpha)
    return energy_of_similarity(torch.tensor(SIMILARITIES, dtype=torch.float64), parameters).tolist()


def test_elu() -> None:
    expected = [math.exp(-1.5) - 1, math.exp(-0.25) - 1, 0, 0.25, 0.5]
    assert values_of("elu", 0.5) == pytest.approx(expected, abs=1e-15)


def test_equation_4_is_the_similarity_itself_at_and_above_the_margin() -> None:
    expected = [0.5 * (math.exp(-1.5) - 1), 0.5 * (math.exp(-0.25) - 1), 0.5, 0.75, 1.0]
    assert values_of("eq4", 0.5, alpha=0.5) == pytest.approx(expected, abs=1e-15)


def test_sharp() -> None:
    width = 0.009999999776482582  # 0.01 as a float32
    expected = [-1.0, math.exp(-0.25 / width) - 1, 0, 0.25 / width, 0.5 / width]
    assert values_of("sharp", 0.5) == pytest.approx(expected, abs=1e-13)


def test_gaussian() -> None:
    expected = [math.exp(-8), math.exp(-1.125), math.exp(-0.5), math.exp(-0.125), 1.0]
    assert values_of("gaussian", 0.5) == pytest.approx(expected, abs=1e-15)


def test_a_margin_that_is_no_float32_is_the_nearest_one() -> None:
    below, at = math.nextafter(0.30000001192092896, 0), 0.30000001192092896
    parameters = merge_parameters(1, 2, energy="eq4", margin=0.3)
    found = energy_of_similarity(torch.tensor([below, at], dtype=torch.float64), parameters).tolist()
    assert found == pytest.approx([0.0, 0.30000001192092896], abs=1e-15)


def test_sharp_does_not_overflow_above_the_margin() -> None:
    """exp((1 + 1) / 0.01) is infinite: nothing of the side that is not taken may come through."""
    assert values_of("sharp", -1.0)[-1] == pytest.approx(200, rel=1e-6)
    assert all(map(math.isfinite, values_of("sharp", -1.0)))


@pytest.mark.parametrize("energy", get_args(Energy))
def test_where_the_function_jumps(energy: Energy) -> None:
    parameters = merge_parameters(1, 2, energy=energy, margin=0.5)
    assert parameters.jump == (0.5 if energy == "eq4" else 0.0)
    assert energy_function(energy, 0.5)[0] == ("gaussian" if energy == "gaussian" else "piecewise")
