"""The judge at exactly its tolerance: rows of +-1, whose cosines and energies float64 has exactly."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pitome.merge import merge
from pitome.parameters import MergeParameters
from pitome.validate.parity.decision_margins import decision_margins, smallest_margin
from pitome.validate.parity.decisions import Verdict, judge
from pitome.validate.parity.rounding import Rounding, Tolerance, measure_rounding

pytestmark = pytest.mark.quick
POSITION = MergeParameters(1, 4, 0, order="position")
MEAN_COSINE = MergeParameters(1, 2, 0, margin=-1.0, offset=0.0)
WRONG = Verdict(False, math.inf)
ONES = torch.ones(4, 1)


def signs(*minus: set[int]) -> Tensor:
    """Metric [N, 16] of ones, each row with a minus in these columns: a cosine is 1 - differing / 8."""
    rows = torch.ones(len(minus), 16, dtype=torch.float64)
    for row, columns in zip(rows, minus, strict=True):
        row[list(columns)] = -1
    return rows


def below(value: float) -> float:
    return value * (1 - 1e-9)


A_FEW, MORE, HALF = {0, 1}, {2, 3, 4, 5}, set(range(8, 16))


def test_a_target_that_is_worse_by_the_tolerance_is_excused() -> None:
    """Sources 0 and 2, targets 1 and 3: token 0 has cosine 0.75 to token 1 and 0.5 to token 3."""
    metric, wrong = signs(set(), A_FEW, HALF, MORE), torch.tensor([2, 0, 1, 2])
    assert judge(wrong, metric, ONES, POSITION, Tolerance(0.25, 0)) == Verdict(True, 0.25)
    assert judge(wrong, metric, ONES, POSITION, Tolerance(below(0.25), 9)) == WRONG


def test_an_edge_that_is_worse_by_the_tolerance_is_excused() -> None:
    """The edge from 0 to 1 has 0.75, that from 2 to 3 has 0.5."""
    metric, wrong = signs(set(), A_FEW, HALF, HALF | MORE), torch.tensor([0, 1, 2, 2])
    assert judge(wrong, metric, ONES, POSITION, Tolerance(0.25, 0)) == Verdict(True, 0.25)
    assert judge(wrong, metric, ONES, POSITION, Tolerance(below(0.25), 9)) == WRONG


def test_an_order_that_is_wrong_by_the_tolerance_is_excused() -> None:
    """Energies 0.5625, 0.4375, 0.3125 and 0.0625: token 0 merges with 2, whose turn it is not."""
    metric, wrong = signs(set(), A_FEW, MORE, HALF), torch.tensor([0, 1, 0, 2])
    assert judge(wrong, metric, ONES, MEAN_COSINE, Tolerance(0, 0.125)) == Verdict(True, 0.125)
    assert judge(wrong, metric, ONES, MEAN_COSINE, Tolerance(9, below(0.125))) == WRONG


def test_margins_of_exact_cosines() -> None:
    metric = signs(set(), A_FEW, HALF, MORE)
    by_position = decision_margins(metric, ONES, POSITION)
    assert {kind: values.tolist() for kind, values in by_position.items()} == {
        "order": [],
        "target": [0.25],
        "edge": [1.0],  # 0.75 from token 0, -0.25 from token 2
    }
    metric = signs(set(), A_FEW, MORE, HALF)
    by_energy = decision_margins(metric, ONES, MEAN_COSINE)
    assert {kind: values.tolist() for kind, values in by_energy.items()} == {
        "order": [0.25, 0.125, 0.125],
        "target": [],  # one target alone
        "edge": [],  # one edge alone
    }
    assert smallest_margin(metric, ONES, MEAN_COSINE) == 0.125


def test_padding_has_no_margins() -> None:
    metric = signs(set(), A_FEW, MORE, HALF)
    size = torch.tensor([[0.0], [1], [1], [0]])
    found = decision_margins(metric, size, MergeParameters(2, 4, 0, margin=-1.0, offset=0.0))
    # Tokens 1 and 2 count each other and themselves: both have (1 + 0.25) / 2. Sources 0 and 1 are taken.
    assert {kind: values.tolist() for kind, values in found.items()} == {
        "order": [0.0],
        "target": [0.5],  # 0.25 to token 2, -0.25 to token 3
        "edge": [],
    }
    one_left = torch.tensor([[0.0], [1], [0], [0]])
    assert smallest_margin(metric, one_left, MEAN_COSINE) == math.inf
    assert smallest_margin(metric, torch.zeros(4, 1), MEAN_COSINE) == math.inf


def test_the_prefix_takes_no_part_in_margins_and_rounding() -> None:
    """The same four tokens behind two of the prefix, which are broken."""
    metric = signs(set(), A_FEW, MORE, HALF)
    broken = torch.full((2, 16), math.nan, dtype=torch.float64)
    behind, size = torch.cat([broken, metric]), torch.ones(6, 1)
    parameters = MergeParameters(1, 2, 2, margin=-1.0, offset=0.0)
    assert smallest_margin(behind, size, parameters) == 0.125
    assert decision_margins(behind, size, parameters)["order"].tolist() == [0.25, 0.125, 0.125]
    assert measure_rounding(behind[None].float(), behind[None], size[None], parameters) == Rounding(0, 0, 0)
    right = merge(behind[None], behind[None], size[None], parameters).assignment[0]
    assert right.tolist() == [0, 1, 2, 2, 3, 4]
    assert judge(right, behind, size, parameters, Tolerance(0, 0)) == Verdict(True, 0)


def test_rounding_is_that_of_real_tokens_and_of_pairs() -> None:
    """Padding has no energy to round."""
    exact = signs(set(), A_FEW, MORE, HALF)[None]
    moved = signs(set(), A_FEW, MORE, HALF | {0})[None].float()
    everything = torch.ones(1, 4, 1)
    # Token 3's cosines to 0 and 2 fall by 1 / 8 and that to 1 grows by as much: energies move by 1 / 32.
    assert measure_rounding(moved, exact, everything, MEAN_COSINE) == Rounding(0.125, 0.03125, 0.125)
    without = torch.tensor([1.0, 1, 1, 0]).view(1, 4, 1)
    found = measure_rounding(moved, exact, without, MEAN_COSINE)
    assert (found.similarity, found.energy) == (0.125, pytest.approx(0, abs=1e-7))
    nothing = torch.zeros(1, 4, 1)
    assert measure_rounding(moved, exact, nothing, MEAN_COSINE) == Rounding(0.125, 0, 0.125)
