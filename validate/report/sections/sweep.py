"""Other settings of the same model: charts of quality against cost, and the settings that none beats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pitome.validate.pareto import pareto_front
from pitome.validate.report.charts import Chart, pareto_chart
from pitome.validate.report.inputs import ReportInput
from pitome.validate.report.numbers import Cell, Unit
from pitome.validate.report.reproduce import sweep_command
from pitome.validate.report.sections.section import Section
from pitome.validate.report.summary import times
from pitome.validate.sweep.records import ON_CPU, FailedPoint, SpeedRecord, SweepFile, SweepRecord
from pitome.validate.validation_records import SWEEP

MOST_ROWS = 16
"""Settings in a table; the file has them all."""


@dataclass(frozen=True)
class Row:
    """A setting."""

    label: str
    flops: str
    cells: tuple[Cell, ...]
    """The score, its difference to the unmerged model and to ToMe, the speed-up."""


@dataclass(frozen=True)
class TaskSettings:
    """One task and split."""

    title: str
    metric: str
    flops: Chart | None
    latency: Chart | None
    speed_note: str
    rows: tuple[Row, ...]
    note: str


@dataclass(frozen=True)
class SweepView:
    """All tasks of a sweep; none where there is no sweep."""

    tasks: tuple[TaskSettings, ...]
    skipped: str | None


def sweep_view(report: ReportInput) -> SweepView:
    """Always there."""
    tasks = () if report.sweep is None else tuple(_tasks(report.sweep))
    return SweepView(tasks, report.why_skipped(SWEEP))


def _tasks(sweep: SweepFile) -> list[TaskSettings]:
    groups: dict[tuple[str, str], list[SweepRecord]] = {}
    for record in sweep.records:
        groups.setdefault((record.task, record.split), []).append(record)
    return [
        _task(place, task, split, group, [each for each in sweep.failed if each.task in (None, task)])
        for place, ((task, split), group) in enumerate(groups.items())
    ]


def _task(
    place: int, task: str, split: str, records: Sequence[SweepRecord], failed: Sequence[FailedPoint]
) -> TaskSettings:
    metric, samples = records[0].metric, records[0].samples
    settings = [record for record in records if not record.is_unmerged]
    front = pareto_front([(record.flops_ratio, record.score) for record in settings])
    chosen = [record for record in records if record.is_unmerged]
    chosen += [settings[at] for at in front[-MOST_ROWS:]]
    name = f"pareto-{place}"
    note = f"The settings that no other one beats in FLOPs and {metric}, of {len(settings)} that were tried."
    if failed:
        reasons = Counter(each.reason for each in failed)
        told = "; ".join(f"{count} times: {reason}" for reason, count in reasons.items())
        note += f" {len(failed)} could not be run ({told})."
    return TaskSettings(
        title=f"{task}, {split}, {samples:,} samples",
        metric=metric,
        flops=pareto_chart(records, "flops", metric, name),
        latency=pareto_chart(records, "latency", metric, name),
        speed_note=_speed_note(records),
        rows=tuple(_row(record, metric) for record in chosen),
        note=note,
    )


def _speed_note(records: Sequence[SweepRecord]) -> str:
    speeds = [record.speed for record in records if record.speed is not None]
    return "; ".join(sorted({_conditions(speed) for speed in speeds}))


def _conditions(speed: SpeedRecord) -> str:
    if speed.onnxruntime is None:
        return f"{speed.runtime}, batch {speed.batch}"
    runtime = "" if speed.runtime == ON_CPU else f", {speed.runtime}"
    return f"{speed.cpu}, batch {speed.batch}, {speed.threads} threads{runtime}"


def _row(record: SweepRecord, metric: str) -> Row:
    unit = Unit.of(metric)
    cells = (
        unit.cell(record.score, record.low, record.high),
        unit.paired(record.to_unmerged),
        unit.paired(record.to_tome),
        _speed_cell(record.speed),
    )
    return Row(record.label, f"{record.flops_ratio:.3f}", cells)


def _speed_cell(speed: SpeedRecord | None) -> Cell:
    return Cell() if speed is None else Cell(times(speed.speedup), f"{speed.low:.2f} to {speed.high:.2f}")


SECTION = Section("sweep", "Quality against cost", "section_sweep.html.j2", sweep_view, sweep_command)
