"""What `pitome sweep` and `pitome tune` end with: tables, pictures, one JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from pitome.cli.table_layout import Column, ResultTable
from pitome.engine.sweep import Plan, SweepResult
from pitome.validate.pareto import pareto_front
from pitome.validate.sweep.left_out import not_tried
from pitome.validate.sweep.records import AnyRecord, DifferenceRecord, FailedPoint, SweepRecord, measured


def by_flops(records: list[AnyRecord], task: str) -> list[tuple[SweepRecord, bool]]:
    """The records of one task by rising FLOPs, and whether they are on the Pareto front."""
    found = sorted(measured(records, task), key=lambda each: (each.flops_ratio, -each.score))
    front = set(pareto_front([(each.flops_ratio, each.score) for each in found]))
    return [(each, place in front) for place, each in enumerate(found)]


def sweep_document(result: SweepResult) -> dict[str, Any]:
    """The JSON document."""
    return {
        "model": result.loaded.name,
        "weights": result.loaded.sha256,
        "file": str(result.file),
        "pictures": [str(path) for path in result.pictures],
        "left_out": [each.model_dump(mode="json") for each in not_tried(result.records)],
        "records": [each.model_dump(mode="json") for each in result.records],
        "pareto": {
            task: [each.key for each, best in by_flops(result.records, task) if best] for task in result.tasks
        },
    }


def draw_pictures(file: Path, records: Sequence[AnyRecord], tasks: Sequence[str]) -> list[Path]:
    """Score against FLOPs and, where it was measured, against time: SVG files beside the records."""
    from pitome.validate.report.charts.pareto import write_pareto_picture

    pictures = []
    for task in tasks:
        found = measured(list(records), task)
        points = [each for each in found if not each.is_unmerged]
        slug = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in task)
        stem = f"{file.stem}.{slug}"
        if points:
            pictures.append(file.with_name(f"{stem}.flops.svg"))
            write_pareto_picture(found, pictures[-1], "flops", points[0].metric)
        if any(each.speed for each in points):
            pictures.append(file.with_name(f"{stem}.latency.svg"))
            write_pareto_picture(found, pictures[-1], "latency", points[0].metric)
    return pictures


def print_sweep(console: Console, result: SweepResult) -> None:
    """One table per task, the cheapest setting first."""
    for task in result.tasks:
        _print_task(console, result, task)
    failed = [each for each in result.records if isinstance(each, FailedPoint)]
    for each in failed:
        where = f" on {each.task}" if each.task else ""
        console.print(f"not run: {each.label}{where}: {each.reason}", style="yellow")
    if failed:
        console.print(f"{len(failed)} points could not be run", style="yellow")
    for left_out in not_tried(result.records):
        console.print(f"left out: {left_out.told}", style="yellow")
    console.print(
        "* = no other setting has both fewer FLOPs and a better score. Differences are paired, over the same "
        "samples, with 95 % intervals, in points (100 x the metric)."
    )
    for path in (result.file, *result.pictures):
        console.print(f"wrote {path}", soft_wrap=True)


def print_plan(console: Console, plan: Plan) -> None:
    """The points in the order in which they would run."""
    for point in plan.points:
        console.print(f"{point.flops_ratio:.3f}  {point.label}")
    for each in plan.refused:
        console.print(f"can't run {each.label}: {each.reason}", style="yellow")
    console.print(f"{len(plan.points)} points, and the unmerged model")


def plan_document(plan: Plan) -> dict[str, Any]:
    """The JSON document of a dry run."""
    points = [
        {"key": point.key, "label": point.label, "flops_ratio": point.flops_ratio} for point in plan.points
    ]
    refused = [{"label": each.label, "reason": each.reason} for each in plan.refused]
    return {"model": plan.loaded.name, "points": points, "refused": refused}


def _print_task(console: Console, result: SweepResult, task: str) -> None:
    rows = by_flops(result.records, task)
    if not rows:
        return
    first = rows[0][0]
    timed = any(each.speed for each, _ in rows)
    headings = ("", "FLOPs", "score", "95 %", "to unmerged", "to ToMe", *(["speed-up"] if timed else []))
    table = ResultTable(
        f"{result.loaded.name}, {task}: {first.metric} over {first.samples} samples, {first.split}",
        [Column("setting", free=True), *(Column(heading, right=True) for heading in headings)],
    )
    for each, best in rows:
        cells = [
            "*" if best else "",
            f"{each.flops_ratio:.3f}",
            f"{each.score:.4f}",
            f"{each.low:.4f}-{each.high:.4f}",
            _difference(each.to_unmerged),
            _difference(each.to_tome),
        ]
        if timed:
            cells.append(_speed(each))
        table.add_row(each.label, *cells, style="bold" if best else "")
    console.print(table)


def _difference(found: DifferenceRecord | None) -> str:
    if found is None:
        return ""
    return f"{100 * found.mean:+.2f} [{100 * found.low:+.2f}, {100 * found.high:+.2f}]"


def _speed(record: SweepRecord) -> str:
    found = record.speed
    return "" if found is None else f"{found.speedup:.2f}x [{found.low:.2f}, {found.high:.2f}]"
