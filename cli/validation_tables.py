"""What ``pitome validate`` ends with: a screen of it, or with --details all tables before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console

from pitome.bundle.parity_records import LayerDecisions, ParityReport
from pitome.cli.own_data_table import print_own_data
from pitome.cli.table_layout import Column, ResultTable
from pitome.cli.tables import STYLES, print_accuracy, print_parity
from pitome.validate.evaluate.records import TaskAccuracy
from pitome.validate.report.key_figures import precision_figures
from pitome.validate.report.numbers import Unit
from pitome.validate.report.summary import tone_of
from pitome.validate.validation_records import ValidationRecord

_LONGEST = 260
"""Characters of a reason on a terminal; the page and --json have all of it."""
_MOST_FAILURES = 3


def print_validation(console: Console, record: ValidationRecord, *, details: bool = False) -> None:
    """A line for each part with the number that decides, what was not done, and the verdict last."""
    if record.why_no_accuracy is not None:
        console.print(
            f"Validated without accuracy: {_short(record.why_no_accuracy)}", style=STYLES["warning"]
        )
    if details:
        _print_details(console, record)
    table = ResultTable("", [Column("part"), Column("verdict"), Column("what decides", free=True)])
    for part in record.parts:
        tone = STYLES[tone_of(part.verdict)]
        first, *more = [_short(part.reason), *_numbers(record, part.name)]
        table.add_row(part.name, part.verdict, first, style=tone)
        for line in more:
            table.add_row("", "", line)
    console.print(table)
    for task in record.accuracy.tasks:
        print_own_data(console, task)
    for parity in (record.parity, *record.other_parity.values()):
        for failure in parity.failures[1:_MOST_FAILURES]:
            console.print(f"failed too: {_short(failure)}", style=STYLES["bad"])
    for plan in record.plans:
        console.print(f"plan {plan.file}: {plan.status}")
    for row in record.skipped:
        console.print(f"skipped: {row.what}: {_short(row.reason)}", style="yellow")
    told = "" if details else "; all tables are there, in --json, and printed by --details"
    console.print(f"wrote {record.report}{told}", soft_wrap=True)
    console.print(f"{record.bundle}: {record.told}", style=STYLES[tone_of(record.verdict, record.not_judged)])


def _print_details(console: Console, record: ValidationRecord) -> None:
    document: dict[str, Any] = record.model_dump(mode="json")
    print_parity(console, document["parity"])
    for name, parity in document["other_parity"].items():
        print_parity(console, parity, name)
    for accuracy in document["accuracy"]["tasks"]:
        print_accuracy(console, accuracy)


def _numbers(record: ValidationRecord, part: str) -> Iterator[str]:
    if part == "parity":
        yield from _of_parity(record.parity)
        for name, parity in record.other_parity.items():
            yield from (f"{name} graph: {told}" for told in _of_parity(parity))
    if part == "accuracy":
        for task in record.accuracy.tasks:
            yield _of_task(task)


def _of_parity(parity: ParityReport) -> Iterator[str]:
    """Decisions and the worst layer, the arithmetic that is nearest to its limit, and other precisions."""
    for found in precision_figures(parity):
        by = f"{found.precision}, {found.runtime}"
        if not found.compared:
            yield f"{by}: {found.cosines_told}"
            continue
        # Reduced precisions round by more than many margins, so near ties fall otherwise.
        by += "" if found.judged else ", near ties flip, not judged"
        yield f"{by}: {found.decisions_told}; {found.cosines_told}"
    layers = () if parity.decisions is None else parity.decisions.layers
    if layers:
        yield _worst_layer(max(layers, key=_badness))
    if parity.arithmetic:
        nearest = max(parity.arithmetic, key=lambda each: each.error / each.limit if each.limit else 0.0)
        yield (
            f"arithmetic: {nearest.error:.2g} of {nearest.limit:.2g} allowed at most "
            f"({nearest.output}, {nearest.precision})"
        )
    for precision in parity.unchecked:
        yield f"{precision}: read, not run: onnxruntime has no kernels for it on a CPU"


def _badness(layer: LayerDecisions) -> tuple[int, int, float]:
    return layer.unexplained, layer.excused, -layer.free_running_agreement


def _worst_layer(layer: LayerDecisions) -> str:
    told = f"worst layer {layer.layer}: {layer.agreed:,} of {layer.compared:,} agree"
    if layer.excused:
        told += f", {layer.excused} within rounding"
    if layer.unexplained:
        told += f", {layer.unexplained} without an excuse"
    return f"{told}; nothing forced {layer.free_running_agreement:.3f}"


def _of_task(task: TaskAccuracy) -> str:
    """The unmerged model's number and the worst runtime's, with its paired interval."""
    unit, first = Unit.of(task.main), task.models[0]
    found = first.metrics[task.main]
    told = f"{task.task}, {found.samples:,} samples: {task.main} {unit.cell(found.mean, 0, 0).value}"
    others = [model for model in task.models if not model.refit and model.drop_points is not None]
    if not others:
        return told
    worst = max(others, key=lambda model: model.drop_points or 0.0)
    told += f" to {unit.cell(worst.metrics[task.main].mean, 0, 0).value}, {worst.model}"
    change = next((d for d in worst.differences if (d.against, d.metric) == (first.model, task.main)), None)
    if change is None:
        return told
    paired = unit.paired(change)
    return f"{told}: {paired.value} ({paired.interval})"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST].rstrip()} ..."
