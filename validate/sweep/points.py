"""Many ways to compress one model, each judged on the same samples: what `pitome sweep` runs.

Everything that comes from the unmerged model is computed once. A finished point is on disk before the next
one starts, and its values per sample lie beside the log, so that a later run can still compare with it.
Speeds come last, when nothing else runs any more: all graphs that are new, in shared rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pitome.compression import Compression, compress
from pitome.errors import InputError, PitomeError
from pitome.models.loading import LoadedModel
from pitome.runtime import Runtime
from pitome.runtime.pytorch import PyTorchRuntime
from pitome.schedule import TokenSchedule
from pitome.settings import MergeSettings
from pitome.validate.padding import PaddingCounter, padding_record
from pitome.validate.resume import ResumableLog
from pitome.validate.statistics import mean_interval
from pitome.validate.sweep.clock import Clock
from pitome.validate.sweep.plan import Point, Refused
from pitome.validate.sweep.records import (
    UNMERGED,
    AnyRecord,
    DifferenceRecord,
    FailedPoint,
    GraphSpeed,
    Line,
    SpeedRecord,
    SweepRecord,
    SweepRun,
    parse_line,
    records_of,
    with_speed,
)
from pitome.validate.sweep.values import SampleValues, ValueStore

if TYPE_CHECKING:
    from torch import nn

    from pitome.validate.padding_records import PaddingRecord
    from pitome.validate.task import Score, Split, Task

Progress = Callable[[str, int, int], None]
"""Called with (what is done now and how long the rest may take, points done, points in all)."""
MeasureSpeeds = Callable[[Sequence[Point], Progress], Iterable[tuple[Point, SpeedRecord]]]
"""Points with different graphs -> the speed of each, as soon as it is known."""


@dataclass
class Sweep:
    """One run over points and tasks.

    Args:
        loaded: the unmerged model.
        tasks: each judges every point.
        log: where records go, and where those of an earlier run come from.
        store: where values per sample go.
        split: of the tasks' data.
        seed: of bootstraps and permutation tests.
        measure_speeds: measures the graphs that the log has no speed of; None = no speeds.
        command: what the user typed; it is written in front of what a run adds to the log.
    """

    loaded: LoadedModel
    tasks: Sequence[Task]
    log: ResumableLog
    store: ValueStore
    split: Split = "validation"
    seed: int = 0
    measure_speeds: MeasureSpeeds | None = None
    command: str | None = None
    records: list[AnyRecord] = field(init=False)
    _points: dict[str, Point] = field(init=False, default_factory=dict)
    _prepared: set[str] = field(init=False, default_factory=set)
    _kept: dict[tuple[str, str], SampleValues] = field(init=False, default_factory=dict)
    _speeds: dict[str, SpeedRecord] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        lines = [_parsed(self.log, place, each) for place, each in enumerate(self.log.finished)]
        self.records = records_of(lines)
        self._speeds = {each.graph: each.speed for each in lines if isinstance(each, GraphSpeed)}

    def run(
        self, points: Sequence[Point], refused: Sequence[Refused] = (), progress: Progress | None = None
    ) -> list[AnyRecord]:
        """Judge the unmerged model and every point that the log does not hold yet.

        Returns:
            The records of these points, in the order of ``points``, with the unmerged model's in front and
            what could not be run at the end; those of an earlier run's other points are not among them.

        Raises:
            InputError: the log or a task can't be used. What goes wrong with one point is a record.
        """
        self._refuse(refused)
        done = {each.identity for each in self.records}
        failed = {each.key for each in self.records if isinstance(each, FailedPoint) and each.task is None}
        self._points = {point.key: point for point in points}
        self._clock = Clock(points, self.tasks, self.records)
        tell = progress or (lambda detail, number, total: None)
        for task in self.tasks:
            if (UNMERGED, task.name) not in done:
                self._judge_unmerged(task, tell)
        for point in points:
            missing = [task for task in self.tasks if (point.key, task.name) not in done]
            if point.key in failed or not missing:
                continue
            tell(self._clock.told(point.label), self._clock.done, self._clock.total)
            self._run_point(point, missing, tell)
        self._measure_speeds(points, tell)
        tell("done", self._clock.total, self._clock.total)
        return self._chosen(points, refused)

    def _refuse(self, refused: Sequence[Refused]) -> None:
        known = {each.key for each in self.records}
        for each in refused:
            if each.key not in known:
                self._append(FailedPoint(key=each.key, label=each.label, task=None, reason=each.reason))

    def _run_point(self, point: Point, tasks: Sequence[Task], tell: Progress) -> None:
        try:
            merged = self._compress(point)
        except PitomeError as error:
            self._append(FailedPoint(key=point.key, label=point.label, task=None, reason=str(error)))
            self._clock.skip(point.key)
            return
        encoder = PyTorchRuntime(merged, self.loaded.family.outputs[self.loaded.task])
        for task in tasks:
            self._prepare(task, tell)
            unmerged = self._values(UNMERGED, task)
            tome = self._values(point.baseline, task) if point.baseline else None
            started, counter = time.monotonic(), PaddingCounter()
            try:
                score = task.score(counter.watched(encoder), self.split)
                values = SampleValues.of(score)
                to_unmerged = values.difference(unmerged, self.seed) if unmerged else None
                to_tome = values.difference(tome, self.seed) if tome else None
                record = self._record(point, task, score, values, counter, to_unmerged, to_tome, started)
            except InputError as error:
                self._append(FailedPoint(key=point.key, label=point.label, task=task.name, reason=str(error)))
                self._clock.skip(point.key, task.name)
                continue
            self.store.save(point.key, task.name, values)
            if point.baseline is None:
                self._kept[point.key, task.name] = values
            self._append(record)
            self._clock.count(record)

    def _judge_unmerged(self, task: Task, tell: Progress) -> None:
        self._prepare(task, tell)
        started = time.monotonic()
        score = task.score(self._encoder(UNMERGED), self.split, progress=self._within(tell))
        values = SampleValues.of(score)
        self.store.save(UNMERGED, task.name, values)
        self._kept[UNMERGED, task.name] = values
        record = self._record(None, task, score, values, PaddingCounter(), None, None, started)
        self._append(record)
        self._clock.count(record)

    def _prepare(self, task: Task, tell: Progress) -> None:
        if task.name not in self._prepared:
            task.prepare(self._encoder(UNMERGED), self._within(tell))
            self._prepared.add(task.name)

    def _values(self, key: str, task: Task) -> SampleValues | None:
        """What points are compared with: kept, on disk, or, where that file was lost, computed again.

        None where that point failed, or did not run.
        """
        if (key, task.name) not in self._kept:
            if not any(
                isinstance(each, SweepRecord) and each.identity == (key, task.name) for each in self.records
            ):
                return None
            found = self.store.load(key, task.name)
            if found is None:
                found = SampleValues.of(task.score(self._encoder(key), self.split))
                self.store.save(key, task.name, found)
            self._kept[key, task.name] = found
        return self._kept[key, task.name]

    def _encoder(self, key: str) -> Runtime:
        outputs = self.loaded.family.outputs[self.loaded.task]
        if key == UNMERGED:
            return PyTorchRuntime(self.loaded.model, outputs)
        point = self._points[key]
        return PyTorchRuntime(self._compress(point), outputs)

    def _compress(self, point: Point) -> nn.Module:
        return compress(self.loaded.model, point.schedule, point.settings)

    def _within(self, tell: Progress) -> Progress:
        """A task's own steps, as steps of the sweep."""
        return lambda step, done, total: tell(step, self._clock.done, self._clock.total)

    def _measure_speeds(self, points: Sequence[Point], tell: Progress) -> None:
        """The speeds that are missing, one point for each graph.

        What was measured while the machine was not steady is measured again, once a run.
        """
        if self.measure_speeds is None:
            return
        judged = {each.key for each in self.records if isinstance(each, SweepRecord)}
        missing: dict[str, Point] = {}
        for point in points:
            known = self._speeds.get(point.graph)
            done = known is not None and known.steady is not False
            if point.key in judged and not done:
                missing.setdefault(point.graph, point)
        for point, speed in self.measure_speeds(list(missing.values()), self._within(tell)):
            self._write(GraphSpeed(graph=point.graph, label=point.label, speed=speed))
            self._speeds[point.graph] = speed
        self.records = [with_speed(each, self._speeds) for each in self.records]

    def _padding(self, task: Task, counter: PaddingCounter, flops_ratio: float) -> PaddingRecord | None:
        if self.loaded.family.modality != "text":
            return None
        shape = self.loaded.family.shape(self.loaded.model)
        return padding_record(task.samples(self.split, slice(None)), counter.layers, shape, flops_ratio)

    def _record(
        self,
        point: Point | None,
        task: Task,
        score: Score,
        values: SampleValues,
        counter: PaddingCounter,
        to_unmerged: DifferenceRecord | None,
        to_tome: DifferenceRecord | None,
        started: float,
    ) -> SweepRecord:
        interval = mean_interval(values.values, self.seed, values.groups)
        seconds = round(time.monotonic() - started, 3)
        described = self._unmerged if point is None else Described.of(point)
        return SweepRecord(
            key=described.key,
            label=described.label,
            settings=described.settings,
            margins=described.margins,
            num_candidates=described.num_candidates,
            schedule=described.schedule_name,
            shape=described.shape,
            num_merged=described.schedule.num_merged,
            tokens=described.schedule.tokens,
            flops_ratio=described.flops_ratio,
            bound=described.bound,
            graph=described.graph,
            task=task.name,
            split=self.split,
            samples=len(values.values),
            metric=score.main,
            score=interval.mean,
            low=interval.low,
            high=interval.high,
            metrics={name: score.mean(name) for name in score.metrics},
            to_unmerged=to_unmerged,
            to_tome=to_tome,
            speed=None,
            padding=self._padding(task, counter, described.flops_ratio),
            seconds=seconds,
        )

    @property
    def _unmerged(self) -> Described:
        compression = compress(self.loaded.model, method="none").compression
        assert isinstance(compression, Compression)
        return Described.unmerged(compression)

    def _append(self, record: AnyRecord) -> None:
        self._write(record)
        self.records.append(record)

    def _write(self, line: Line) -> None:
        if self.command is not None:
            self.log.append(SweepRun(command=self.command).model_dump(mode="json"))
            self.command = None  # once
        self.log.append(line.model_dump(mode="json"))

    def _chosen(self, points: Sequence[Point], refused: Sequence[Refused]) -> list[AnyRecord]:
        keys = [UNMERGED, *(point.key for point in points), *(each.key for each in refused)]
        order = {key: place for place, key in enumerate(keys)}
        names = [task.name for task in self.tasks]
        wanted = [
            each for each in self.records if each.key in order and (each.task is None or each.task in names)
        ]
        return sorted(wanted, key=lambda each: (order[each.key], names.index(each.task) if each.task else -1))


