"""The fastest setting within a budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from pitome.settings import MergeSettings
from pitome.validate.sweep.records import (
    UNMERGED,
    AnyRecord,
    DifferenceRecord,
    FailedPoint,
    SpeedRecord,
    SweepRecord,
)
from pitome.validate.sweep.tune import BudgetError, Candidate, candidates_of, choose


def record(key: str, flops: float = 0.5, drop: float = 0.1, task: str = "a", **change: Any) -> SweepRecord:
    """A setting that loses ``drop`` points, give or take 0.2."""
    settings = MergeSettings(change.pop("method", "pitome"), metric="hidden", candidates="all")
    mean = -drop / 100
    difference = DifferenceRecord(mean=mean, low=mean - 0.002, high=mean + 0.002, p_value=0.5, method="")
    fields: dict[str, Any] = {
        "key": key,
        "label": f"setting {key}",
        "task": task,
        "split": "validation",
        "settings": settings,
        "margins": (0.9,),
        "num_candidates": (8,),
        "schedule": "",
        "shape": "ratio",
        "num_merged": (2,),
        "tokens": (9, 7),
        "flops_ratio": flops,
        "bound": 1 / flops,
        "samples": 100,
        "metric": "accuracy",
        "score": 0.9 + mean,
        "low": 0.8,
        "high": 1.0,
        "metrics": {"accuracy": 0.9 + mean},
        "to_unmerged": None if key == UNMERGED else difference,
        "to_tome": None,
        "graph": f"graph {key}",
        "speed": None,
        "seconds": 1.0,
    }
    return SweepRecord(**fields | change)


def speed(value: float) -> SpeedRecord:
    return SpeedRecord(speedup=value, low=value, high=value, batch=8, threads=2, cpu="cpu", onnxruntime="1")


def pick(records: list[AnyRecord], max_drop: float = 0.7, **options: Any) -> Candidate:
    return choose(candidates_of(records, ("a",)), max_drop, **options)


def test_drops_are_in_points_with_their_interval_the_right_way_round() -> None:
    (candidate,) = candidates_of([record("x", drop=0.3)], ("a",))
    drop = candidate.worst
    assert (drop.mean, drop.low, drop.high) == pytest.approx((0.3, 0.1, 0.5))


def test_without_measuring_the_least_flops_win() -> None:
    records: list[AnyRecord] = [record("x", 0.6), record("y", 0.5), record("z", 0.4, drop=0.51)]
    assert pick(records).key == "y"


def test_the_budget_itself_is_within_the_budget() -> None:
    assert pick([record("x", drop=0.0)], max_drop=0.2).key == "x"
    assert pick([record("x", drop=0.5)], max_drop=0.5, accept_mean=True).key == "x"


def test_a_mean_within_the_budget_is_not_enough() -> None:
    """0.4 points are lost on average, and 0.6 at most with 95 %."""
    records: list[AnyRecord] = [record("x", 0.4, drop=0.4), record("y", 0.5, drop=0.2)]
    assert pick(records, max_drop=0.5).key == "y"
    assert pick(records, max_drop=0.5, accept_mean=True).key == "x"
    with pytest.raises(BudgetError) as refused:
        pick(records[:1], max_drop=0.5)
    assert str(refused.value).endswith(", or take the mean for it with --accept-mean (1 would fit)")


def test_every_task_must_be_within_the_budget_at_95_percent() -> None:
    """On b the mean is better, and the interval wider."""
    wide = DifferenceRecord(mean=-0.001, low=-0.02, high=0.018, p_value=0.5, method="")
    records = [record("x", drop=0.2, task="a"), record("x", task="b", to_unmerged=wide)]
    (candidate,) = candidates_of(records, ("a", "b"))
    assert (candidate.worst.record.task, candidate.at_most) == ("a", pytest.approx(2.0))
    assert not candidate.is_within(0.5)
    assert candidate.is_within(0.5, accept_mean=True)


def test_a_gain_is_within_a_budget_of_nothing() -> None:
    assert pick([record("x", 0.4, drop=0.1), record("y", drop=-0.3)], max_drop=0.0).key == "y"


def test_every_task_must_be_within_the_budget() -> None:
    records: list[AnyRecord] = [
        record("x", 0.4, 0.1, "a"),
        record("x", 0.4, 0.9, "b"),
        record("y", 0.5, 0.1, "a"),
        record("y", 0.5, 0.2, "b"),
        record("z", 0.3, 0.1, "a"),  # failed on b
    ]
    found = candidates_of(records, ("a", "b"))
    assert [each.key for each in found] == ["x", "y"]
    assert choose(found, 0.5).key == "y"
    assert found[0].worst.record.task == "b"


def test_what_is_no_setting_to_deploy_is_left_out() -> None:
    records: list[AnyRecord] = [
        record(UNMERGED, 1.0, method="none"),
        record("x", 0.2, method="random"),
        record("y", 0.2, method="forest"),
        FailedPoint(key="f", label="f", task=None, reason="r"),
    ]
    assert candidates_of(records, ("a",)) == []


def test_the_fastest_of_the_finalists_wins() -> None:
    speeds = {"x": 1.4, "y": 1.6, "z": 1.5, "w": 9.9}
    measured: list[str] = []

    def measure(candidates: Sequence[Candidate]) -> list[SpeedRecord]:
        measured.extend(each.key for each in candidates)
        return [speed(speeds[each.key]) for each in candidates]

    records: list[AnyRecord] = [record("w", 0.9), record("x", 0.4), record("y", 0.5), record("z", 0.6)]
    chosen = pick(records, measure=measure, finalists=3)
    assert (chosen.key, chosen.speed) == ("y", speed(1.6))
    assert measured == ["x", "y", "z"]


def test_speeds_of_the_sweep_are_not_measured_again() -> None:
    def measure(candidates: Sequence[Candidate]) -> list[SpeedRecord]:
        assert [each.key for each in candidates] == ["y"]
        return [speed(1.5)]

    records: list[AnyRecord] = [record("x", 0.4, speed=speed(1.6)), record("y", 0.5)]
    assert pick(records, measure=measure).key == "x"


def test_of_equal_graphs_only_the_one_that_loses_least_is_a_finalist() -> None:
    records: list[AnyRecord] = [
        record("x", 0.4, 0.4, graph="same"),
        record("y", 0.4, 0.2, graph="same"),
        record("z", 0.5, 0.0),
    ]
    chosen = pick(
        records, measure=lambda few: [speed(2.0 if each.key == "y" else 1.0) for each in few], finalists=2
    )
    assert chosen.key == "y"


def test_equal_speeds_are_told_apart_by_what_is_lost() -> None:
    records: list[AnyRecord] = [record("x", 0.4, 0.4), record("y", 0.5, 0.2)]
    assert pick(records, measure=lambda few: [speed(1.5) for _ in few]).key == "y"


def test_where_nothing_is_within_the_budget_the_nearest_are_listed() -> None:
    records: list[AnyRecord] = [record("x", 0.4, 3.0), record("y", 0.5, 1.25)]
    with pytest.raises(BudgetError) as caught:
        pick(records, max_drop=0.5)
    assert caught.value.exit_code == 1
    assert str(caught.value) == (
        "a setting that loses at most 0.5 points at 95 %: none of 2 does; the nearest:\n"
        "  - +1.25 points lost [+1.05, +1.45] on a at 0.500 of the FLOPs: setting y\n"
        "  - +3.00 points lost [+2.80, +3.20] on a at 0.400 of the FLOPs: setting x. Nothing was written. "
        "Allow a larger --max-drop, let more FLOPs be left with --flops, or judge more samples"
    )


def test_where_nothing_was_judged_the_file_is_pointed_at() -> None:
    with pytest.raises(BudgetError, match="no setting could be judged on every task"):
        pick([])
