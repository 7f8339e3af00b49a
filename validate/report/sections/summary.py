"""The bundle in a few rows, and the line that builds it again."""

from __future__ import annotations

from dataclasses import dataclass

from pitome.validate.report.inputs import ReportInput
from pitome.validate.report.reproduce import build_command
from pitome.validate.report.sections.section import Section
from pitome.validate.report.summary import SummaryRow, rows_of


@dataclass(frozen=True)
class SummaryView:
    """What the command line prints at the end of a build."""

    rows: tuple[SummaryRow, ...]


def summary_view(report: ReportInput) -> SummaryView:
    """Always there."""
    return SummaryView(tuple(rows_of(report.manifest, report.parity, report.other_parity, report.latency)))


SECTION = Section("summary", "Summary", "section_summary.html.j2", summary_view, build_command)
