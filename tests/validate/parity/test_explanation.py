"""What an order explains: at the tolerance everything is still within it, beyond it nothing is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pitome.validate.parity.explanation import MergeScores, explain_by
from tests.merge_parameters import merge_parameters

pytestmark = pytest.mark.quick
ORDER = np.arange(6)
"""Ranks 0 and 2 are sources, 1 and 3 targets, 4 and 5 protected."""
TOLERANCE = 0.125
BEYOND = TOLERANCE + 2.0**-40


def scores(similarity: dict[tuple[int, int], float], num_merged: int = 1, **changes: Any) -> MergeScores:
    """Of six tokens; pairs that are not named have the similarity 0."""
    matrix = np.zeros((6, 6))
    for (first, second), value in similarity.items():
        matrix[first, second] = matrix[second, first] = value
    values: dict[str, Any] = {
        "energy": np.linspace(1, 0, 6),
        "counted": np.ones(6, dtype=bool),
        "edge_offset": np.zeros(6),
        "parameters": merge_parameters(num_merged, 4, 0),
        "tolerance": TOLERANCE,
    }
    return MergeScores(similarity=matrix, **values | changes)


@pytest.mark.parametrize(("lost", "unexplained"), [(0.0, 0), (TOLERANCE, 0), (BEYOND, 1)])
def test_a_less_similar_target(lost: float, unexplained: int) -> None:
    """Token 0 goes to 1, and 3 is more similar."""
    found = explain_by(ORDER, np.array([0, 0, 1, 2, 3, 4]), scores({(0, 1): 0.5, (0, 3): 0.5 + lost}))
    assert (found.unexplained, found.margin) == (unexplained, lost)


@pytest.mark.parametrize(("lost", "unexplained"), [(0.0, 0), (TOLERANCE, 0), (BEYOND, 1)])
def test_a_weaker_edge(lost: float, unexplained: int) -> None:
    """The edge from 0 to 1 is taken, and that from 2 to 3 is worth more."""
    groups = np.array([0, 0, 1, 2, 3, 4])
    found = explain_by(ORDER, groups, scores({(0, 1): 0.5, (2, 3): 0.5 + lost}))
    assert (found.unexplained, found.margin) == (unexplained, lost)
    penalty = np.array([-lost, 0, -lost, 0, 0, 0])  # of both sources: no difference
    found = explain_by(ORDER, groups, scores({(0, 1): 0.5, (2, 3): 0.5 + lost}, edge_offset=penalty))
    assert found.unexplained == unexplained
    penalty[0] = 0
    found = explain_by(ORDER, groups, scores({(0, 1): 0.5, (2, 3): 0.5 + lost}, edge_offset=penalty))
    assert (found.unexplained, found.margin) == (0, 0.0)


def test_an_edge_from_padding_comes_first() -> None:
    """Token 2 is padding: its edge is infinite, and no tolerance makes up for that."""
    padding = np.array([0, 0, np.inf, 0, 0, 0])
    similarity = {(0, 1): 0.5, (2, 3): 0.1}
    first, left = np.array([0, 1, 2, 2, 3, 4]), np.array([0, 0, 1, 2, 3, 4])
    assert explain_by(ORDER, first, scores(similarity, edge_offset=padding)).unexplained == 0
    assert explain_by(ORDER, left, scores(similarity, edge_offset=padding)).unexplained == 1
    both = np.array([np.inf, 0, np.inf, 0, 0, 0])  # two such edges are equal
    assert explain_by(ORDER, left, scores(similarity, edge_offset=both)).unexplained == 0


@pytest.mark.parametrize(
    ("groups", "unexplained", "why"),
    [
        ([0, 1, 0, 1, 2, 3], 3, "two sources without a target, and a second target"),
        ([0, 1, 2, 3, 3, 4], 1, "a protected token is alone"),
        ([0, 1, 2, 3, 4, 4], 2, "two of them are"),
        ([0, 1, 2, 1, 3, 4], 1, "a target is one"),
    ],
)
def test_groups_that_the_roles_do_not_allow(groups: list[int], unexplained: int, why: str) -> None:
    assert explain_by(ORDER, np.array(groups), scores({})).unexplained == unexplained, why
