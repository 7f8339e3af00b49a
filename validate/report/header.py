"""The top of the page: what the bundle is, whether it passed, and the numbers that it is known by."""

from __future__ import annotations

from dataclasses import dataclass

from pitome.bundle import Manifest, ParityReport
from pitome.bundle.latency_records import LatencyRecord
from pitome.validate.deciding_batch import deciding_latency
from pitome.validate.report.inputs import ReportInput
from pitome.validate.report.key_figures import (
    PrecisionFigures,
    deployed,
    measured_on,
    precision_figures,
    slower_warning,
)
from pitome.validate.validation_records import ValidationRecord


@dataclass(frozen=True)
class HeaderView:
    """What stands above the sections."""

    manifest: Manifest
    parity: ParityReport | None
    validation: ValidationRecord | None
    speed: LatencyRecord | None
    """At the batch size that the bundle was built for."""
    why_no_speed: str
    """Where that was not measured."""
    speed_of: str
    """What the speed-up is a number of."""
    slower: str | None
    """That merging is slower than not merging, where it surely is."""
    figures: tuple[PrecisionFigures, ...]
    """What parity found, fp32 first."""
    deployed: tuple[str, str]
    """(precision, how) of what a user runs."""
    merged: int
    """Tokens merged per input, all layers together."""


def header_view(report: ReportInput) -> HeaderView:
    """From the same records as the sections."""
    manifest = report.manifest.model_copy(update={"latency": report.latency})
    speed, why = deciding_latency(manifest)
    return HeaderView(
        manifest=report.manifest,
        parity=report.parity,
        validation=report.validation,
        speed=speed,
        why_no_speed=why,
        speed_of="" if speed is None or report.latency is None else measured_on(report.latency, speed),
        slower=slower_warning(manifest, report.latency),
        figures=precision_figures(report.parity),
        deployed=deployed(manifest),
        merged=sum(manifest.schedule.num_merged),
    )
