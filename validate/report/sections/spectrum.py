"""How far each layer's merge moves the spectrum of the token graph."""

from __future__ import annotations

from dataclasses import dataclass

from pitome.validate.evaluate.records import SpectrumReport
from pitome.validate.report.charts import Chart, spectrum_chart
from pitome.validate.report.inputs import ReportInput
from pitome.validate.report.reproduce import validate_command
from pitome.validate.report.sections.section import Section
from pitome.validate.validation_records import SPECTRUM


@dataclass(frozen=True)
class SpectrumView:
    """Distances per layer and method; ``report`` is None where nothing was measured."""

    report: SpectrumReport | None
    chart: Chart | None
    skipped: str | None


def spectrum_view(report: ReportInput) -> SpectrumView:
    """Always there."""
    found = report.spectrum
    chart = None if found is None else spectrum_chart(found.methods)
    return SpectrumView(found, chart, report.why_skipped(SPECTRUM))


SECTION = Section("spectrum", "Spectrum", "section_spectrum.html.j2", spectrum_view, validate_command)
