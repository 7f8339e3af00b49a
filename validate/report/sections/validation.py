"""The verdict of each part of a validation, its limits, and what was skipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pitome.validate.report.inputs import ReportInput
from pitome.validate.report.nested import leaves
from pitome.validate.report.reproduce import validate_command
from pitome.validate.report.sections.section import Section
from pitome.validate.thresholds import Thresholds
from pitome.validate.validation_records import PartVerdict, PlanStatus, SkippedPart

NO_LIMIT = "no limit"


@dataclass(frozen=True)
class Limit:
    """One threshold."""

    key: str
    """As in the file."""
    value: str
    origin: Literal["default", "the file"]


@dataclass(frozen=True)
class ValidationView:
    """Of a page that shows a validation."""

    parts: tuple[PartVerdict, ...]
    plans: tuple[PlanStatus, ...]
    skipped: tuple[SkippedPart, ...]
    limits: tuple[Limit, ...]
    unlimited: tuple[str, ...]
    """Keys without a limit."""
    file: str | None
    """Of the limits; None: the defaults."""


def validation_view(report: ReportInput) -> ValidationView | None:
    """None on the page of a build."""
    found = report.validation
    if found is None:
        return None
    rows = limit_rows(found.thresholds)
    limits = tuple(row for row in rows if row.value != NO_LIMIT)
    unlimited = tuple(row.key for row in rows if row.value == NO_LIMIT)
    return ValidationView(found.parts, found.plans, found.skipped, limits, unlimited, found.thresholds_file)


def limit_rows(thresholds: Thresholds) -> list[Limit]:
    """Every limit, whether it was set or not."""
    of_file = {key for key, _ in leaves(thresholds.model_dump(mode="json", exclude_unset=True))}
    rows = []
    for key, value in leaves(thresholds.model_dump(mode="json")):
        if value is None or key == "max_accuracy_drop" or (key == "min_speedup" and not value):
            shown = NO_LIMIT
        else:
            shown = f"{value:g}" if isinstance(value, int | float) else str(value)
            if key.startswith("max_accuracy_drop."):
                shown += " point" if value == 1 else " points"
        rows.append(Limit(key, shown, "the file" if key in of_file else "default"))
    return rows


SECTION = Section("validation", "Validation", "section_validation.html.j2", validation_view, validate_command)
