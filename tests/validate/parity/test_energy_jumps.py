"""The jump of equation (4): a pair at the margin excuses what its own two tokens do, and nothing else."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from torch import Tensor

from pitome.merge import cosine_similarity, merge, score_tokens
from pitome.parameters import to_float32
from pitome.validate.parity.decisions import Verdict, same_groups
from pitome.validate.parity.energy_intervals import EnergyIntervals, with_jumps
from pitome.validate.parity.rounding import Tolerance
from tests.merge_parameters import merge_parameters
from tests.pitome.slow_checker import TooManyTies, energy_range
from tests.pitome.slow_merge import score, slots_of, split_by_rank
from tests.validate.parity.judged_cases import checker_explains, judge_image
from tests.validate.parity.planted_pairs import NUM_TOKENS, SIZE, PlantedPair, plant_pair, ulp

pytestmark = pytest.mark.quick


def within_ulps(case: PlantedPair, count: float) -> Tolerance:
    """Where every score was measured to be off by that many units in the last place at the margin."""
    off = count * ulp(case.parameters.margin)
    return Tolerance(2 * off, 2 * off, at_margin=off)


def verdict_on(decided: Tensor, case: PlantedPair, tolerance: Tolerance) -> Verdict:
    return judge_image(decided, case.metric, SIZE, case.parameters, tolerance)


@pytest.mark.parametrize("ulps", [0.5, -0.5], ids=["below", "above"])
def test_a_pair_within_one_ulp_of_the_margin_is_excused_and_counted(ulps: float) -> None:
    case = plant_pair(ulps)
    tolerance = within_ulps(case, 1)
    assert 0 < case.distance / ulps < 2 * ulp(case.parameters.margin)
    assert verdict_on(case.right, case, tolerance) == Verdict(True, 0.0, by_jump=False)
    verdict = verdict_on(case.jumped, case, tolerance)
    assert (verdict.explained, verdict.by_jump) == (True, True)
    assert verdict.margin <= tolerance.energy, "the jump itself is no margin"


@pytest.mark.parametrize("ulps", [3.0, -3.0], ids=["below", "above"])
def test_a_pair_outside_is_a_wrong_decision(ulps: float) -> None:
    case = plant_pair(ulps)
    assert verdict_on(case.right, case, within_ulps(case, 1)) == Verdict(True, 0.0)
    assert verdict_on(case.jumped, case, within_ulps(case, 1)) == Verdict(False, math.inf)


@pytest.mark.parametrize("seed", range(5))
def test_the_distance_to_the_margin_decides(seed: int) -> None:
    """Once the rounding, not twice as between two energies: the margin is exact."""
    case = plant_pair(2.0, seed)
    for at_margin, explained in ((case.distance * (1 + 1e-6), True), (case.distance * (1 - 1e-6), False)):
        tolerance = Tolerance(2 * case.distance, 2 * case.distance, at_margin)
        verdict = verdict_on(case.jumped, case, tolerance)
        assert (verdict.explained, verdict.by_jump) == (explained, explained)


def test_intervals_of_numbers_that_are_exact() -> None:
    """The margin is 0.5, so a jump is 0.5 / 4: one pair lies as far off as it may, one a little further."""
    similarity = np.eye(4)
    similarity[0, 1] = similarity[1, 0] = 0.75
    similarity[2, 3] = similarity[3, 2] = 0.25
    similarity[0, 2] = similarity[2, 0] = math.nextafter(0.75, 1)
    energy, all_counted = np.array([4.0, 3.0, 2.0, 1.0]), np.ones(4, dtype=bool)
    parameters = merge_parameters(1, 4, 0, energy="eq4", margin=0.5)
    found = with_jumps(energy, similarity, all_counted, parameters, 0.25)
    assert found.near_pairs == ((0, 1), (2, 3))
    assert (found.low - energy).tolist() == [-0.125, -0.125, 0, 0]
    assert (found.high - energy).tolist() == [0, 0, 0.125, 0.125]
    below_offset = dataclasses.replace(parameters, offset=1.0)  # what reaches the margin loses there
    found = with_jumps(energy, similarity, all_counted, below_offset, 0.25)
    assert (found.low - energy).tolist() == [0, 0, -0.125, -0.125]
    assert (found.high - energy).tolist() == [0.125, 0.125, 0, 0]
    at_margin = np.where(similarity == 0.75, 0.5, similarity)  # at the margin is above it
    found = with_jumps(energy, at_margin, all_counted, parameters, 0.0)
    assert (found.low - energy).tolist() == [-0.125, -0.125, 0, 0]


def intervals(case: PlantedPair, at_margin: float) -> EnergyIntervals:
    similarity, energy = score_tokens(case.metric, SIZE[..., 0].double(), case.parameters)
    counted = np.ones(NUM_TOKENS, dtype=bool)
    return with_jumps(energy[0].numpy(), similarity[0].numpy(), counted, case.parameters, at_margin)


@pytest.mark.parametrize("seed", range(10))
def test_one_jump_loosens_no_other_row(seed: int) -> None:
    """Neighbours in the order that are no part of the pair may not swap, though the jump is larger than their
    gap; not in the order of float64 and not where the pair has jumped too."""
    case = plant_pair(0.5, seed)
    tolerance = within_ulps(case, 1)
    energies = intervals(case, tolerance.at_margin)
    assert energies.near_pairs == (case.pair,)
    jump = case.parameters.jump / NUM_TOKENS
    np.testing.assert_allclose((energies.high - energies.exact)[list(case.pair)], jump, rtol=1e-12)
    others = np.delete(energies.high - energies.low, list(case.pair))
    assert (others == 0).all()
    wrong = 0
    for order in (np.argsort(-energies.exact), np.argsort(-energies.high)):
        for rank in range(NUM_TOKENS - 1):
            neighbours = order[rank : rank + 2]
            gap = abs(float(np.diff(energies.exact[neighbours])[0]))
            if set(neighbours.tolist()) & set(case.pair) or not tolerance.energy < gap < jump:
                continue
            swapped = order.copy()
            swapped[rank : rank + 2] = neighbours[::-1]
            decided = decision_in_order(swapped, case)
            explained = verdict_on(decided, case, tolerance).explained
            assert explained == checker_explains(
                decided, case.metric, SIZE, case.parameters, tolerance.energy
            )
            wrong += not explained
    assert wrong


def decision_in_order(order: np.ndarray, case: PlantedPair) -> Tensor:
    """[1, N], what an order of the tokens leads to; all sources merge, for M = 2r."""
    similarity = cosine_similarity(case.metric)[0]
    sources, targets = split_by_rank(order.tolist(), case.parameters)
    goes_to = {source: max(targets, key=lambda target: similarity[source, target]) for source in sources}
    return torch.from_numpy(slots_of(goes_to, NUM_TOKENS))[None]


def test_a_jump_does_not_excuse_a_target() -> None:
    """It is the energies that jump, not the similarities."""
    case = plant_pair(0.5)
    sources = [token for token in range(NUM_TOKENS) if int((case.right == case.right[0, token]).sum()) > 1]
    alone = next(token for token in range(NUM_TOKENS) if token not in sources)
    other = case.right.clone()
    other[0, sources[0]] = case.right[0, alone]
    assert not verdict_on(other, case, within_ulps(case, 1)).explained


def test_only_energies_that_order_can_jump() -> None:
    """By position nothing is ordered by energy, so nothing is excused."""
    case = plant_pair(0.5)
    by_position = dataclasses.replace(case.parameters, order="position")
    decided = merge(case.metric, case.metric, SIZE, by_position).assignment
    loose = Tolerance(1e-9, 1e-9, at_margin=2.0)
    assert judge_image(decided, case.metric, SIZE, by_position, loose) == Verdict(True, 0.0)
    assert not judge_image(case.right, case.metric, SIZE, by_position, loose).explained


@pytest.mark.parametrize("energy", ["elu", "sharp", "gaussian"])
def test_a_function_without_a_jump_excuses_nothing_at_the_margin(energy: Any) -> None:
    case = plant_pair(0.5)
    smooth = merge_parameters(3, 6, 0, energy=energy, margin=case.parameters.margin)
    right = merge(case.metric, case.metric, SIZE, smooth).assignment
    loose = Tolerance(1e-9, 1e-9, at_margin=2.0)
    assert judge_image(right, case.metric, SIZE, smooth, loose) == Verdict(True, 0.0)
    wrong = next(each for each in (case.right, case.jumped) if not same_groups(each, right))
    assert not judge_image(wrong, case.metric, SIZE, smooth, loose).explained


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1e-6, 0.05]), st.sampled_from([0.0, -0.2]), st.data())
def test_intervals_are_those_of_the_slow_checker(
    seed: int, eps: float, offset: float, data: st.DataObject
) -> None:
    """Padding, rows that are not finite, margins on either side of the offset, a token's own similarity."""
    generator = torch.Generator().manual_seed(seed)
    metric = torch.randn(8, 4, generator=generator).double()
    metric[0] = data.draw(st.sampled_from([metric[0], torch.full((4,), torch.nan)]))
    size = torch.ones(8, 1)
    size[data.draw(st.integers(1, 8)) :] = 0
    similarity, _ = score_tokens(metric[None], size[None, :, 0].double(), merge_parameters(2, 4, 0))
    margins = [to_float32(value) for value in similarity[0, 1].tolist()]
    parameters = dataclasses.replace(
        merge_parameters(2, 4, 0, energy="eq4", margin=data.draw(st.sampled_from(margins))), offset=offset
    )
    _, energy = score_tokens(metric[None], size[None, :, 0].double(), parameters)
    counted = ((size[:, 0] > 0) & metric.isfinite().all(dim=1)).numpy()
    found = with_jumps(energy[0].numpy(), similarity[0].numpy(), counted, parameters, eps)
    expected = energy_range(score(metric.numpy(), size[:, 0].numpy(), parameters), parameters, eps)
    finite = np.isfinite(found.exact)
    for ours, theirs in ((found.low, expected.low), (found.high, expected.high)):
        np.testing.assert_allclose(ours[finite], theirs[finite], atol=1e-12)
        assert (ours[~finite] == found.exact[~finite]).all()
    assert all(counted[list(pair)].all() for pair in found.near_pairs)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 7), st.sampled_from(["alternate", "half"]), st.data())
