"""One table per task: each model and metric, with the paired difference to the unmerged model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pitome.validate.evaluate.records import MeanRecord, ModelAccuracy, TaskAccuracy
from pitome.validate.padding_records import BUCKET, PaddingRecord
from pitome.validate.report.inputs import ReportInput
from pitome.validate.report.numbers import DASH, Cell, Unit, p_value
from pitome.validate.report.own_data import OwnDataView, own_data_view
from pitome.validate.report.reproduce import validate_command
from pitome.validate.report.sections.section import Section
from pitome.validate.unmeasured_limits import ACCURACY


@dataclass(frozen=True)
class Row:
    """A model and a metric."""

    model: str
    metric: str
    samples: int
    value: Cell
    difference: Cell
    tone: Literal["plain", "good", "bad"]
    p_value: str


@dataclass(frozen=True)
class TaskTable:
    """One task."""

    title: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    padding: tuple[tuple[str, str], ...]
    """(what, number)."""
    models: tuple[str, ...]
    details: tuple[tuple[str, tuple[str, ...]], ...]
    """(what, one value per model)."""
    own: OwnDataView | None
    """Of the user's data without labels."""


@dataclass(frozen=True)
class AccuracyView:
    """All tasks; none where nothing was judged."""

    tasks: tuple[TaskTable, ...]
    random: bool
    """Whether the weights are."""
    skipped: str | None


def accuracy_view(report: ReportInput) -> AccuracyView:
    """Always there."""
    return AccuracyView(
        tuple(_table(task, report.pictures.get(task.task, {})) for task in report.accuracy),
        report.manifest.model.weights.random,
        report.why_skipped(ACCURACY),
    )


def _table(task: TaskAccuracy, pictures: Mapping[int, str]) -> TaskTable:
    unmerged = task.models[0].model
    rows = (
        _row(model, name, found, unmerged) for model in task.models for name, found in model.metrics.items()
    )
    own = own_data_view(task, pictures)
    skipped = () if own is not None else task.skipped  # told with their names
    notes = [f"Skipped {part.told}." for part in skipped]
    notes += [f"{name} did not run: {reason}." for name, reason in task.unavailable.items()]
    return TaskTable(
        title=f"{task.task}, {task.split}",
        rows=tuple(rows),
        notes=tuple(notes),
        padding=_padding_rows(task.padding),
        models=tuple(_name(model) for model in task.models),
        details=_detail_rows(task.models),
        own=own,
    )


def _name(model: ModelAccuracy) -> str:
    return f"{model.model}, head fitted anew" if model.refit else model.model


def _row(model: ModelAccuracy, metric: str, found: MeanRecord, unmerged: str) -> Row:
    unit = Unit.of(metric)
    difference = next((d for d in model.differences if (d.against, d.metric) == (unmerged, metric)), None)
    tone: Literal["plain", "good", "bad"] = "plain"
    if difference is not None:
        tone = "bad" if difference.high < 0 else "good" if difference.low > 0 else "plain"
    return Row(
        model=_name(model),
        metric=metric,
        samples=found.samples,
        value=unit.cell(found.mean, found.low, found.high),
        difference=unit.paired(difference),
        tone=tone,
        p_value=p_value(None if difference is None else difference.p_value),
    )


def _padding_rows(padding: PaddingRecord | None) -> tuple[tuple[str, str], ...]:
    """What merging saves only by padded texts."""
    if padding is None:
        return ()
    removed = padding.share_of_removed
    return (
        ("Padding among all positions of the inputs", f"{100 * padding.share_of_inputs:.1f} %"),
        (
            "Padding among the tokens that merging removed",
            "nothing was removed" if removed is None else f"{100 * removed:.1f} %",
        ),
        (
            "Texts of full length, which have no padding",
            f"{padding.full_length:,} of {padding.texts:,}",
        ),
        ("FLOPs, merged", f"{padding.flops_merged:.3f}"),
        ("FLOPs, unmerged, every text by itself", f"{padding.flops_unpadded:.3f}"),
        (f"FLOPs, unmerged, padded to multiples of {BUCKET} tokens", f"{padding.flops_bucketed:.3f}"),
    )


def _detail_rows(models: Sequence[ModelAccuracy]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """All details that are single values."""
    found = [dict(_flat(model.details)) for model in models]
    names = dict.fromkeys(name for each in found for name in each)
    return tuple((name, tuple(each.get(name, DASH) for each in found)) for name in names)


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flat(inner, f"{prefix}{name}: ")
        elif inner is not None and not isinstance(inner, list):
            yield f"{prefix}{name}", f"{inner:.6g}" if isinstance(inner, float) else str(inner)


SECTION = Section("accuracy", "Accuracy", "section_accuracy.html.j2", accuracy_view, validate_command)
