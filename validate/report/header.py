"""The top of the page: what the bundle is, whether it passed, and four numbers."""

from __future__ import annotations

from dataclasses import dataclass

from pitome.bundle import Manifest, ParityReport
from pitome.bundle.latency_records import LatencyRecord
from pitome.bundle.parity_records import Decisions
from pitome.validate.report.inputs import ReportInput
from pitome.validate.validation_records import ValidationRecord


@dataclass(frozen=True)
class HeaderView:
    """What stands above the sections."""

    manifest: Manifest
    parity: ParityReport | None
    validation: ValidationRecord | None
    best: LatencyRecord | None
    """The result with the highest speed-up."""
    decisions: Decisions | None
    """None where none were compared."""
    merged: int
    """Tokens merged per input, all layers together."""


def header_view(report: ReportInput) -> HeaderView:
    """From the same records as the sections."""
    results = () if report.latency is None else report.latency.results
    decisions = None if report.parity is None else report.parity.decisions
    return HeaderView(
        manifest=report.manifest,
        parity=report.parity,
        validation=report.validation,
        best=max(results, key=lambda result: result.speedup, default=None),
        decisions=decisions if decisions is not None and decisions.compared else None,
        merged=sum(report.manifest.schedule.num_merged),
    )
