"""Measured speed of the merged against the unmerged model, and of all contestants where there are more."""

from __future__ import annotations

from dataclasses import dataclass

from pitome.bundle import LatencyReport
from pitome.validate.report.charts import Chart, contestants_chart, speedup_chart, throughput_chart
from pitome.validate.report.inputs import ReportInput
from pitome.validate.report.reproduce import bench_command
from pitome.validate.report.sections.section import Section


@dataclass(frozen=True)
class LatencyView:
    """What was measured, and its charts; ``report`` is None where nothing was."""

    report: LatencyReport | None
    speedup: Chart | None = None
    contestants: Chart | None = None
    throughput: Chart | None = None


def latency_view(report: ReportInput) -> LatencyView:
    """Always there."""
    found = report.latency
    if found is None:
        return LatencyView(None)
    batches = found.comparison or ()
    return LatencyView(
        found,
        speedup_chart(found.results, report.manifest.merged_graph.flops.bound),
        contestants_chart(batches),
        throughput_chart(batches),
    )


SECTION = Section("latency", "Latency", "section_latency.html.j2", latency_view, bench_command)
