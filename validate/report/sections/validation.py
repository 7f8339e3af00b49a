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
    file: str | None
    """Of the limits; None: the defaults."""


def validation_view(report: ReportInput) -> ValidationView | None:
    """None on the page of a build."""
    found = report.validation
    if found is None:
        return None
    limits = tuple(limit_rows(found.thresholds))
    return ValidationView(found.parts, found.plans, found.skipped, limits, found.thresholds_file)


def limit_rows(thresholds: Thresholds) -> list[Limit]:
    """Every limit, whether it was set or not."""
    usual = dict(leaves(Thresholds().model_dump(mode="json")))
    rows = []
    for key, value in leaves(thresholds.model_dump(mode="json")):
        if key == "max_accuracy_drop":  # none is set
            rows.append(Limit(key, "no limit", "default"))
            continue
        shown = (
            "no limit" if value is None else f"{value:g}" if isinstance(value, int | float) else str(value)
        )
        if value is not None and key.startswith("max_accuracy_drop."):
            shown += " point" if value == 1 else " points"
        rows.append(Limit(key, shown, "default" if key in usual and usual[key] == value else "the file"))
    return rows


SECTION = Section("validation", "Validation", "section_validation.html.j2", validation_view, validate_command)
