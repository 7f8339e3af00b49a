"""Spectral distance per layer and method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pitome.validate.report.charts.style import SURFACE, Chart, layer_ticks, legend, looks, make_chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pitome.validate.evaluate.records import MethodSpectrum


def spectrum_chart(methods: Sequence[MethodSpectrum]) -> Chart | None:
    """One line per method, with the 95 % interval of every layer.

    Args:
        methods: in the order of the legend.

    Returns:
        None without methods.
    """
    if not methods:
        return None
    names = [record.method for record in methods]

    def draw(axes: Axes, narrow: bool) -> None:
        for record, look in zip(methods, looks(names).values(), strict=True):
            layers = record.layers
            means = [layer.mean for layer in layers]
            errors = [
                [max(layer.mean - layer.low, 0) for layer in layers],
                [max(layer.high - layer.mean, 0) for layer in layers],
            ]
            axes.errorbar(
                [layer.layer for layer in layers],
                means,
                yerr=errors,
                color=look.colour,
                marker=look.marker,
                markersize=7,
                markeredgecolor=SURFACE,
                linewidth=1.8,
                elinewidth=1.5,
                label=record.method,
            )
        layer_ticks(axes, narrow)
        axes.set_ylabel("spectral distance")
        axes.set_ylim(bottom=0)
        axes.margins(x=0.03)
        legend(axes, 2 if narrow else len(names))

    told = "; ".join(
        f"{record.method}: " + ", ".join(f"{layer.mean:.3g}" for layer in record.layers) for record in methods
    )
    return make_chart(
        "spectrum", "Spectral distance per layer", f"From the first layer on, {told}.", draw, 300
    )
