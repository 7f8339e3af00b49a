"""Limits on what merging may change in data of the user's without labels, and whether they are met."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from pitome.validate.evaluate.records import ModelAccuracy, TaskAccuracy


class OwnDataLimits(BaseModel):
    """Of every runtime, against the unmerged model; None is none."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    min_cosine: float | None = Field(default=None, ge=-1, le=1)
    min_worst_cosine: float | None = Field(default=None, ge=-1, le=1)
    min_recall_at_1: float | None = Field(default=None, ge=0, le=1)
    min_recall_at_10: float | None = Field(default=None, ge=0, le=1)
    min_recall_at_1_reindexed: float | None = Field(default=None, ge=0, le=1)
    min_recall_at_10_reindexed: float | None = Field(default=None, ge=0, le=1)
    min_top1_agreement: float | None = Field(default=None, ge=0, le=1)

    def those_set(self) -> dict[str, float]:
        """Key -> limit."""
        return {key: limit for key, limit in self.model_dump().items() if limit is not None}


@dataclass(frozen=True)
class _Measure:
    """What a limit is on."""

    metric: str
    told: str
    worst: bool = False
    """The smallest value, not the mean."""

    def value(self, model: ModelAccuracy) -> float | None:
        """Of a model; None where it was not measured."""
        found = model.metrics.get(self.metric)
        if found is None:
            return None
        return float(model.details["minimum"][self.metric]) if self.worst else found.mean


_MEASURES = {
    "min_cosine": _Measure("cosine", "the mean cosine"),
    "min_worst_cosine": _Measure("cosine", "the worst cosine", worst=True),
    "min_recall_at_1": _Measure("recall@1, unmerged index", "recall@1 in an unmerged index"),
    "min_recall_at_10": _Measure("recall@10, unmerged index", "recall@10 in an unmerged index"),
    "min_recall_at_1_reindexed": _Measure("recall@1, merged index", "recall@1 in a merged index"),
    "min_recall_at_10_reindexed": _Measure("recall@10, merged index", "recall@10 in a merged index"),
    "min_top1_agreement": _Measure("agreement", "the agreement of best classes"),
}


@dataclass(frozen=True)
class LimitsMet:
    """What the limits say of one task."""

    failures: tuple[str, ...]
    met: tuple[str, ...]


def judge_own_data(task: TaskAccuracy, limits: OwnDataLimits) -> LimitsMet:
    """The worst runtime decides each limit; one on what this task does not measure says nothing of it."""
    failures, met = [], []
    for key, limit in limits.those_set().items():
        measure = _MEASURES[key]
        found = sorted(_values(task, measure), key=lambda each: each[0])
        if not found:
            continue
        value, model = found[0]
        if not value >= limit:
            failures.append(
                f"{measure.told} of {task.task} is {value:.4f} ({model}), where {limit:g} is wanted"
            )
        else:
            met.append(f"{measure.told} of {task.task} is {value:.4f}, and {limit:g} is wanted")
    return LimitsMet(tuple(failures), tuple(met))


def unmeasured_own_limits(limits: OwnDataLimits, tasks: list[TaskAccuracy]) -> Iterator[tuple[str, str]]:
    """(key, reason) of the limits that no task has a number for."""
    own = [task for task in tasks if task.own_data is not None]
    for key in limits.those_set():
        measure = _MEASURES[key]
        if any(next(_values(task, measure), None) for task in own):
            continue
        if not own:
            why = "no task on data without labels ran (--task images:FOLDER or texts:FILE)"
        elif measure.metric.startswith("recall") and any("cosine" in task.main for task in own):
            why = "there are too few samples"
        else:
            why = "the model classifies" if key != "min_top1_agreement" else "the model is no classifier"
        yield key, f"{measure.told} has a limit and was not measured: {why}"


def _values(task: TaskAccuracy, measure: _Measure) -> Iterator[tuple[float, str]]:
    """(value, model) of all but the unmerged one."""
    for model in task.models:
        value = measure.value(model)
        if value is not None and model.drop_points is not None and not model.refit:
            yield value, model.model
