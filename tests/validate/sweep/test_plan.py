"""Which points a grid means: each once, in full, fair, and the telling ones first."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pitome.validate.sweep.settings import (
    FULL,
    GRIDS,
    QUICK,
    Grid,
    Point,
    is_plain_tome,
    make_points,
    margin_of,
)

from pitome import compress
from pitome.errors import InputError
from pitome.models.families import family_of
from tests.tiny_models import outputs_of, tiny_images, tiny_model

SMALL = Grid(flops=(0.7,), shapes=("ratio",))
MODEL = tiny_model("ViTForImageClassification")


def points_of(grid: Grid) -> list[Point]:
    points, refused = make_points(grid, family_of(MODEL), family_of(MODEL).shape(MODEL))
    assert not refused
    return points


def logits(point: Point) -> torch.Tensor:
    merged = compress(MODEL, point.schedule, **point.setting.as_arguments())
    return outputs_of(merged, tiny_images(3))["logits"]


def test_every_method_gets_the_same_schedules_and_options() -> None:
    points = points_of(replace(QUICK, flops=(0.7,), changes=9))
    by_method: dict[str, set[Any]] = {}
    for point in points:
        by_method.setdefault(point.setting.method, set()).add(
            (point.schedule.num_merged, point.setting.metric, point.setting.size_penalty)
        )
    assert by_method["pitome"] == by_method["tome"]
    assert {(merged, metric) for merged, metric, _ in by_method["paper"]} == {
        (merged, metric) for merged, metric, _ in by_method["tome"]
    }
    assert {merged for merged, _, _ in by_method["random"]} == {merged for merged, _, _ in by_method["tome"]}


def test_points_that_mean_the_same_appear_once() -> None:
    same = Grid(
        methods=("pitome", "paper"),
        flops=(0.7,),
        shapes=("ratio",),
        metrics=("keys",),
        candidates=("paper",),
        margins=(None, (0.9, 0.9)),
        energies=(None, "elu"),
        splits=(None, "alternate"),
        size_penalties=(0.0, 0.05),
        changes=9,
    )
    assert len(points_of(same)) == 1


def test_points_with_different_keys_give_different_answers() -> None:
    grid = replace(
        SMALL,
        methods=("pitome", "tome", "paper", "random"),
        metrics=("hidden",),
        candidates=(0.3, "all", "paper"),
        margins=(None, (0.5, 0.0)),
        size_penalties=(0.0, 1.0),
        changes=9,
    )
    points = points_of(grid)
    answers = [logits(point) for point in points]
    different = sum(not torch.equal(a, b) for a, b in itertools.combinations(answers, 2))
    # Two settings may happen to agree on three images, but hardly ever do.
    assert different > 0.9 * len(points) * (len(points) - 1) / 2


def test_a_setting_without_effect_has_the_same_answers() -> None:
    """With M = 2r every edge is taken, and in the first merge all sizes are 1: no size penalty matters."""
    images = tiny_images(3)
    for options in ({"candidates": "paper", "flops": 0.7}, {"ratio": 0.7, "layers": [1]}):
        free, charged = (
            outputs_of(compress(MODEL, method="pitome", size_penalty=penalty, **options), images)["logits"]
            for penalty in (0.0, 3.0)
        )
        assert torch.equal(free, charged)


def test_options_that_a_method_ignores_do_not_multiply_its_points() -> None:
    wide = replace(SMALL, margins=(None, (0.5, 0.0), (0.7, 0.0)), candidates=(0.1, 0.3, "all"), changes=9)
    count = {
        method: sum(point.setting.method == method for point in points_of(wide))
        for method in ("tome", "random")
    }
    assert count == {"tome": 4, "random": 1}


def test_first_come_the_points_that_change_nothing() -> None:
    points = points_of(replace(QUICK, flops=(0.7, 0.8), shapes=("ratio",)))
    plain = [point for point in points if point.setting.metric in ("hidden", None)]
    labels = [point.label for point in plain[:5]]
    assert labels == [
        "tome hidden penalty 0 at FLOPs 0.7, ratio",
        "pitome hidden protect 0.1 penalty 0.05 at FLOPs 0.7, ratio",
        "tome hidden penalty 0.05 at FLOPs 0.7, ratio",
        "paper hidden at FLOPs 0.7, ratio",
        "random at FLOPs 0.7, ratio",
    ]


def test_plain_tome_is_there_and_comes_before_what_is_compared_with_it() -> None:
    points = points_of(replace(QUICK, flops=(0.7, 0.8), size_penalties=(0.05,)))
    seen: dict[str, Point] = {}
    for point in points:
        if point.baseline is None:
            assert is_plain_tome(point.setting)
        else:
            tome = seen[point.baseline]
            assert tome.schedule == point.schedule
            assert point.setting.metric in (None, tome.setting.metric)
        seen[point.key] = point


def test_without_tome_there_is_nothing_to_compare_with() -> None:
    assert {point.baseline for point in points_of(replace(SMALL, methods=("pitome", "random")))} == {None}


@pytest.mark.parametrize("shape", ["ratio", "constant", "decreasing", "increasing"])
def test_a_flops_target_is_not_exceeded_whatever_the_metric(shape: Any) -> None:
    for point in points_of(replace(QUICK, flops=(0.8,), shapes=(shape,))):
        assert point.flops_ratio <= 0.8


def test_other_shapes_of_a_keep_ratio_cost_what_it_costs() -> None:
    points = points_of(Grid(methods=("tome",), flops=(), ratios=(0.8,), metrics=("hidden",)))
    ratio, constant = (
        next(point for point in points if point.planned.form == form) for form in ("ratio", "constant")
    )
    assert ratio.label == "tome hidden penalty 0 at keep ratio 0.8, ratio"
    merged = constant.schedule.num_merged
    assert max(merged) - min(merged) <= 1
    assert ratio.flops_ratio - 0.03 < constant.flops_ratio <= ratio.flops_ratio


def test_chosen_layers() -> None:
    points = points_of(replace(SMALL, flops=(0.8,), layers=((0, 1),), methods=("tome",)))
    assert all(point.schedule.merging_layers == (0, 1) for point in points)
    assert points[0].label.endswith("at FLOPs 0.8, ratio, layers 0,1")


def test_what_cannot_be_made_is_kept_with_its_reason() -> None:
    shape = family_of(MODEL).shape(MODEL)
    grid = Grid(methods=("tome", "pitome"), flops=(0.1, 0.7), shapes=("ratio",), candidates=(0.1, 3))
    points, refused = make_points(grid, family_of(MODEL), shape)
    assert points
    reasons = {each.label: each.reason for each in refused}
    assert "still costs" in reasons["FLOPs 0.1, ratio"]
    assert "CANDIDATES=3" in reasons["pitome hidden M=3 penalty 0.05 at FLOPs 0.7, ratio"]
    assert len({each.key for each in refused}) == len(refused) == 2


def test_a_point_leaves_nothing_to_the_method() -> None:
    for point in points_of(replace(SMALL, methods=("pitome", "tome", "paper"))):
        assert None not in point.setting.as_arguments().values()
        merged: Any = compress(MODEL, point.schedule, **point.setting.as_arguments())
        assert merged.compression.settings == point.settings
        assert merged.compression.flops.ratio == point.flops_ratio


@settings(max_examples=50, deadline=None)
@given(st.floats(-2, 2), st.floats(-2, 2), st.integers(1, 30))
def test_margins_along_a_line_are_a_start_and_a_slope(start: float, slope: float, layers: int) -> None:
    margins = tuple(start - slope * layer / layers for layer in range(layers))
    found = margin_of(margins)
    assert found is not None
    for layer, margin in enumerate(margins):
        assert found[0] - found[1] * layer / layers == pytest.approx(margin, abs=2e-9)


def test_margins_off_a_line_have_no_slope() -> None:
    assert margin_of((0.9, 0.5, 0.4)) is None


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"methods": ("none",)}, "METHODS=none: the unmerged model is always in a sweep"),
        ({"methods": ("tofu",)}, "METHODS=tofu: the methods are pitome, paper, tome, random, authors"),
        ({"flops": (1.5,)}, r"FLOPS=1.5: it lies in \(0, 1\]"),
        ({"flops": ()}, "FLOPS and RATIOS: both lists are empty"),
        ({"metrics": ()}, "METRICS: the list is empty"),
        ({"changes": -1}, "CHANGES=-1: negative"),
    ],
)
def test_refusals(change: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        replace(QUICK, **change)


def test_the_grids_have_sensible_sizes() -> None:
    assert set(GRIDS) == {"quick", "full"}
    shape = family_of(MODEL).shape(MODEL)
    quick, full = (len(make_points(grid, family_of(MODEL), shape)[0]) for grid in (QUICK, FULL))
    assert 30 <= quick <= 60
    assert 10 * quick < full < 2000


@pytest.mark.parametrize("metrics", [("keys",), ("hidden", "keys")])
def test_the_target_is_met_by_the_dearest_metric_that_is_tried(metrics: Any) -> None:
    points = points_of(Grid(methods=("pitome",), flops=(0.7,), shapes=("ratio",), metrics=metrics))
    ratios = {point.setting.metric: point.flops_ratio for point in points}
    alone: Any = compress(MODEL, flops=0.7, metric=metrics[0]).compression
    assert ratios[metrics[0]] == alone.flops.ratio
    assert max(ratios.values()) <= 0.7
