"""Which points a grid means: each once, in full, fair, and the telling ones first."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any, get_args

import pytest
import torch

from pitome import compress
from pitome.energies import Energy
from pitome.errors import InputError
from pitome.methods import make_method
from pitome.models.families import family_of
from pitome.settings import MergeSettings, ScheduleOptions
from pitome.validate.sweep.grid import FULL, GRIDS, OWN, QUICK, Axis, Grid
from pitome.validate.sweep.labels import label_of
from pitome.validate.sweep.plan import Point, is_baseline, make_points
from tests.tiny_models import outputs_of, tiny_images, tiny_model, tiny_text_model

SMALL = Grid(flops=(0.7,), shapes=("ratio",))
MODEL = tiny_model("ViTForImageClassification")


def metrics(*values: Any) -> Axis:
    return Axis("metric", tuple(MergeSettings(metric=value) for value in values))


def candidates(*values: Any) -> Axis:
    return Axis("candidates", tuple(MergeSettings(candidates=value) for value in values))


def margins(*values: Any) -> Axis:
    return Axis("margin", tuple(MergeSettings(margin=value) for value in values))


def energies(*values: Any) -> Axis:
    return Axis("energy", tuple(MergeSettings(energy=value) for value in values))


def penalties(*values: float) -> Axis:
    return Axis("size_penalty", tuple(MergeSettings(size_penalty=value) for value in values))


def points_of(grid: Grid) -> list[Point]:
    points, refused = make_points(grid, family_of(MODEL), family_of(MODEL).shape(MODEL))
    assert not refused
    return points


def logits(point: Point) -> torch.Tensor:
    merged = compress(MODEL, point.schedule, point.settings)
    return outputs_of(merged, tiny_images(3))["logits"]


def test_every_method_gets_the_same_schedules_and_options() -> None:
    points = points_of(replace(QUICK, flops=(0.7,), changes=9))
    by_method: dict[str, set[Any]] = {}
    for point in points:
        by_method.setdefault(point.settings.method, set()).add(
            (point.schedule.num_merged, point.settings.metric, point.settings.size_penalty)
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
        axes=(
            metrics("keys"),
            candidates("paper"),
            margins(None, (0.9, 0.9)),
            Axis("energy", (MergeSettings(energy="elu"),)),
            Axis("split", (OWN, MergeSettings(split="alternate"))),
            penalties(0.0, 0.05),
        ),
        changes=9,
    )
    assert len(points_of(same)) == 1
    apart = replace(same, axes=same.with_axes(energies(None)))
    assert {point.settings.energy for point in points_of(apart)} == {"elu", "eq4"}


def test_each_energy_is_a_point_of_its_own_and_all_are_one_graph() -> None:
    axes = (metrics("keys"), energies(*get_args(Energy)))
    points = points_of(Grid(methods=("paper",), flops=(0.7,), shapes=("ratio",), axes=axes))
    assert [point.settings.energy for point in points] == ["elu", "eq4", "sharp", "gaussian"]
    assert len({point.key for point in points}) == 4
    gaussian = points[-1].graph  # another function is other work
    assert len({point.graph for point in points[:-1]}) == 1
    assert gaussian != points[0].graph


def test_points_with_different_keys_give_different_answers() -> None:
    grid = replace(
        SMALL,
        methods=("pitome", "tome", "paper", "random"),
        axes=(
            metrics("hidden"),
            candidates(0.3, "all", "paper"),
            margins(None, (0.5, 0.0)),
            penalties(0.0, 1.0),
        ),
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
    cases = (
        (ScheduleOptions(flops=0.7), MergeSettings(candidates="paper")),
        (ScheduleOptions(ratio=0.7, layers=(1,)), MergeSettings()),
    )
    for schedule, settings in cases:
        free, charged = (
            outputs_of(compress(MODEL, schedule, replace(settings, size_penalty=penalty)), images)["logits"]
            for penalty in (0.0, 3.0)
        )
        assert torch.equal(free, charged)


def test_options_that_a_method_ignores_do_not_multiply_its_points() -> None:
    axes = SMALL.with_axes(margins(None, (0.5, 0.0), (0.7, 0.0)), candidates(0.1, 0.3, "all"))
    wide = replace(SMALL, axes=axes, changes=9)
    count = {
        method: sum(point.settings.method == method for point in points_of(wide))
        for method in ("tome", "random")
    }
    assert count == {"tome": 4, "random": 1}


def test_first_come_the_points_that_change_nothing() -> None:
    points = points_of(replace(QUICK, flops=(0.7, 0.8), shapes=("ratio",)))
    plain = [point for point in points if point.settings.metric in ("hidden", None)]
    labels = [point.label for point in plain[:5]]
    assert labels == [
        "tome hidden penalty 0 at FLOPs 0.7, ratio",
        "pitome hidden protect 0.1 penalty 0.05 at FLOPs 0.7, ratio",
        "tome hidden penalty 0.05 at FLOPs 0.7, ratio",
        "paper hidden at FLOPs 0.7, ratio",
        "random at FLOPs 0.7, ratio",
    ]


def test_plain_tome_is_there_and_comes_before_what_is_compared_with_it() -> None:
    points = points_of(replace(QUICK, flops=(0.7, 0.8), axes=QUICK.with_axes(penalties(0.05))))
    seen: dict[str, Point] = {}
    for point in points:
        if point.baseline is None:
            assert is_baseline(point.settings, family_of(MODEL))
        else:
            tome = seen[point.baseline]
            assert tome.schedule == point.schedule
            assert point.settings.metric in (None, tome.settings.metric)
        seen[point.key] = point


def test_so_it_does_where_a_method_has_another_metric_than_the_first() -> None:
    """The authors' code compares the keys of texts, for which plain ToMe changes one setting."""
    text = tiny_text_model("BertModel")
    grid = replace(SMALL, methods=("tome", "authors"), axes=SMALL.with_axes(metrics("hidden", "keys")))
    points, refused = make_points(grid, family_of(text), family_of(text).shape(text))
    assert not refused
    keys = [point.key for point in points]
    authors = [point for point in points if point.settings.method == "authors"]
    assert authors
    for point in authors:
        assert point.settings.metric == "keys"
        assert point.baseline in keys[: keys.index(point.key)]


