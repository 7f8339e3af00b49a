"""``pitome fidelity``: how close merged features stay to the unmerged model's, as tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from pitome.cli.display import Display
from pitome.errors import InputError
from pitome.models.loading import load_model
from pitome.validate.evaluate.datasets.photos import real_photos
from pitome.validate.evaluate.fidelity import (
    METRICS,
    RULES,
    Closeness,
    Difference,
    FidelityReport,
    RuleFidelity,
    ScheduleFidelity,
    measure_fidelity,
)


@dataclass(frozen=True)
class FidelityOptions:
    """What is compared, and on what."""

    model: str
    weights: str | None
    ratios: tuple[float, ...]
    limit: int | None
    views: bool


def parse_ratios(text: str) -> tuple[float, ...]:
    """``"0.95,0.9"`` as numbers.

    Raises:
        InputError: a text that is not numbers with commas between them.
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(
            f"RATIOS={text}", "not numbers with commas between them", "Give for instance 0.95,0.9"
        ) from None


def run_fidelity(options: FidelityOptions, display: Display) -> FidelityReport:
    """Load the model, take the photos and compare."""
    with display.step(f"Load {options.model}") as report:
        # Random weights would be refused below, so an unreachable hub is said to be just that.
        loaded = load_model(
            options.model, options.weights, strict=True, progress=lambda text: report(text, 0, 0)
        )
    names, images = real_photos(loaded.preprocess, options.limit, augmented=options.views)
    with display.step("Measure fidelity") as report:
        return measure_fidelity(loaded, names, images, options.ratios, report)


def markdown_table(report: FidelityReport) -> str:
    """Rows: rule and metric; columns: schedules; cells: class token / mean token cosine.

    Bold is a cosine above plain ToMe's by more than two standard errors of the paired difference.
    """
    columns = [_heading(schedule) for schedule in report.schedules]
    lines = [
        f"| rule | metric | {' | '.join(columns)} |",
        f"|---|---|{'---|' * len(columns)}",
    ]
    cells = {(result.rule, result.metric, result.schedule): result for result in report.results}
    for metric in METRICS:
        for rule in RULES:
            row = [_cell(cells[rule.label, metric, schedule.name]) for schedule in report.schedules]
            lines.append(f"| {rule.label} | {metric} | {' | '.join(row)} |")
    note = (
        f"Mean cosine to the unmerged features of {report.model}, class token / mean token, over "
        f"{_count(report)}, proportional attention everywhere. FLOPs are the part that is left, with metric "
        "hidden / keys. Bold: above ToMe with the same metric and schedule by more than two standard errors "
        "of the paired difference."
    )
    return "\n".join([*lines, "", note]) + "\n"


def print_fidelity(console: Console, report: FidelityReport) -> None:
    """One table per schedule, with the paired differences to ToMe."""
    for schedule in report.schedules:
        flops = ", ".join(f"{value:.3f} with {metric}" for metric, value in schedule.flops_ratio.items())
        equal = f", the constant r closest to {schedule.equal_to}" if schedule.equal_to else ""
        table = Table(title=f"{schedule.name}{equal}: FLOPs left {flops}", title_justify="left")
        for heading in ("rule", "metric"):
            table.add_column(heading)
        for heading in ("class token", "to ToMe", "mean token", "to ToMe"):
            table.add_column(heading, justify="right", no_wrap=True)
        for result in report.results:
            if result.schedule == schedule.name:
                table.add_row(
                    result.rule, result.metric, *_pair(result.class_token), *_pair(result.mean_token)
                )
        console.print(table)
    console.print(
        f"Cosine to the unmerged features of {report.model} over {_count(report)}; "
        "differences to plain ToMe of the same metric and schedule, +- 2 standard errors"
    )


def _heading(schedule: ScheduleFidelity) -> str:
    flops: Any = schedule.flops_ratio
    return f"{schedule.name} (FLOPs {' / '.join(f'{flops[metric]:.3f}' for metric in METRICS)})"


def _cell(result: RuleFidelity) -> str:
    return " / ".join(_number(closeness) for closeness in (result.class_token, result.mean_token))


def _number(closeness: Closeness) -> str:
    text = f"{closeness.cosine:.4f}"
    return f"**{text}**" if closeness.to_tome is not None and closeness.to_tome.sign > 0 else text


def _pair(closeness: Closeness) -> tuple[str, str]:
    return f"{closeness.cosine:.4f}", _difference(closeness.to_tome)


def _difference(difference: Difference | None) -> str:
    if difference is None:
        return ""
    style = {1: "green", 0: "dim", -1: "red"}[difference.sign]
    return f"[{style}]{difference.mean:+.4f} +- {difference.two_standard_errors:.4f}[/]"


def _count(report: FidelityReport) -> str:
    if report.images == report.photos:
        return f"{report.photos} photos"
    return f"{report.images} views of {report.photos} photos"
