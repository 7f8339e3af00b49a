"""Token schedules: METHOD.md section 5, and the refusal of everything that does not fit."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitome.errors import InputError
from pitome.schedule import TokenSchedule, choose_candidates

CLIP_B16 = (197, 178, 161, 145, 131, 118, 107, 97, 88, 80, 73, 66, 60)


def test_clip_b16_at_keep_ratio_nine_tenths() -> None:
    schedule = TokenSchedule.from_ratio(0.9, num_layers=12, num_tokens=197, num_protected=1)
    assert schedule.tokens == CLIP_B16
    assert schedule.num_merged == (19, 17, 16, 14, 13, 11, 10, 9, 8, 7, 7, 6)
    assert schedule == TokenSchedule(197, 1, schedule.num_merged)


def test_keep_ratio_one_merges_nothing() -> None:
    schedule = TokenSchedule.from_ratio(1.0, 4, 50, 1)
    assert schedule.num_merged == (0, 0, 0, 0)
    assert schedule.tokens == (50,) * 5


def test_ratio_counts_without_the_prefix() -> None:
    assert TokenSchedule.from_ratio(0.9, 1, 11, 1).num_merged == (1,)
    assert TokenSchedule.from_ratio(0.9, 1, 11, 2).num_merged == (0,)


def test_ratio_only_in_chosen_layers() -> None:
    schedule = TokenSchedule.from_ratio(0.8, 4, 101, 1, layers=[0, 2])
    assert schedule.num_merged == (20, 0, 16, 0)


def test_too_small_a_ratio_is_clamped_with_a_warning() -> None:
    with pytest.warns(
        UserWarning, match=r"RATIO=0.3 asks layer 0 to merge 7 of 11 tokens; .* so it merges 5"
    ):
        schedule = TokenSchedule.from_ratio(0.3, 1, 12, 1)
    assert schedule.num_merged == (5,)


@settings(deadline=None)
@given(
    ratio=st.floats(0, 1, exclude_min=True),
    num_layers=st.integers(1, 40),
    unprotected=st.integers(0, 4000),
    num_protected=st.integers(0, 5),
)
def test_any_ratio_gives_a_schedule_that_fits(
    ratio: float, num_layers: int, unprotected: int, num_protected: int
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        schedule = TokenSchedule.from_ratio(ratio, num_layers, unprotected + num_protected, num_protected)
    assert len(schedule.tokens) == num_layers + 1
    clamped = 0
    for before, merged in zip(schedule.tokens, schedule.num_merged, strict=False):
        left = before - num_protected
        wanted = math.floor(left - left * ratio)
        assert merged == min(wanted, left // 2)
        clamped += wanted > left // 2
    assert bool(caught) == bool(clamped)


@pytest.mark.parametrize("ratio", [0.0, -0.1, 1.0001, 2.0, float("nan"), float("inf")])
def test_ratio_out_of_range_is_refused(ratio: float) -> None:
    with pytest.raises(InputError) as refused:
        TokenSchedule.from_ratio(ratio, 12, 197, 1)
    assert str(refused.value) == (
        f"RATIO={ratio}: a keep ratio lies in (0, 1], where 1 merges nothing. Choose for instance RATIO=0.9"
    )


def test_constant() -> None:
    assert TokenSchedule.from_constant(8, 3, 50, 1).tokens == (50, 42, 34, 26)
    assert TokenSchedule.from_constant(8, 3, 50, 1, layers=[1]).num_merged == (0, 8, 0)
    assert TokenSchedule.from_constant(0, 3, 50, 1).tokens == (50,) * 4


def test_constant_that_runs_out_of_tokens_names_the_layer() -> None:
    with pytest.raises(InputError) as refused:
        TokenSchedule.from_constant(18, 4, 66, 1)
    assert str(refused.value) == (
        "R=18, merging 18 tokens in layer 2: 29 unprotected tokens are left there, "
        "at most half of them can merge. Merge at most 14 tokens in this layer"
    )


def test_list() -> None:
    schedule = TokenSchedule.from_list([3, 0, 5], 3, 20, 1)
    assert schedule.num_merged == (3, 0, 5)
    assert schedule.tokens == (20, 17, 17, 12)
    assert schedule.merging_layers == (0, 2)


@pytest.mark.parametrize("counts", [[3, 3], [3, 3, 3, 3], []])
def test_list_of_the_wrong_length_is_refused(counts: list[int]) -> None:
    with pytest.raises(InputError) as refused:
        TokenSchedule.from_list(counts, 3, 20, 1)
    assert str(refused.value) == (
        f"R={','.join(map(str, counts))}: {len(counts)} counts for a model of 3 layers. "
        "Give 3 counts, with 0 for a layer that merges nothing"
    )


@pytest.mark.parametrize(("counts", "layer", "left"), [([10, 0], 0, 19), ([9, 6], 1, 10)])
def test_list_that_does_not_fit_is_refused(counts: list[int], layer: int, left: int) -> None:
    with pytest.raises(InputError) as refused:
        TokenSchedule.from_list(counts, 2, 20, 1)
    assert (
        refused.value.asked == f"R={counts[0]},{counts[1]}, merging {counts[layer]} tokens in layer {layer}"
    )
    assert refused.value.found.startswith(f"{left} unprotected tokens are left there")
    assert refused.value.remedy == f"Merge at most {left // 2} tokens in this layer"


@pytest.mark.parametrize(
    ("make", "asked"),
    [
        (lambda: TokenSchedule.from_constant(-1, 2, 20, 1), "R=-1, merging -1 tokens in layer 0"),
        (lambda: TokenSchedule.from_list([0, -1], 2, 20, 1), "R=0,-1, merging -1 tokens in layer 1"),
        (lambda: TokenSchedule(20, 1, (-1, 0)), "merging -1 tokens in layer 0"),
    ],
)
def test_negative_counts_are_refused(make: Callable[[], TokenSchedule], asked: str) -> None:
    with pytest.raises(InputError) as refused:
        make()
    assert str(refused.value) == (
        f"{asked}: it is not a number of tokens from 0 up. Give a number of tokens from 0 up"
    )


@pytest.mark.parametrize(
    ("layers", "wrong"), [([12], "12"), ([0, -1], "-1"), ([3, 40], "40"), ([40, 3, 12], "12, 40")]
)
def test_layers_that_do_not_exist_are_refused(layers: list[int], wrong: str) -> None:
    for make in (TokenSchedule.from_ratio, TokenSchedule.from_constant):
        with pytest.raises(InputError) as refused:
            make(1, 12, 197, 1, layers=layers)
        assert str(refused.value) == (
            f"LAYERS={','.join(map(str, layers))}: the model has the layers 0 to 11, not {wrong}. "
            "Name layers that exist"
        )


def test_a_schedule_cannot_change() -> None:
    schedule = TokenSchedule(20, 1, (3,))
    with pytest.raises(AttributeError):
        schedule.num_tokens = 21  # type: ignore[misc]
    assert {schedule: "hashable"}[TokenSchedule(20, 1, (3,))] == "hashable"


def relative_tokens(schedule: TokenSchedule) -> float:
    return sum(schedule.tokens[1:]) / (schedule.num_tokens * len(schedule.num_merged))


@pytest.mark.parametrize("target", [0.5, 0.62, 0.9, 0.999, 1.0])
def test_flops_target_is_met_from_below_and_no_larger_ratio_meets_it(target: float) -> None:
    schedule = TokenSchedule.from_flops(target, relative_tokens, 12, 197, 1)
    assert relative_tokens(schedule) <= target
    finer = [TokenSchedule.from_ratio(0.5 + 0.5 * step / 4000, 12, 197, 1) for step in range(1, 4001)]
    best = max(cost for cost in map(relative_tokens, finer) if cost <= target)
    assert relative_tokens(schedule) >= best - 1e-3


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (0.0, "FLOPS=0.0: a FLOPs target lies in (0, 1]. Choose for instance FLOPS=0.6"),
        (1.1, "FLOPS=1.1: a FLOPs target lies in (0, 1]. Choose for instance FLOPS=0.6"),
        (0.01, "FLOPS=0.01: the smallest schedule (half of the tokens kept in each layer) still costs "),
    ],
)
def test_flops_target_out_of_reach_is_refused(target: float, message: str) -> None:
    with pytest.raises(InputError) as refused:
        TokenSchedule.from_flops(target, relative_tokens, 12, 197, 1)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("choice", "num_unprotected", "num_merged", "candidates"),
    [
        ("paper", 196, 19, 38),
        ("all", 196, 19, 196),
        (0.1, 196, 19, 176),  # floor(176.4 + 0.5)
        (0.5, 7, 1, 4),  # floor(3.5 + 0.5)
        (0.0, 196, 19, 196),
        (0.99, 196, 19, 38),
        (100, 196, 19, 100),
        (38, 196, 19, 38),
        (196, 196, 19, 196),
    ],
)
def test_candidates(choice: Any, num_unprotected: int, num_merged: int, candidates: int) -> None:
    assert choose_candidates(choice, num_unprotected, num_merged) == candidates


@settings(deadline=None)
@given(fraction=st.floats(0, 1, exclude_max=True), unprotected=st.integers(2, 4000), data=st.data())
def test_a_protected_fraction_always_fits(fraction: float, unprotected: int, data: st.DataObject) -> None:
    merged = data.draw(st.integers(1, unprotected // 2))
    candidates = choose_candidates(fraction, unprotected, merged)
    assert 2 * merged <= candidates <= unprotected
    if 2 * merged < candidates < unprotected:
        assert abs((unprotected - candidates) - fraction * unprotected) <= 0.5 + 1e-9


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (
            37,
            "CANDIDATES=37: a layer with 196 unprotected tokens that merges 19 takes 38 to 196 candidates",
        ),
        (
            197,
            "CANDIDATES=197: a layer with 196 unprotected tokens that merges 19 takes 38 to 196 candidates",
        ),
        (
            "most",
            "CANDIDATES=most: a layer with 196 unprotected tokens that merges 19 takes 38 to 196 candidates. "
            "Give a number in that range, or all, or paper",
        ),
        (1.0, "PROTECT=1.0: a protected fraction lies in [0, 1). Choose for instance PROTECT=0.1"),
        (-0.1, "PROTECT=-0.1: a protected fraction lies in [0, 1). Choose for instance PROTECT=0.1"),
        (float("nan"), "PROTECT=nan: a protected fraction lies in [0, 1)"),
    ],
)
def test_candidates_that_do_not_fit_are_refused(choice: Any, message: str) -> None:
    with pytest.raises(InputError) as refused:
        choose_candidates(choice, 196, 19)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize("shape", ["constant", "decreasing", "increasing"])
@settings(deadline=None)
@given(target=st.floats(0.4, 1))
def test_a_shape_reaches_the_target_from_below(shape: Any, target: float) -> None:
    schedule = TokenSchedule.from_flops(target, relative_tokens, 12, 197, 1, shape=shape)
    assert relative_tokens(schedule) <= target
    merged = schedule.num_merged
    limited = [2 * count >= left - 1 - 1 for count, left in zip(merged, schedule.tokens, strict=False)]
    if any(limited):
        return  # half of what is left is the most that a layer merges, so the shape bends there
    steps = [later - earlier for earlier, later in pairwise(merged)]
    assert {
        "constant": all(step in (0, -1) for step in steps) and steps.count(-1) <= 1,
        "decreasing": all(step <= 0 for step in steps),
        "increasing": all(step >= 0 for step in steps),
    }[shape]


def test_a_constant_shape_comes_within_one_token_of_its_target() -> None:
    for target in (0.55, 0.6, 0.7, 0.8):
        schedule = TokenSchedule.from_flops(target, relative_tokens, 12, 197, 1, shape="constant")
        assert relative_tokens(schedule) <= target
        fewest = max(schedule.num_merged)
        last = schedule.num_merged.index(fewest) + schedule.num_merged.count(fewest) - 1
        fewer = [count - (layer == last) for layer, count in enumerate(schedule.num_merged)]
        assert relative_tokens(TokenSchedule.from_list(fewer, 12, 197, 1)) > target


def test_a_shape_spreads_over_the_chosen_layers_only() -> None:
    schedule = TokenSchedule.from_flops(
        0.9, relative_tokens, 12, 197, 1, layers=(2, 3, 4), shape="decreasing"
    )
    assert schedule.merging_layers == (2, 3, 4)
    first, second, third = schedule.num_merged[2:5]
    assert first > second > third


def test_an_unknown_shape_is_refused() -> None:
    shape: Any = "steep"
    with pytest.raises(InputError) as error:
        TokenSchedule.from_flops(0.7, relative_tokens, 12, 197, 1, shape=shape)
    assert str(error.value) == (
        "SHAPE=steep: the shapes are ratio, constant, decreasing, increasing. Choose one of these"
    )
