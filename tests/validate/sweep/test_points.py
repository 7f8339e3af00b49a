"""A sweep of a small model: records, resuming, what goes wrong with one point."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pitome.errors import InputError
from pitome.models.loading import LoadedModel
from pitome.runtime import Runtime
from pitome.runtime.pytorch import PyTorchRuntime
from pitome.validate.resume import ResumableLog
from pitome.validate.statistics import mean_interval, paired_difference
from pitome.validate.sweep.clock import Clock, duration
from pitome.validate.sweep.grid import Grid
from pitome.validate.sweep.plan import Point, Refused, make_points
from pitome.validate.sweep.points import Sweep
from pitome.validate.sweep.records import UNMERGED, AnyRecord, FailedPoint, SpeedRecord, SweepRecord, measured
from pitome.validate.sweep.results_table import read_sweep_file
from pitome.validate.sweep.values import SampleValues, ValueStore
from pitome.validate.task import Progress, Score, Split
from tests.validate.sweep.sweep_cases import GRID, SameClass, tiny_checkpoint

CONFIGURATION = {"what": "a test"}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return tiny_checkpoint(tmp_path_factory.mktemp("model") / "vit-tiny")


def planned(loaded: LoadedModel, grid: Grid = GRID) -> tuple[list[Point], list[Refused]]:
    return make_points(grid, loaded.family, loaded.family.shape(loaded.model))


def run(
    loaded: LoadedModel,
    path: Path,
    tasks: tuple[SameClass, ...],
    grid: Grid = GRID,
    progress: Progress | None = None,
    **options: Any,
) -> list[AnyRecord]:
    points, refused = planned(loaded, grid)
    with ResumableLog.open(path, CONFIGURATION) as log:
        store = ValueStore(path.with_suffix(".values"))
        return Sweep(loaded, tasks, log, store, **options).run(points, refused, progress)


def timeless(records: list[AnyRecord]) -> list[dict[str, Any]]:
    return [each.model_dump(exclude={"seconds"}) for each in records]


@pytest.fixture(scope="module")
def whole(loaded: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[AnyRecord]]:
    path = tmp_path_factory.mktemp("whole") / "sweep.jsonl"
    return path, run(loaded, path, (SameClass(),))


def test_records_hold_what_was_measured(loaded: LoadedModel, whole: tuple[Path, list[AnyRecord]]) -> None:
    path, records = whole
    task = SameClass()
    task.prepare(PyTorchRuntime(loaded.model, ("logits",)))
    unmerged = records[0]
    assert isinstance(unmerged, SweepRecord)
    assert (unmerged.key, unmerged.settings.method, unmerged.flops_ratio) == (UNMERGED, "none", 1.0)
    assert (unmerged.score, unmerged.to_unmerged, unmerged.to_tome) == (1.0, None, None)
    store = ValueStore(path.with_suffix(".values"))
    points = {point.key: point for point in planned(loaded)[0]}
    assert [each.key for each in records[1:]] == list(points)
    for record in measured(records)[1:]:
        point = points[record.key]
        kept = store.load(record.key, "same-class")
        assert kept is not None
        expected = mean_interval(kept.values)
        assert (record.score, record.low, record.high) == (expected.mean, expected.low, expected.high)
        assert record.metrics == {"agreement": record.score, "disagreement": pytest.approx(1 - record.score)}
        assert record.num_merged == point.schedule.num_merged
        assert (record.settings, record.margins) == (point.settings, point.margins)
        assert record.to_unmerged is not None
        assert record.to_unmerged.mean == pytest.approx(record.score - 1)
        if point.baseline is None:
            assert record.to_tome is None
        else:
            tome = store.load(point.baseline, "same-class")
            assert tome is not None
            difference = paired_difference(kept.values, tome.values)
            assert record.to_tome is not None
            assert (record.to_tome.mean, record.to_tome.low) == (difference.mean, difference.low)
    scores = {record.score for record in measured(records)}
    assert len(scores) > 2, "a task on which every setting is equal tests nothing"


def test_the_file_has_the_records_as_json_lines(whole: tuple[Path, list[AnyRecord]]) -> None:
    path, records = whole
    header, *lines = path.read_text().splitlines()
    assert json.loads(header)["configuration"] == CONFIGURATION
    assert [json.loads(line) for line in lines] == [each.model_dump(mode="json") for each in records]


@pytest.mark.parametrize("share", [0.0, 0.35, 0.8, 0.999])
def test_after_a_kill_the_records_are_the_same(
    loaded: LoadedModel, whole: tuple[Path, list[AnyRecord]], tmp_path: Path, share: float
) -> None:
    path, records = whole
    content = path.read_bytes()
    killed = tmp_path / "sweep.jsonl"
    start = content.index(b"\n") + 1
    killed.write_bytes(content[: start + int(share * (len(content) - start))])
    values = killed.with_suffix(".values")
    values.mkdir()
    kept = killed.read_bytes()[start:].count(b"\n")
    for record in records[: kept + 1]:  # the killed process may have kept the values of one point more
        source = ValueStore(path.with_suffix(".values")).path(record.key, "same-class")
        (values / source.name).write_bytes(source.read_bytes())
    task = SameClass()
    assert timeless(run(loaded, killed, (task,))) == timeless(records)
    assert task.scored == len(records) - kept
    assert killed.read_bytes().count(b"\n") == len(records) + 1


def test_lost_values_are_computed_again(
    loaded: LoadedModel, whole: tuple[Path, list[AnyRecord]], tmp_path: Path
) -> None:
    path, records = whole
    lines = path.read_bytes().splitlines(keepends=True)
    cut = tmp_path / "sweep.jsonl"
    cut.write_bytes(b"".join(lines[:-3]))
    assert timeless(run(loaded, cut, (SameClass(),))) == timeless(records)


def test_a_finished_sweep_runs_nothing_again(
    loaded: LoadedModel, whole: tuple[Path, list[AnyRecord]]
) -> None:
    path, records = whole
    before, task = path.read_bytes(), SameClass()
    assert run(loaded, path, (task,)) == records
    assert (task.prepared, task.scored) == (0, 0)
    assert path.read_bytes() == before


def test_a_wider_grid_goes_on_where_the_narrow_one_ended(loaded: LoadedModel, tmp_path: Path) -> None:
    path, narrow = tmp_path / "sweep.jsonl", replace(GRID, shapes=("ratio",))
    few = run(loaded, path, (SameClass(),), narrow)
    task = SameClass()
    many = run(loaded, path, (task,))
    assert task.scored == len(many) - len(few)
    assert {each.key for each in few} < {each.key for each in many}
    # Asked for the narrow one again, the others are left in the file.
    assert timeless(run(loaded, path, (SameClass(),), narrow)) == timeless(few)


def test_the_unmerged_model_is_judged_and_prepared_for_once(loaded: LoadedModel, tmp_path: Path) -> None:
    tasks = (SameClass("one"), SameClass("two", samples=6))
    records = run(loaded, tmp_path / "sweep.jsonl", tasks)
    points, _ = planned(loaded)
    assert [task.prepared for task in tasks] == [1, 1]
    assert [task.scored for task in tasks] == [len(points) + 1] * 2
    assert [(each.key, each.task) for each in records[:4]] == [
        (key, task) for key in (UNMERGED, points[0].key) for task in ("one", "two")
    ]


def test_samples_that_belong_together_are_resampled_together(loaded: LoadedModel, tmp_path: Path) -> None:
    records = run(loaded, tmp_path / "sweep.jsonl", (SameClass(groups=True),))
    found = [each.to_unmerged for each in measured(records) if each.to_unmerged]
    assert found
    assert {each.method for each in found} == {"sign flips, bootstrap by group"}


def test_a_point_that_fails_is_recorded_and_the_sweep_goes_on(loaded: LoadedModel, tmp_path: Path) -> None:
    class Fails(SameClass):
        def score(
            self, encoder: Runtime, split: Split, refit: bool = False, progress: Progress | None = None
        ) -> Score:
            if self.scored == 2:
                self.scored += 1
                raise InputError("a score", "the third one fails", "Try again")
            return super().score(encoder, split, refit, progress)

    path, grid = tmp_path / "sweep.jsonl", replace(GRID, flops=(0.7, 0.1))
    records = run(loaded, path, (Fails(),), grid)
    failed = [each for each in records if isinstance(each, FailedPoint)]
    assert [each.reason for each in failed if each.task] == ["a score: the third one fails. Try again"]
    refused = [each for each in failed if each.task is None]
    assert [each.label for each in refused] == ["FLOPs 0.1, ratio", "FLOPs 0.1, constant"]
    assert len(measured(records)) == len(planned(loaded)[0])  # one less, and the unmerged model
    # It is not tried again, and not written twice.
    assert timeless(run(loaded, path, (SameClass(),), grid)) == timeless(records)


def test_equal_graphs_share_one_measured_speed(loaded: LoadedModel, tmp_path: Path) -> None:
    points, _ = planned(loaded)
    graphs = list(dict.fromkeys(point.graph for point in points))
    timed: list[str] = []
    task = SameClass()

    def measure(points: Sequence[Point], tell: Progress) -> Iterator[tuple[Point, SpeedRecord]]:
        assert task.scored in (0, len(planned(loaded)[0]) + 1), "speeds are measured when nothing else runs"
        for point in points:
            timed.append(point.graph)
            found = 1 + graphs.index(point.graph)
            yield (
                point,
                SpeedRecord(speedup=found, low=1, high=9, batch=1, threads=1, cpu="", onnxruntime="1"),
            )

    # Scores first, speeds in a later run: nothing is judged again.
    path = tmp_path / "sweep.jsonl"
    assert {each.speed for each in measured(run(loaded, path, (task,)))} == {None}
    task = SameClass()
    records = run(loaded, path, (task,), measure_speeds=measure)
    assert task.scored == 0
    assert len(graphs) < len(points)
    assert timed == graphs
    for each in measured(records)[1:]:
        assert each.speed is not None
        assert each.speed.speedup == 1 + graphs.index(str(each.graph))
    # After a kill they are taken from the file.
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    timed.clear()
    assert timeless(run(loaded, path, (task,), measure_speeds=measure)) == timeless(records)
    assert timed == graphs[-1:]
    # What was not steady is measured again, and the last one holds.
    before, after = path.read_text().splitlines(), []
    for line in map(json.loads, before):
        if line.get("graph") == graphs[0] and line["kind"] == "speed":
            line["speed"] |= {"steady": False, "speedup": 77}
        after.append(json.dumps(line))
    path.write_text("".join(f"{line}\n" for line in after))
    timed.clear()
    assert timeless(run(loaded, path, (task,), measure_speeds=measure)) == timeless(records)
    assert timed == graphs[:1]
    # And they are there for whoever reads the file, or resumes it without measuring.
    assert timeless(run(loaded, path, (task,))) == timeless(records)
    assert timeless(list(read_sweep_file(path).records)) == timeless(records)


def test_progress_counts_up_and_tells_the_time_left(loaded: LoadedModel, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    run(loaded, tmp_path / "sweep.jsonl", (SameClass(),), progress=lambda *step: told.append(step))
    total = len(planned(loaded)[0]) + 1
    assert {step[2] for step in told} == {total}
    assert [step[1] for step in told] == sorted(step[1] for step in told)
    assert told[-1] == ("done", total, total)
    assert any(" s left, pitome" in step[0] for step in told)


def test_the_time_left_is_in_proportion_to_the_flops(
    loaded: LoadedModel, whole: tuple[Path, list[AnyRecord]]
) -> None:
    points, _ = planned(loaded)
    first = whole[1][0].model_copy(update={"seconds": 10.0})
    clock = Clock(points, [SameClass()], [first])
    assert clock.seconds_left() == pytest.approx(10 * sum(point.flops_ratio for point in points))
    assert (clock.done, clock.total) == (1, len(points) + 1)
    clock.skip(points[0].key)
    assert clock.done == 2
    assert Clock(points, [SameClass()], []).told("label") == "label"


@pytest.mark.parametrize(("seconds", "text"), [(5, "5 s"), (89.4, "89 s"), (600, "10 min"), (7200, "2.0 h")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_record_of_something_else_is_refused(loaded: LoadedModel, tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    with ResumableLog.open(path, CONFIGURATION) as log:
        log.append({"kind": "measured", "key": "a"})
    with pytest.raises(
        InputError, match=r"record 1 is not one of a sweep \(measured.label: Field required\)"
    ):
        run(loaded, path, (SameClass(),))


def test_values_are_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    store = ValueStore(tmp_path / "values")
    values = SampleValues(np.array([0.5, 1.0]), np.array([0, 0]))
    assert store.load("key", "hf:org/name@main") is None
    store.save("key", "hf:org/name@main", values)
    found = store.load("key", "hf:org/name@main")
    assert found is not None
    assert found.groups is not None
    assert (found.values.tolist(), found.groups.tolist()) == ([0.5, 1.0], [0, 0])
    path = store.path("key", "hf:org/name@main")
    assert [each.name for each in store.folder.iterdir()] == [path.name]
    path.write_bytes(path.read_bytes()[:40])
    assert store.load("key", "hf:org/name@main") is None
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="can't be written to"):
        ValueStore(tmp_path / "file").save("key", "task", values)
