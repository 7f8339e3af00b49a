"""The judge of merge decisions: it excuses what rounding can flip, and nothing else."""

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

from pitome.energies import Energy
from pitome.merge import merge, order_tokens, score_tokens
from pitome.parameters import MergeParameters
from pitome.validate.parity.agreement import first_differences
from pitome.validate.parity.decisions import (
    Rounding,
    Verdict,
    decision_margins,
    judge,
    measure_rounding,
    same_groups,
    same_tokens,
    smallest_margin,
)
from tests.merge_parameters import merge_parameters
from tests.pitome.slow_checker import TooManyTies, explains
from tests.pitome.slow_merge import decide, slots_of

pytestmark = pytest.mark.quick
SMALL = Rounding(1e-9, 1e-9)


@st.composite
def merges(draw: st.DrawFn, largest: int = 40) -> tuple[Tensor, Tensor, MergeParameters]:
    """Random metric [1, N, D] float32, sizes [1, N, 1] and fitting parameters."""
    prefix = draw(st.integers(0, 2))
    unprotected = draw(st.integers(2, largest))
    merged = draw(st.integers(1, unprotected // 2))
    energy: Energy = draw(st.sampled_from(("elu", "gaussian")))
    parameters = merge_parameters(
        merged,
        draw(st.integers(2 * merged, unprotected)),
        prefix,
        # So narrow a Gaussian that all energies of random rows are equal leaves nothing to judge.
        margin=draw(st.sampled_from([0.0, 0.3, 0.9] if energy == "elu" else [-1.0, 0.0, 0.3])),
        size_penalty=draw(st.sampled_from([0.0, 0.05])),
        order=draw(st.sampled_from(["energy", "position"])),
        energy=energy,
        split=draw(st.sampled_from(["alternate", "half"])),
    )
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    metric = torch.randn(1, prefix + unprotected, 16, generator=generator)
    size = torch.randint(1, 4, (1, prefix + unprotected, 1), generator=generator).float()
    return metric, size, parameters


def judge_image(
    assignment: Tensor, metric: Tensor, size: Tensor, parameters: MergeParameters, tolerance: Rounding
) -> Verdict:
    return judge(assignment[0], metric[0].double(), size[0], parameters, tolerance)


@settings(max_examples=100, deadline=None)
@given(merges())
def test_float32_decisions_are_explained_by_the_measured_rounding(
    case: tuple[Tensor, Tensor, MergeParameters],
) -> None:
    metric, size, parameters = case
    rounding = measure_rounding(metric, metric.double(), size, parameters).times(2)
    decided = merge(metric, metric, size, parameters).assignment
    verdict = judge_image(decided, metric, size, parameters, rounding)
    assert verdict.explained
    assert verdict.margin <= max(rounding.energy, rounding.similarity)


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
    rounding = measure_rounding(moved.float(), exact, size, parameters).times(2)
    assert judge_image(decided, exact, size, parameters, rounding).explained


def near_runs(metric: Tensor, size: Tensor, parameters: MergeParameters, noise: float) -> list[int]:
    """Lengths of runs of more than four energies that noise can put in another order."""
    prefix = parameters.num_protected
    _, energy = score_tokens(metric[:, prefix:], size[:, prefix:, 0].double(), parameters)
    close = energy[0].sort().values.diff() <= 10 * noise
    lengths, length = [], 1
    for is_close in [*close.tolist(), False]:
        length = length + 1 if is_close else 1
        if length > 4:
            lengths.append(length)
    return lengths


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
    narrow, wide = Rounding(1e-6, 1e-6), Rounding(0.05, 0.05)
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


def checker_explains(
    decided: Tensor, metric: Tensor, size: Tensor, parameters: MergeParameters, eps: float
) -> bool:
    """The slow checker also looks at slot numbers: let every member of a group be the one that receives."""
    groups = [np.flatnonzero(decided[0].numpy() == slot).tolist() for slot in decided[0].unique()]
    for receivers in itertools.product(*groups):
        goes_to = {
            token: receiver
            for group, receiver in zip(groups, receivers, strict=True)
            for token in group
            if token != receiver
        }
        if explains(slots_of(goes_to, decided.shape[1])[None], metric, size, parameters, eps):
            return True
    return False


def ring(*degrees: float) -> Tensor:
    """Metric [1, N, 2] float64: unit vectors at these angles."""
    angles = torch.tensor(degrees, dtype=torch.float64) * math.pi / 180
    return torch.stack([angles.cos(), angles.sin()], dim=-1)[None]


POSITION = MergeParameters(1, 4, 0, order="position")
ONES = torch.ones(1, 4, 1)


def test_a_wrong_target_is_excused_up_to_its_margin() -> None:
    """A = tokens 0 and 2, B = 1 and 3; the edge from 0 to 1 is best, and 3 is a little further away."""
    metric = ring(0, 10, 120, -10.001)
    gap = math.cos(math.radians(10)) - math.cos(math.radians(10.001))
    best, second = torch.tensor([[0, 0, 1, 2]]), torch.tensor([[2, 0, 1, 2]])
    assert judge_image(best, metric, ONES, POSITION, SMALL) == Verdict(True, 0.0)
    refused = judge_image(second, metric, ONES, POSITION, Rounding(gap * 0.99, 1.0))
    assert refused == Verdict(False, math.inf)
    excused = judge_image(second, metric, ONES, POSITION, Rounding(gap * 1.01, 0.0))
    assert excused.explained
    assert excused.margin == pytest.approx(gap, rel=1e-6)


def test_a_wrong_edge_is_excused_up_to_its_margin() -> None:
    """The edge from 0 to 1 spans 10 degrees, that from 2 to 3 a little more."""
    metric = ring(0, 10, 100, 110.002)
    gap = math.cos(math.radians(10)) - math.cos(math.radians(10.002))
    wrong = torch.tensor([[0, 1, 2, 2]])
    assert not judge_image(wrong, metric, ONES, POSITION, Rounding(gap * 0.99, 1.0)).explained
    excused = judge_image(wrong, metric, ONES, POSITION, Rounding(gap * 1.01, 0.0))
    assert excused.explained
    assert excused.margin == pytest.approx(gap, rel=1e-6)


def test_the_size_penalty_belongs_to_the_edge() -> None:
    metric, size = ring(0, 10, 100, 110.002), torch.tensor([4.0, 1, 1, 1]).reshape(1, 4, 1)
    wrong = torch.tensor([[0, 1, 2, 2]])
    assert not judge_image(wrong, metric, size, POSITION, SMALL).explained
    penalised = dataclasses.replace(POSITION, size_penalty=0.05)
    assert judge_image(wrong, metric, size, penalised, SMALL) == Verdict(True, 0.0)


def near_tie() -> tuple[Tensor, MergeParameters, float]:
    """Token 0 merges with 1 or with 2, whose energies are nearly tied; and by how much."""
    metric, parameters = ring(0, 5, -5.0001, 180), merge_parameters(1, 2, 0, margin=0.0)
    _, margins = decide(metric[0].numpy(), np.ones(4), parameters)
    return metric, parameters, float(margins.order[1])


def test_flipped_near_tied_energies_are_excused_up_to_their_margin() -> None:
    metric, parameters, gap = near_tie()
    assert 1e-9 < gap < 1e-6
    exact, flipped = torch.tensor([[0, 0, 1, 2]]), torch.tensor([[0, 1, 0, 2]])
    assert judge_image(exact, metric, ONES, parameters, SMALL) == Verdict(True, 0.0)
    assert not judge_image(flipped, metric, ONES, parameters, Rounding(1.0, gap * 0.99)).explained
    excused = judge_image(flipped, metric, ONES, parameters, Rounding(0.0, gap * 1.01))
    assert excused.explained
    assert excused.margin == pytest.approx(gap, rel=1e-6)


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
    assert not judge_image(second_and_third, metric, sizes, parameters, Rounding(1.0, step)).explained
    assert judge_image(second_and_third, metric, sizes, parameters, Rounding(1.0, reach)).explained


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
    sizes, rounding = torch.ones(1, 6, 1), Rounding(1e-4, 1e-4)
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


def test_smallest_margin_is_the_smallest_gap_of_energies() -> None:
    metric, parameters, gap = near_tie()
    assert smallest_margin(metric[0], ONES[0], parameters) == pytest.approx(gap)
    assert smallest_margin(metric[0], ONES[0], POSITION) == math.inf


def slow_margins(metric: Tensor, size: Tensor, parameters: MergeParameters) -> dict[str, list[float]]:
    """``decision_margins`` of one input, one decision at a time."""
    rows = [row / row.norm().clamp(min=1e-6) for row in metric[parameters.num_protected :]]
    sizes = size[parameters.num_protected :, 0].tolist()
    count = len(rows)
    similarity = [[float(one @ other) for other in rows] for one in rows]

    def value(cosine: float) -> float:
        if parameters.function == "gaussian":
            return math.exp(-0.5 * ((1 - cosine) / (1 - parameters.margin)) ** 2)
        above = cosine - parameters.margin
        return above if above > 0 else parameters.alpha * (math.exp(above) - 1)

    real = [token for token in range(count) if sizes[token] > 0]
    energy = [
        sum(value(similarity[token][other]) for other in real) / max(len(real), 1) for token in range(count)
    ]
    finite = sorted(energy[token] for token in real)
    ranked = list(range(count))
    if parameters.order == "energy":
        ranked.sort(key=lambda token: (-(energy[token] if sizes[token] > 0 else math.inf), token))
    ranked = ranked[: parameters.num_candidates]
    half = (len(ranked) + 1) // 2
    alternate = parameters.split == "alternate"
    first, second = (ranked[0::2], ranked[1::2]) if alternate else (ranked[:half], ranked[half:])
    edges = {
        token: max(similarity[token][other] for other in second)
        - parameters.size_penalty * math.log(sizes[token])
        if sizes[token] > 0
        else math.inf
        for token in first
    }
    by_edge = sorted(first, key=lambda token: -edges[token])
    taken = by_edge[: parameters.num_merged]
    targets = []
    for token in taken:
        if sizes[token] > 0 and len(second) > 1:
            best, next_best = sorted((similarity[token][other] for other in second), reverse=True)[:2]
            targets.append(best - next_best)
    last = [edges[token] for token in by_edge[parameters.num_merged - 1 : parameters.num_merged + 1]]
    return {
        "order": [b - a for a, b in itertools.pairwise(finite)] if parameters.order == "energy" else [],
        "target": targets,
        "edge": [last[0] - last[1]] if len(last) == 2 and math.isfinite(last[0] - last[1]) else [],
    }


@settings(max_examples=60, deadline=None)
@given(merges(largest=14), st.data())
def test_margins_are_those_of_each_decision(
    case: tuple[Tensor, Tensor, MergeParameters], data: st.DataObject
) -> None:
    metric, size, parameters = case
    padding = data.draw(st.integers(0, (metric.shape[1] - parameters.num_protected) // 2))
    size = size.clone()
    size[:, metric.shape[1] - padding :] = 0
    found = decision_margins(metric[0].double(), size[0], parameters)
    expected = slow_margins(metric[0].double(), size[0], parameters)
    assert found.keys() == expected.keys()
    for kind, values in expected.items():
        np.testing.assert_allclose(sorted(found[kind]), sorted(values), atol=1e-12)  # type: ignore[index]
    if parameters.order == "energy" and found["order"].size:
        smallest = smallest_margin(metric[0].double(), size[0], parameters)
        assert smallest == pytest.approx(found["order"].min())


def test_padding_rows_that_are_equal_are_excused_by_their_margin() -> None:
    """Padding is all alike after a merge: where it goes is for rounding to say, where tokens go is not."""
    generator = torch.Generator().manual_seed(3)
    metric = torch.randn(1, 10, 8, generator=generator).double()
    metric[:, 6:] = metric[:, 6:7]
    size = torch.ones(1, 10, 1)
    size[:, 6:] = 0
    parameters = merge_parameters(2, 10, 0, margin=0.3)
    right = merge(metric, metric, size, parameters).assignment
    rounding = Rounding(1e-12, 1e-12)
    assert judge_image(right, metric, size, parameters, rounding) == Verdict(True, 0.0)
    sources = [token for token in range(6, 10) if int((right[0] == right[0, token]).sum()) > 1]
    assert len(sources) >= 3, "both merges are padding into padding"
    order = [6, 7, 8, 9]  # ranks 0 and 2 are sources, 1 and 3 targets
    for first, second in itertools.product((7, 9), repeat=2):
        groups = torch.from_numpy(slots_of({order[0]: first, order[2]: second}, 10))[None]
        assert judge_image(groups, metric, size, parameters, rounding).explained
    wrong = torch.from_numpy(slots_of({order[0]: 7, 0: 1}, 10))[None]
    assert not judge_image(wrong, metric, size, parameters, rounding).explained


def test_runs_first_differ_in_one_layer_each() -> None:
    same, other = torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1])
    ours = [torch.stack([same] * 4), torch.stack([same] * 4), torch.stack([same] * 4)]
    theirs = [
        torch.stack([same, same, other, same]),
        torch.stack([other, same, other, same]),
        torch.stack([other, other, same, same]),
    ]
    assert first_differences(ours, theirs) == ([1, 1, 1], 1)
    assert first_differences(ours, ours) == ([0, 0, 0], 4)


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
    assert rounding.times(2) == Rounding(2 * rounding.similarity, 2 * rounding.energy)
    assert Rounding(1.0, 2.0).largest(Rounding(3.0, 0.0)) == Rounding(3.0, 2.0)
