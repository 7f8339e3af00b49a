"""What a sweep writes: one JSON object per point and task."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from pitome.settings import MergeSettings
from pitome.validate.padding_records import PaddingRecord


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


ON_CPU = "onnxruntime, CPU"
"""A runtime, as records and preset files name it."""


class SpeedRecord(_Record):
    """Measured against the unmerged model in the same runtime, interleaved."""

    speedup: float = Field(gt=0, description="median unmerged time / median merged time")
    low: float = Field(description="lower end of the 95 % interval")
    high: float
    batch: int = Field(ge=1)
    threads: int = Field(ge=1)
    cpu: str
    onnxruntime: str | None = Field(description="its version; null: a plan ran")
    runtime: str = Field(default=ON_CPU, description="what ran, and where")
    steady: bool | None = Field(default=None, description="whether the machine was; null: too few rounds")


class DifferenceRecord(_Record):
    """The mean of this point's values minus another's over the same samples, in the metric's unit."""

    mean: float
    low: float = Field(description="lower end of the 95 % interval")
    high: float
    p_value: float = Field(ge=0, le=1, description="two-sided, of no difference")
    method: str = Field(description="how interval and p-value were computed")


class SweepRecord(_Record):
    """One way to compress the model, judged on one task; the unmerged model too, with method none."""

    kind: Literal["measured"] = "measured"
    key: str = Field(description="equal for points that mean the same; 'unmerged' for the unmerged model")
    label: str
    task: str
    split: Literal["validation", "test"] = Field(description="of the task's data")
    settings: MergeSettings = Field(description="none left to the method, where one value is all layers'")
    margins: tuple[float, ...] = Field(description="one per layer; none where no energy is measured")
    num_candidates: tuple[int, ...] = Field(description="M of each layer; 0 where no similarity decides")
    schedule: str = Field(description="what the schedule was made from")
    shape: str | None = Field(description="how the merging is spread over the layers")
    num_merged: tuple[int, ...]
    tokens: tuple[int, ...]
    flops_ratio: float = Field(gt=0, description="merged / unmerged FLOPs, the merge included")
    bound: float = Field(gt=0, description="unmerged / merged FLOPs")
    samples: int = Field(ge=2)
    metric: str = Field(description="the metric of the task that decides")
    score: float = Field(description="its mean")
    low: float = Field(description="lower end of its 95 % interval")
    high: float
    metrics: dict[str, float] = Field(description="the means of all metrics of the task")
    to_unmerged: DifferenceRecord | None = Field(description="None for the unmerged model itself")
    to_tome: DifferenceRecord | None = Field(
        description="to plain ToMe at the same schedule and similarity, where that was run"
    )
    graph: str | None = Field(description="equal for points whose graphs do equal work; they share the speed")
    speed: SpeedRecord | None = Field(description="in a file it stands in records of its own")
    padding: PaddingRecord | None = Field(default=None, description="of texts")
    seconds: float = Field(ge=0, description="what judging took; no measure of the model's speed")

    @property
    def is_unmerged(self) -> bool:
        """Whether this is the unmerged model."""
        return self.key == UNMERGED

    @property
    def identity(self) -> tuple[str, str]:
        """What no other record of a sweep has."""
        return self.key, self.task


class FailedPoint(_Record):
    """A point that could not be run; the sweep went on without it."""

    kind: Literal["failed"] = "failed"
    key: str
    label: str
    task: str | None = Field(description="None where it fails for every task")
    reason: str

    @property
    def identity(self) -> tuple[str, str | None]:
        """What no other record of a sweep has."""
        return self.key, self.task


class GraphSpeed(_Record):
    """The measured speed of all points that have this graph."""

    kind: Literal["speed"] = "speed"
    graph: str
    label: str = Field(description="of one of these points")
    speed: SpeedRecord


class SweepRun(_Record):
    """What made the lines behind this one."""

    kind: Literal["run"] = "run"
    command: str


UNMERGED = "unmerged"
AnyRecord = SweepRecord | FailedPoint
Line = SweepRecord | FailedPoint | GraphSpeed | SweepRun
_LINE: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="kind")])


def parse_line(content: dict[str, Any]) -> Line:
    """A line of a sweep's file from its JSON object; pydantic's ValidationError where it is none."""
    # By way of JSON, in which a list may become a tuple although types are strict. What older files write in
    # another way is changed before: behind a validator in front of a record it would be Python's lists.
    return _LINE.validate_json(json.dumps(_of_older_files(content)), strict=True)


def _of_older_files(content: dict[str, Any]) -> dict[str, Any]:
    """Settings in older files hold the numbers of each layer too, and some values that nothing takes."""
    settings = content.get("settings")
    if not isinstance(settings, dict) or "margins" not in settings:
        return content
    chosen = {name: value for name, value in settings.items() if value is not None}
    layers = {name: chosen.pop(name) for name in ("margins", "num_candidates") if name in chosen}
    if "metric" not in chosen:  # no similarity is measured, so nothing decides by it
        meant = ("method", "proportional_attention", "seed")
        chosen = {name: value for name, value in chosen.items() if name in meant}
    return {**content, "settings": chosen, **layers}


def records_of(lines: Sequence[Line]) -> list[AnyRecord]:
    """The records among the lines of a file, each with the speed of its graph where that was measured."""
    speeds = {each.graph: each.speed for each in lines if isinstance(each, GraphSpeed)}
    return [with_speed(each, speeds) for each in lines if isinstance(each, AnyRecord)]


def with_speed(record: AnyRecord, speeds: Mapping[str, SpeedRecord]) -> AnyRecord:
    """A record with the speed of its graph, where there is one."""
    speed = speeds.get(record.graph or "") if isinstance(record, SweepRecord) else None
    return record if speed is None else record.model_copy(update={"speed": speed})


def measured(records: list[AnyRecord], task: str | None = None) -> list[SweepRecord]:
    """The records with results, of one task or of all."""
    return [each for each in records if isinstance(each, SweepRecord) and (task is None or each.task == task)]


@dataclass(frozen=True)
class SweepFile:
    """A file that ``pitome sweep`` wrote."""

    configuration: dict[str, Any]
    records: tuple[SweepRecord, ...]
    failed: tuple[FailedPoint, ...] = ()
    """Points that could not be run."""
    commands: tuple[str, ...] = ()
    """What wrote it, in order, where the file says so."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """In the order of their first records."""
        return tuple(dict.fromkeys(record.task for record in self.records))
