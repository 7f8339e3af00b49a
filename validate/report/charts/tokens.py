"""Tokens per layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pitome.validate.report.charts.style import ACCENT, FAINT, INK, Chart, legend, make_chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def tokens_chart(tokens: Sequence[int]) -> Chart:
    """Tokens in front of each layer and after the last ([layers + 1] counts), beside the unmerged count."""
    layers = len(tokens) - 1

    def draw(axes: Axes, narrow: bool) -> None:
        places = range(layers + 1)
        removed = [tokens[0] - count for count in tokens]
        axes.bar(places, tokens, width=0.72, color=ACCENT, label="kept")
        axes.bar(places, removed, bottom=tokens, width=0.72, color=FAINT, label="merged away")
        step = max(1, -(-(layers + 1) // (7 if narrow else 26)))
        axes.set_xticks([*range(0, layers, step), layers], [*map(str, range(0, layers, step)), "out"])
        if not narrow and layers <= 26:
            for place, count in enumerate(tokens):
                axes.text(place, count + tokens[0] * 0.02, str(count), ha="center", color=INK, fontsize=11)
        axes.set_xlabel("layer")
        axes.set_ylabel("tokens")
        axes.grid(visible=False)
        axes.margins(x=0.01)
        axes.set_ylim(0, tokens[0] * 1.09)
        legend(axes)

    fall = " ".join(map(str, tokens))
    return make_chart("tokens", "Tokens per layer", f"From the first layer to the output: {fall}.", draw, 260)