def test_the_judge_agrees_with_the_slow_checker_at_the_margin(
    seed: int, count: int, split: Any, data: st.DataObject
) -> None:
    """The margin is one pair's similarity, rounded to float32; decisions of many kinds."""
    generator = torch.Generator().manual_seed(seed)
    metric, size = torch.randn(1, count, 4, generator=generator).double(), torch.ones(1, count, 1)
    similarity = cosine_similarity(metric)[0]
    margin = to_float32(float(similarity[0, data.draw(st.integers(1, count - 1))]))
    merged = data.draw(st.integers(1, count // 2))
    parameters = merge_parameters(
        merged, data.draw(st.integers(2 * merged, count)), 0, energy="eq4", margin=margin, split=split
    )
    kind = data.draw(st.sampled_from(["below", "above", "far", "any groups"]))
    if kind == "any groups":
        tokens = data.draw(st.permutations(range(count)))
        goes_to = {source: data.draw(st.sampled_from(tokens[merged:])) for source in tokens[:merged]}
        decided = torch.from_numpy(slots_of(goes_to, count))[None]
    else:
        moved = margin + {"below": 2e-7, "above": -2e-7, "far": 0.1}[kind]
        decided = merge(metric, metric, size, dataclasses.replace(parameters, margin=moved)).assignment
    verdict = judge_image(decided, metric, size, parameters, Tolerance(1e-6, 1e-6, at_margin=1e-6))
    try:
        assert verdict.explained == checker_explains(decided, metric, size, parameters, 1e-6)
    except TooManyTies:
        reject()
    if kind in ("below", "above"):
        assert verdict.explained


def test_two_pairs_at_the_margin_are_both_tried() -> None:
    """Four tokens jump at once, each over others."""
    found = 0
    for seed in itertools.count():
        generator = torch.Generator().manual_seed(seed)
        metric = torch.randn(1, NUM_TOKENS, 4, generator=generator).double()
        similarity = cosine_similarity(metric)[0]
        values = torch.triu(similarity, 1).flatten().sort(descending=True).values[:2]
        margin, near = to_float32(float(values.mean())), float(values[0] - values[1])
        parameters = merge_parameters(3, 6, 0, energy="eq4", margin=margin)
        for other in (margin - near, margin + near):
            decided = merge(metric, metric, SIZE, dataclasses.replace(parameters, margin=other)).assignment
            verdict = judge_image(decided, metric, SIZE, parameters, Tolerance(1e-9, 1e-9, at_margin=near))
            assert verdict.explained
            found += verdict.by_jump
        if found >= 10:
            return