@dataclass(frozen=True)
class Described:
    """What a record says of the model that it judges, whatever the task."""

    key: str
    label: str
    settings: MergeSettings
    margins: tuple[float, ...]
    num_candidates: tuple[int, ...]
    schedule_name: str
    shape: str | None
    schedule: TokenSchedule
    flops_ratio: float
    bound: float
    graph: str | None

    @classmethod
    def of(cls, point: Point) -> Described:
        """A merged model."""
        return cls(
            point.key,
            point.label,
            point.settings,
            point.margins,
            point.num_candidates,
            point.planned.name,
            point.planned.form,
            point.schedule,
            point.flops_ratio,
            point.bound,
            point.graph,
        )

    @classmethod
    def unmerged(cls, compression: Compression) -> Described:
        """The model that the others are made from."""
        schedule, method = compression.schedule, compression.method
        return cls(
            UNMERGED,
            UNMERGED,
            method.settings,
            method.margins,
            schedule.num_merged,
            "nothing merged",
            None,
            schedule,
            1.0,
            1.0,
            None,
        )


def _parsed(log: ResumableLog, place: int, content: dict[str, Any]) -> Line:
    try:
        return parse_line(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"resuming from {log.path}",
            f"record {place + 1} is not one of a sweep ({where}: {first['msg']})",
            "Name another file, or delete it to start again",
        ) from error
