"""The search for roles where many energies are tied."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pitome.merge import merge
from pitome.validate.parity.energy_intervals import without_jumps
from pitome.validate.parity.energy_orders import float64_order
from pitome.validate.parity.explanation import explain_by, score_merge
from pitome.validate.parity.role_search import search_roles
from pitome.validate.parity.rounding import Tolerance
from tests.merge_parameters import merge_parameters
from tests.validate.parity.judged_cases import judge_image

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("seed", range(5))
def test_many_tied_energies_are_explained_in_any_order(seed: int) -> None:
    """So narrow a function that no token has a neighbour: all energies are equal but for rounding."""
    generator = torch.Generator().manual_seed(seed)
    metric, size = torch.randn(1, 80, 64, generator=generator).double(), torch.ones(1, 80, 1)
    parameters = merge_parameters(8, 72, 0, energy="sharp", margin=0.9)
    energies = score_merge(metric[0], size[0], parameters, 1e-9).energy
    assert np.ptp(energies) < 1e-9
    shuffled = torch.from_numpy(np.random.default_rng(seed).permutation(80))
    decided = torch.empty(1, 80, dtype=torch.int32)  # of the tokens in another order, so other ranks
    decided[0, shuffled] = merge(metric[:, shuffled], metric[:, shuffled], size, parameters).assignment[0]
    verdict = judge_image(decided, metric, size, parameters, Tolerance(1e-9, 1e-9))
    assert verdict.explained
    assert verdict.margin <= 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_what_no_roles_explain_is_not_found(seed: int) -> None:
    """The least similar pair is merged, where all energies are tied."""
    generator = torch.Generator().manual_seed(seed)
    metric, size = torch.randn(1, 30, 16, generator=generator).double(), torch.ones(1, 30, 1)
    parameters = merge_parameters(1, 30, 0, energy="sharp", margin=0.99)
    scores = score_merge(metric[0], size[0], parameters, 1e-9)
    first, second = sorted(divmod(int(scores.similarity.argmin()), 30))
    slots = np.arange(30)
    slots[second] = first
    slots[second + 1 :] -= 1
    order = float64_order(without_jumps(scores.energy))
    assert search_roles(order, slots, scores, np.ones((30, 30), dtype=bool)) is None


def test_only_tied_tokens_exchange_their_roles() -> None:
    generator = torch.Generator().manual_seed(0)
    metric, size = torch.randn(1, 12, 4, generator=generator).double(), torch.ones(1, 12, 1)
    parameters = merge_parameters(3, 6, 0, margin=0.0)
    scores = score_merge(metric[0], size[0], parameters, 1e-9)
    order = float64_order(without_jumps(scores.energy))
    swapped = order.copy()
    swapped[[0, 1]] = order[[1, 0]]
    other = merge_of(swapped, scores.similarity)
    assert explain_by(order, other, scores).unexplained
    tied = np.zeros((12, 12), dtype=bool)
    assert search_roles(order, other, scores, tied) is None
    tied[order[0], order[1]] = tied[order[1], order[0]] = True
    found = search_roles(order, other, scores, tied)
    assert found is not None
    assert found.tolist() == swapped.tolist()


def merge_of(order: np.ndarray, similarity: np.ndarray) -> np.ndarray:
    """Groups [T] of M = 2r = 6 in this order, each called by its target."""
    groups, targets = np.arange(len(order)), order[1:6:2]
    for source in order[0:6:2]:
        groups[source] = targets[similarity[source, targets].argmax()]
    return np.unique(groups, return_inverse=True)[1]
