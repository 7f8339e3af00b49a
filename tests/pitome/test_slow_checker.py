"""The judges themselves: the slow checker refuses what does not follow from METHOD.md."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from pitome.merge import merge
from pitome.parameters import MergeParameters
from tests.pitome.slow_checker import explains, unexplained


@pytest.mark.parametrize(
    "changes",
    [
        {"num_candidates": 12},
        {"margin": -0.4},
        {"alpha": 3.0},
        {"size_penalty": 0.5},
        {"order": "position"},
        {"energy": "gaussian"},
        {"split": "half"},
    ],
    ids=str,
)
def test_the_checker_refuses_decisions_of_other_parameters(changes: dict[str, Any]) -> None:
    random = torch.Generator().manual_seed(7)
    x, metric = torch.randn(1, 40, 4, generator=random), torch.randn(1, 40, 8, generator=random)
    size = torch.randint(1, 5, (1, 40, 1), generator=random).float()
    parameters = MergeParameters(6, 30, 1, margin=0.3)
    other = merge(x, metric, size, dataclasses.replace(parameters, **changes))
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
