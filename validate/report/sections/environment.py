"""Versions and machine of the build, and of the validation where the page is of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pitome.bundle import WeightsRecord
from pitome.validate.report.inputs import ReportInput
from pitome.validate.report.nested import text_rows
from pitome.validate.report.numbers import DASH
from pitome.validate.report.sections.section import Section


@dataclass(frozen=True)
class Compared:
    """One fact of both."""

    name: str
    build: str
    validation: str
    marked: bool
    """Whether they differ, the command aside."""


@dataclass(frozen=True)
class EnvironmentView:
    """Rows are (dotted name, text)."""

    build: tuple[tuple[str, str], ...]
    compared: tuple[Compared, ...]
    """What the validation knows of too; none on the page of a build."""
    weights: WeightsRecord
    preprocess: tuple[tuple[str, str], ...]


def environment_view(report: ReportInput) -> EnvironmentView:
    """Always there."""
    manifest, validation = report.manifest, report.validation
    build = {"command": manifest.build.command, **manifest.environment.model_dump()}
    return EnvironmentView(
        build=tuple(text_rows(build)),
        compared=() if validation is None else _compared(build, validation.environment.model_dump()),
        weights=manifest.model.weights,
        preprocess=tuple(text_rows(manifest.model.preprocess.model_dump(mode="json"))),
    )


def _compared(build: Mapping[str, Any], validation: Mapping[str, Any]) -> tuple[Compared, ...]:
    before = dict(text_rows(build))
    return tuple(
        Compared(name, before.get(name, DASH), now, marked=name != "command" and before.get(name) != now)
        for name, now in text_rows(validation)
    )


SECTION = Section("environment", "Environment", "section_environment.html.j2", environment_view)
