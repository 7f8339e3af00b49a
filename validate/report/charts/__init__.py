"""The report's charts, one file per subject."""

from pitome.validate.report.charts.decisions import decisions_chart, first_differences_chart, margins_chart
from pitome.validate.report.charts.latency import contestants_chart, speedup_chart, throughput_chart
from pitome.validate.report.charts.pareto import pareto_chart, write_pareto_picture
from pitome.validate.report.charts.spectrum import spectrum_chart
from pitome.validate.report.charts.style import Chart
from pitome.validate.report.charts.tokens import tokens_chart

__all__ = [
    "Chart",
    "contestants_chart",
    "decisions_chart",
    "first_differences_chart",
    "margins_chart",
    "pareto_chart",
    "spectrum_chart",
    "speedup_chart",
    "throughput_chart",
    "tokens_chart",
    "write_pareto_picture",
]
