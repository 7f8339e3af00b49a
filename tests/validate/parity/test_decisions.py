"""The judge of merge decisions: it excuses what rounding can flip, and nothing else."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from torch import Tensor

from pitome.merge import merge, order_tokens, score_tokens
from pitome.parameters import MergeParameters
from pitome.validate.parity.decisions import Verdict, same_groups, same_tokens
from pitome.validate.parity.rounding import Tolerance, measure_rounding
from tests.merge_parameters import merge_parameters
from tests.pitome.slow_checker import TooManyTies
from tests.pitome.slow_merge import slots_of
from tests.validate.parity.judged_cases import (
    checker_explains,
    judge_image,
    merges,
    near_runs,
    near_tie,
    ring,
)

pytestmark = pytest.mark.quick
SMALL = Tolerance(1e-9, 1e-9)


@settings(max_examples=100, deadline=None)
@given(merges())
def test_float32_decisions_are_explained_by_the_measured_rounding(
    case: tuple[Tensor, Tensor, MergeParameters],
) -> None:
    metric, size, parameters = case
    tolerance = measure_rounding(metric, metric.double(), size, parameters).tolerance
    decided = merge(metric, metric, size, parameters).assignment
    verdict = judge_image(decided, metric, size, parameters, tolerance)
    assert verdict.explained
    assert verdict.margin <= max(tolerance.energy, tolerance.similarity)


@settings(max_examples=100, deadline=None)
@given(merges(), st.sampled_from([1e-6, 1e-3]), st.integers(0, 1000))
def test_noise_within_the_tolerance_is_explained(
    case: tuple[Tensor, Tensor, MergeParameters], noise: float, seed: int
) -> None:
    """Decisions of a metric that is off a little, with the rounding measured between both."""
    metric, size, parameters = case
    generator = torch.Generator().manual_seed(seed)
    exact = metric.double()
    moved = exact + noise * torch.randn(exact.shape, generator=generator).double()
    decided = merge(moved, moved, size, parameters).assignment
    # Only few orders are tried where many energies are near each other.
    if near_runs(exact, size, parameters, noise):
        reject()
    tolerance = measure_rounding(moved.float(), exact, size, parameters).tolerance
    assert judge_image(decided, exact, size, parameters, tolerance).explained


@settings(max_examples=200, deadline=None)
@given(merges(largest=9), st.data())
def test_the_judge_agrees_with_the_slow_checker(
    case: tuple[Tensor, Tensor, MergeParameters], data: st.DataObject
) -> None:
    """On decisions of the same and of other parameters, of a metric that is off, and on any groups at all."""
    metric, size, parameters = case
    count, prefix = metric.shape[1], parameters.num_protected
    kind = data.draw(st.sampled_from(["own", "margin", "order", "noise", "any groups"]))
    if kind == "any groups":
        tokens = data.draw(st.permutations(range(prefix, count)))
        sources, rest = tokens[: parameters.num_merged], tokens[parameters.num_merged :]
        goes_to = {source: data.draw(st.sampled_from(rest)) for source in sources}
        decided = torch.from_numpy(slots_of(goes_to, count))[None]
    else:
        other: dict[str, dict[str, Any]] = {"margin": {"margin": -0.5}, "order": {"order": "position"}}
        changes = other.get(kind, {})
        generator = torch.Generator().manual_seed(count)
        noise = 0.05 * torch.randn(metric.shape, generator=generator) if kind == "noise" else 0
        decided = merge(
            metric + noise, metric + noise, size, dataclasses.replace(parameters, **changes)
        ).assignment
    narrow, wide = Tolerance(1e-6, 1e-6), Tolerance(0.05, 0.05)
    try:
        verdict = judge_image(decided, metric, size, parameters, narrow)
        assert verdict.explained == checker_explains(decided, metric, size, parameters, 1e-6)
        verdict = judge_image(decided, metric, size, parameters, wide)
        if verdict.explained:  # then its margin is enough
            assert verdict.margin <= 0.05
            enough = verdict.margin * (1 + 1e-6) + 1e-12
            assert checker_explains(decided, metric, size, parameters, enough)
    except TooManyTies:
        reject()


POSITION = MergeParameters(1, 4, 0, order="position")
ONES = torch.ones(1, 4, 1)


def test_a_wrong_target_is_excused_up_to_its_margin() -> None:
    """A = tokens 0 and 2, B = 1 and 3; the edge from 0 to 1 is best, and 3 is a little further away."""
    metric = ring(0, 10, 120, -10.001)
    gap = math.cos(math.radians(10)) - math.cos(math.radians(10.001))
    best, second = torch.tensor([[0, 0, 1, 2]]), torch.tensor([[2, 0, 1, 2]])
    assert judge_image(best, metric, ONES, POSITION, SMALL) == Verdict(True, 0.0)
    refused = judge_image(second, metric, ONES, POSITION, Tolerance(gap * 0.99, 1.0))
    assert refused == Verdict(False, math.inf)
    excused = judge_image(second, metric, ONES, POSITION, Tolerance(gap * 1.01, 0.0))
    assert excused.explained
    assert excused.margin == pytest.approx(gap, rel=1e-6)


def test_a_wrong_edge_is_excused_up_to_its_margin() -> None:
    """The edge from 0 to 1 spans 10 degrees, that from 2 to 3 a little more."""
    metric = ring(0, 10, 100, 110.002)
    gap = math.cos(math.radians(10)) - math.cos(math.radians(10.002))
    wrong = torch.tensor([[0, 1, 2, 2]])
    assert not judge_image(wrong, metric, ONES, POSITION, Tolerance(gap * 0.99, 1.0)).explained
    excused = judge_image(wrong, metric, ONES, POSITION, Tolerance(gap * 1.01, 0.0))
    assert excused.explained
    assert excused.margin == pytest.approx(gap, rel=1e-6)


def test_the_size_penalty_belongs_to_the_edge() -> None:
    metric, size = ring(0, 10, 100, 110.002), torch.tensor([4.0, 1, 1, 1]).reshape(1, 4, 1)
    wrong = torch.tensor([[0, 1, 2, 2]])
    assert not judge_image(wrong, metric, size, POSITION, SMALL).explained
    penalised = dataclasses.replace(POSITION, size_penalty=0.05)
    assert judge_image(wrong, metric, size, penalised, SMALL) == Verdict(True, 0.0)


def test_flipped_near_tied_energies_are_excused_up_to_their_margin() -> None:
    metric, parameters, gap = near_tie()
    assert 1e-9 < gap < 1e-6
    exact, flipped = torch.tensor([[0, 0, 1, 2]]), torch.tensor([[0, 1, 0, 2]])
    assert judge_image(exact, metric, ONES, parameters, SMALL) == Verdict(True, 0.0)
    assert not judge_image(flipped, metric, ONES, parameters, Tolerance(1.0, gap * 0.99)).explained
    excused = judge_image(flipped, metric, ONES, parameters, Tolerance(0.0, gap * 1.01))
    assert excused.explained
    assert excused.margin == pytest.approx(gap, rel=1e-6)


def test_energies_may_differ_by_the_tolerance_and_no_more() -> None:
    metric, parameters, _ = near_tie()
    energies = energies_of(metric, parameters)
    gap = abs(float(energies[1] - energies[2]))
    flipped = torch.tensor([[0, 1, 0, 2]])
    assert judge_image(flipped, metric, ONES, parameters, Tolerance(0.0, gap)) == Verdict(True, gap)
    below = Tolerance(0.0, math.nextafter(gap, 0))
    assert not judge_image(flipped, metric, ONES, parameters, below).explained


def scores_order(metric: Tensor, parameters: MergeParameters) -> list[int]:
    _, energy = score_tokens(metric, torch.ones(1, metric.shape[1]).double(), parameters)
    return order_tokens(energy, parameters)[0].tolist()


def energies_of(metric: Tensor, parameters: MergeParameters) -> Tensor:
    return score_tokens(metric, torch.ones(1, metric.shape[1]).double(), parameters)[1][0]


def test_a_chain_of_near_ties_does_not_excuse_its_ends() -> None:
    """Each energy is within the tolerance of the next, the first and the third are not."""
    metric, parameters = ring(0, 5, 90, 95.0001, 200), merge_parameters(1, 2, 0, margin=0.0)
    sizes, energies, order = (
        torch.ones(1, 5, 1),
        energies_of(metric, parameters),
        scores_order(metric, parameters),
    )
    step = float((energies[order[:2]] - energies[order[1:3]]).max()) * 1.0001
    reach = float(energies[order[0]] - energies[order[2]]) * 1.0001
    assert reach > step
    second_and_third = torch.from_numpy(slots_of({order[1]: order[2]}, 5))[None]
    assert not judge_image(second_and_third, metric, sizes, parameters, Tolerance(1.0, step)).explained
    assert judge_image(second_and_third, metric, sizes, parameters, Tolerance(1.0, reach)).explained


@pytest.mark.parametrize(
    ("groups", "what"),
    [
        ([0, 1, 1, 2, 3, 4], "a token of low energy is protected"),
        ([0, 0, 1, 2, 3, 4], "the prefix never merges"),
        ([1, 0, 2, 2, 3, 4], "the prefix keeps its place"),
        ([0, 1, 2, 3, 4, 4], "another edge"),
        ([0, 1, 2, 3, 4, 5], "nothing merged"),
        ([0, 1, 1, 1, 2, 3], "too much merged"),
        ([0, 1, 1, 1, 1, 1], "everything in one group"),
    ],
)
def test_planted_mistakes_are_never_excused(groups: list[int], what: str) -> None:
    metric = ring(0, 180, 0, 1, 90, 95)
    parameters = merge_parameters(1, 4, 1, margin=0.0)
    sizes, rounding = torch.ones(1, 6, 1), Tolerance(1e-4, 1e-4)
    right = merge(metric, metric, sizes, parameters).assignment
    assert judge_image(right, metric, sizes, parameters, rounding) == Verdict(True, 0.0)
    assert judge_image(torch.tensor([groups]), metric, sizes, parameters, rounding) == Verdict(
        False, math.inf
    )


def test_same_groups_looks_at_groups_only() -> None:
    first = torch.tensor([[0, 1, 1, 2], [0, 1, 1, 2], [0, 1, 2, 2]])
    second = torch.tensor([[2, 0, 0, 1], [0, 1, 2, 2], [0, 2, 1, 1]])
    assert same_groups(first, second).tolist() == [True, False, True]


def test_same_tokens_is_the_share_in_the_same_group() -> None:
    first = torch.tensor([[0, 1, 1, 2], [0, 1, 1, 2], [0, 1, 2, 2]])
    second = torch.tensor([[2, 0, 0, 1], [0, 1, 2, 2], [0, 2, 1, 1]])
    assert same_tokens(first, second).tolist() == [1, 0.5, 1]


def test_padding_rows_that_are_equal_are_excused_by_their_margin() -> None:
    """Padding is all alike after a merge: where it goes is for rounding to say, where tokens go is not."""
    generator = torch.Generator().manual_seed(3)
    metric = torch.randn(1, 10, 8, generator=generator).double()
    metric[:, 6:] = metric[:, 6:7]
    size = torch.ones(1, 10, 1)
    size[:, 6:] = 0
    parameters = merge_parameters(2, 10, 0, margin=0.3)
    right = merge(metric, metric, size, parameters).assignment
    rounding = Tolerance(1e-12, 1e-12)
    assert judge_image(right, metric, size, parameters, rounding) == Verdict(True, 0.0)
    sources = [token for token in range(6, 10) if int((right[0] == right[0, token]).sum()) > 1]
    assert len(sources) >= 3, "both merges are padding into padding"
    order = [6, 7, 8, 9]  # ranks 0 and 2 are sources, 1 and 3 targets
    for first, second in itertools.product((7, 9), repeat=2):
        groups = torch.from_numpy(slots_of({order[0]: first, order[2]: second}, 10))[None]
        assert judge_image(groups, metric, size, parameters, rounding).explained
    wrong = torch.from_numpy(slots_of({order[0]: 7, 0: 1}, 10))[None]
    assert not judge_image(wrong, metric, size, parameters, rounding).explained