def test_without_tome_there_is_nothing_to_compare_with() -> None:
    assert {point.baseline for point in points_of(replace(SMALL, methods=("pitome", "random")))} == {None}


@pytest.mark.parametrize("shape", ["ratio", "constant", "decreasing", "increasing"])
def test_a_flops_target_is_not_exceeded_whatever_the_metric(shape: Any) -> None:
    for point in points_of(replace(QUICK, flops=(0.8,), shapes=(shape,))):
        assert point.flops_ratio <= 0.8


def test_other_shapes_of_a_keep_ratio_cost_what_it_costs() -> None:
    points = points_of(
        Grid(methods=("tome",), flops=(), ratios=(0.8,), axes=QUICK.with_axes(metrics("hidden")))
    )
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
    axes = QUICK.with_axes(candidates(0.1, 3))
    grid = Grid(methods=("tome", "pitome"), flops=(0.1, 0.7), shapes=("ratio",), axes=axes)
    points, refused = make_points(grid, family_of(MODEL), shape)
    assert points
    reasons = {each.label: each.reason for each in refused}
    assert "still costs" in reasons["FLOPs 0.1, ratio"]
    assert "CANDIDATES=3" in reasons["pitome hidden M=3 penalty 0.05 at FLOPs 0.7, ratio"]
    assert len({each.key for each in refused}) == len(refused) == 2


