"""The judges themselves: the slow checker refuses what does not follow from METHOD.md."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from pitome.merge import merge
from pitome.parameters import MergeParameters
from tests.merge_parameters import merge_parameters
from tests.pitome.slow_checker import energy_range, explains, unexplained
from tests.pitome.slow_merge import score


@pytest.mark.parametrize(
    "changes",
    [
        {"num_candidates": 12},
        {"margin": -0.4},
        {"alpha": 3.0},
        {"size_penalty": 0.5},
        {"order": "position"},
        {"energy": "gaussian"},
        {"energy": "eq4"},
        {"energy": "sharp"},
        {"split": "half"},
        {"split": "alternate_second"},
    ],
    ids=str,
)
def test_the_checker_refuses_decisions_of_other_parameters(changes: dict[str, Any]) -> None:
    random = torch.Generator().manual_seed(7)
    x, metric = torch.randn(1, 40, 4, generator=random), torch.randn(1, 40, 8, generator=random)
    size = torch.randint(1, 5, (1, 40, 1), generator=random).float()
    given: dict[str, Any] = {"num_merged": 6, "num_candidates": 30, "margin": 0.3}
    parameters = merge_parameters(**given)
    other = merge(x, metric, size, merge_parameters(**{**given, **changes}))
    assert explains(merge(x, metric, size, parameters).assignment, metric, size, parameters, 1e-6)
    assert unexplained(other.assignment, metric, size, parameters, 1e-6)


def test_the_checker_accepts_either_side_of_a_near_tie_and_no_more() -> None:
    """Source 0 is nearer to target 1 than to target 3 by about 1e-6."""
    metric = torch.tensor([[[1.0, 0], [1, 1], [-1, -1], [1, -1 - 2e-6]]])
    size, parameters = torch.ones(1, 4, 1), MergeParameters(1, 4, 0, order="position")
    best, second = [[0, 0, 1, 2]], [[2, 0, 1, 2]]
    assert explains(best, metric, size, parameters, 1e-8)
    assert explains(second, metric, size, parameters, 2e-6)
    assert "less similar than the best" in unexplained(second, metric, size, parameters, 1e-8)
    assert "token 2 goes to 1, less" in unexplained([[0, 1, 1, 2]], metric, size, parameters, 2e-6)
    assert "the edge of 2 was taken" in unexplained([[0, 1, 2, 2]], metric, size, parameters, 1e-8)
    assert "has 2 members of B" in unexplained([[0, 1, 2, 1]], metric, size, parameters, 2e-6)
    assert "slots are not 0 to 2" in unexplained([[0, 0, 1, 1]], metric, size, parameters, 2e-6)
    assert "original order" in unexplained([[1, 1, 0, 2]], metric, size, parameters, 2e-6)


def test_a_jump_may_fall_either_way_within_eps_of_the_margin_and_no_further() -> None:
    """Of equation (4): tokens 0 and 1 are as similar as the margin, so either may have the highest energy."""
    near, far = math.acos(0.8), math.acos(0.1)
    angles = torch.tensor([0.0, near, 2.0, 2.0 + far], dtype=torch.float64)
    metric = torch.stack([angles.cos(), angles.sin()], dim=-1)[None]
    size = torch.ones(1, 4, 1)

    def ranges(margin: float, eps: float) -> tuple[list[float], list[float]]:
        parameters = merge_parameters(1, 4, 0, energy="eq4", margin=margin)
        scores = score(metric[0].numpy(), size[0, :, 0].numpy(), parameters)
        found = energy_range(scores, parameters, eps)
        return (found.exact - found.low).tolist(), (found.high - found.exact).tolist()

    below, above = ranges(0.8 - 1e-7, 1e-6)  # the similarity is above the margin: it may fall below
    assert below == pytest.approx([0.2, 0.2, 0, 0], abs=1e-6)
    assert above == pytest.approx([0, 0, 0, 0], abs=1e-12)
    below, above = ranges(0.8 + 1e-6, 1e-5)
    assert below == pytest.approx([0, 0, 0, 0], abs=1e-12)
    assert above == pytest.approx([0.2, 0.2, 0, 0], abs=1e-5)
    assert ranges(0.8 - 1e-5, 1e-6) == ([0] * 4, [0] * 4)
