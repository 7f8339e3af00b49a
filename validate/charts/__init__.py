"""The report's charts, one file per subject."""

from validate.charts.decisions import decisions_chart, first_differences_chart, margins_chart
from validate.charts.latency import contestants_chart, speedup_chart, throughput_chart
from validate.charts.pareto import pareto_chart, write_pareto_picture
from validate.charts.spectrum import spectrum_chart
from validate.charts.style import Chart
from validate.charts.tokens import tokens_chart

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