def test_a_point_leaves_nothing_to_the_method() -> None:
    for point in points_of(replace(SMALL, methods=("pitome", "tome", "paper"))):
        again = make_method(point.settings, family_of(MODEL), len(point.schedule.num_merged))
        assert again.settings == point.settings
        merged: Any = compress(MODEL, point.schedule, point.settings)
        assert merged.compression.settings == point.settings
        assert merged.compression.flops.ratio == point.flops_ratio


@pytest.mark.parametrize(
    ("settings", "label"),
    [
        (MergeSettings(metric="hidden", candidates=0.1), "pitome hidden protect 0.1"),
        (MergeSettings(candidates="all", margin=(0.9, 0.9), energy="elu"), "pitome M=all"),
        (
            MergeSettings(margin=(0.5, 0.0), energy="gaussian", split="half"),
            "pitome margin 0.5-0i/L gaussian half",
        ),
        (MergeSettings(energy="sharp", split="alternate_second"), "pitome sharp alternate_second"),
        # Of the energy that a method has itself nothing is told, of another one always.
        (MergeSettings("paper", metric="keys", energy="eq4"), "paper keys"),
        (MergeSettings("paper", metric="keys", energy="elu"), "paper keys elu"),
        (MergeSettings("paper", metric="keys", margin=(0.9, 0.9), split="alternate"), "paper keys"),
        (MergeSettings("tome", metric="keys", candidates="all", size_penalty=0.0), "tome keys penalty 0"),
        (MergeSettings("tome", proportional_attention=False), "tome plain attention"),
        (MergeSettings("random", seed=3), "random"),
        (MergeSettings("authors", metric="keys", proportional_attention=False), "authors"),
    ],
)
def test_labels_name_what_a_method_takes(settings: MergeSettings, label: str) -> None:
    assert label_of(settings, "image") == label


def test_settings_of_all_points() -> None:
    base = MergeSettings(proportional_attention=False, seed=7)
    points = points_of(replace(SMALL, methods=("tome", "random", "authors"), base=base))
    found = {(point.settings.method, point.settings.proportional_attention) for point in points}
    assert found == {("tome", False), ("random", False), ("authors", False)}
    assert {point.settings.seed for point in points} == {7}
    assert all("plain attention" in point.label for point in points if point.settings.method != "authors")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"methods": ("none",)}, "METHODS=none: the unmerged model is always in a sweep"),
        (
            {"methods": ("tofu",)},
            "METHODS=tofu: the methods are authors, authors-2024, paper, pitome, random",
        ),
        ({"flops": (1.5,)}, r"FLOPS=1.5: it lies in \(0, 1\]"),
        ({"flops": ()}, "FLOPS and RATIOS: both lists are empty"),
        ({"changes": -1}, "CHANGES=-1: negative"),
    ],
)
def test_refusals(change: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        replace(QUICK, **change)


@pytest.mark.full
def test_the_grids_have_sensible_sizes() -> None:
    assert set(GRIDS) == {"quick", "full"}
    shape = family_of(MODEL).shape(MODEL)
    quick, full = (len(make_points(grid, family_of(MODEL), shape)[0]) for grid in (QUICK, FULL))
    assert 30 <= quick <= 60
    assert 10 * quick < full < 3000


def test_an_axis_has_values() -> None:
    with pytest.raises(InputError, match="METRICS: the list is empty"):
        metrics()


@pytest.mark.parametrize("tried", [("keys",), ("hidden", "keys")])
def test_the_target_is_met_by_the_dearest_metric_that_is_tried(tried: Any) -> None:
    axes = QUICK.with_axes(metrics(*tried))
    points = points_of(Grid(methods=("pitome",), flops=(0.7,), shapes=("ratio",), axes=axes))
    ratios = {point.settings.metric: point.flops_ratio for point in points}
    alone: Any = compress(MODEL, flops=0.7, settings=MergeSettings(metric=tried[0])).compression
    assert ratios[tried[0]] == alone.flops.ratio
    assert max(ratios.values()) <= 0.7
