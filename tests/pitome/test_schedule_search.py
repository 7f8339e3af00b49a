"""The search for a FLOPs target: what is met exactly, the strongest schedule, layers, and equal costs."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitome.errors import InputError
from pitome.schedule import TokenSchedule
from pitome.settings import Shape

SHAPES = get_args(Shape)


def token_share(schedule: TokenSchedule) -> float:
    """A cost that grows with every token kept in every layer."""
    return sum(schedule.tokens[1:]) / (schedule.num_tokens * len(schedule.num_merged))


def found(target: float, num_layers: int, num_tokens: int, **options: Any) -> TokenSchedule:
    return TokenSchedule.from_flops(target, token_share, num_layers, num_tokens, **options)


@pytest.mark.parametrize("shape", SHAPES)
@settings(deadline=None)
@given(target=st.floats(0.55, 1))
def test_a_target_that_a_schedule_costs_exactly_is_met_exactly(shape: Shape, target: float) -> None:
    schedule = found(target, 5, 60, shape=shape)
    cost = token_share(schedule)
    assert cost <= target
    assert token_share(found(cost, 5, 60, shape=shape)) == cost


@settings(deadline=None)
@given(target=st.floats(0.5, 1))
def test_the_shape_ratio_is_that_of_a_keep_ratio(target: float) -> None:
    """r = floor(T - T ratio), so some ratio lies in (1 - (r + 1) / T, 1 - r / T] of every layer."""
    schedule = found(target, 12, 197)
    layers = list(zip(schedule.tokens, schedule.num_merged, strict=False))
    lowest = max(1 - (merged + 1) / (tokens - 1) for tokens, merged in layers)
    assert lowest < min(1 - merged / (tokens - 1) for tokens, merged in layers)


@pytest.mark.parametrize("shape", SHAPES)
@settings(deadline=None)
@given(num_layers=st.integers(1, 6), num_tokens=st.integers(4, 60))
def test_the_strongest_schedule_halves_each_layer_and_can_be_asked_for(
    shape: Shape, num_layers: int, num_tokens: int
) -> None:
    strongest = TokenSchedule.from_ratio(0.5, num_layers, num_tokens)
    least = token_share(strongest)
    assert found(least, num_layers, num_tokens, shape=shape) == strongest
    with pytest.raises(InputError) as refused:
        found(least * 0.999, num_layers, num_tokens, shape=shape)
    assert str(refused.value) == (
        f"FLOPS={least * 0.999}: the smallest schedule (half of the tokens kept in each layer) still costs "
        f"{least:.3f}. Choose FLOPS={math.ceil(1000 * least) / 1000} or more"
    )


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        # Where several layers get one more at once, the larger ones get it first, one by one.
        ("constant", (4, 4, 4)),
        ("constant", (5, 4, 4)),
        ("constant", (5, 5, 4)),
        ("decreasing", (6, 4, 2)),
        ("decreasing", (9, 5, 2)),
        ("decreasing", (9, 6, 2)),
        ("decreasing", (9, 6, 3)),
        ("increasing", (2, 4, 6)),
        ("increasing", (2, 5, 9)),
        ("increasing", (2, 6, 9)),
        ("increasing", (3, 6, 9)),
    ],
)
def test_the_counts_of_each_shape(shape: Shape, wanted: tuple[int, ...]) -> None:
    cost = token_share(TokenSchedule(61, 1, wanted))
    assert found(cost, 3, 61, shape=shape).num_merged == wanted


@pytest.mark.parametrize("shape", SHAPES)
@settings(deadline=None)
@given(target=st.floats(0.8, 1), layers=st.sets(st.integers(0, 7), min_size=2))
def test_only_the_chosen_layers_merge(shape: Shape, target: float, layers: set[int]) -> None:
    schedule = found(max(target, 1 - len(layers) / 40), 8, 80, shape=shape, layers=sorted(layers))
    assert set(schedule.merging_layers) <= layers


@pytest.mark.parametrize("shape", SHAPES)
def test_the_whole_cost_merges_nothing_where_a_merge_costs_more_than_it_saves(shape: Shape) -> None:
    def with_overhead(schedule: TokenSchedule) -> float:
        return token_share(schedule) + (0 if schedule.merges_nothing else 0.1)

    assert TokenSchedule.from_flops(1, with_overhead, 4, 40, shape=shape).merges_nothing


def test_among_equal_costs_the_shape_s_own_schedule_is_taken() -> None:
    """A cost in steps of ten tokens: one more token in one layer changes nothing."""

    def in_steps(schedule: TokenSchedule) -> float:
        return math.ceil(sum(schedule.tokens[1:]) / 10) * 10 / (3 * schedule.num_tokens)

    schedule = TokenSchedule.from_flops(140 / 180, in_steps, 3, 60, shape="constant")
    assert len(set(schedule.num_merged)) == 1


def test_the_class_token_is_the_prefix_where_none_is_given() -> None:
    assert TokenSchedule.from_ratio(0.9, 1, 11) == TokenSchedule(11, 1, (1,))
    assert TokenSchedule.from_constant(2, 1, 11) == TokenSchedule(11, 1, (2,))
    assert TokenSchedule.from_list([2], 1, 11) == TokenSchedule(11, 1, (2,))
    assert found(0.9, 1, 11).num_protected == 1
