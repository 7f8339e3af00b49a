"""Merge decisions per layer: margins, agreement, and where differences begin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pitome.validate.report.charts.style import (
    ACCENT,
    BAD,
    MUTED,
    WARM,
    Chart,
    layer_ticks,
    legend,
    make_chart,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pitome.bundle.parity_records import LayerDecisions


def margins_chart(layers: Sequence[LayerDecisions]) -> Chart | None:
    """The smallest decision margin of each layer against the measured rounding, on a logarithmic scale.

    Args:
        layers: of one runtime.

    Returns:
        None where no layer has both numbers above 0: a logarithm would show nothing.
    """
    points = [
        (record.layer, record.smallest_margin, record.tolerance)
        for record in layers
        if record.smallest_margin is not None and record.smallest_margin > 0 and record.tolerance > 0
    ]
    if not points:
        return None

    def draw(axes: Axes, narrow: bool) -> None:
        places, margins, rounding = zip(*points, strict=True)
        axes.set_yscale("log")
        axes.plot(places, margins, "o", color=ACCENT, markersize=7, label="smallest margin")
        dash: dict[str, Any] = {"markersize": 14, "markeredgewidth": 3}
        axes.plot(places, rounding, "_", color=WARM, label="rounding", **dash)
        layer_ticks(axes, narrow)
        axes.set_ylabel("distance")
        axes.minorticks_off()
        axes.margins(x=0.05, y=0.12)
        legend(axes)

    told = "; ".join(f"layer {layer}: {margin:.1e} against {eps:.1e}" for layer, margin, eps in points)
    return make_chart("margins", "Smallest decision margin against rounding", f"{told}.", draw, 250)


def decisions_chart(layers: Sequence[LayerDecisions]) -> Chart | None:
    """Per layer the share of decisions that agree, that differ within rounding, and that are wrong.

    Args:
        layers: of one runtime.

    Returns:
        None where nothing was compared.
    """
    rows = [
        (record.layer, record.compared, record.agreed, record.excused, record.unexplained)
        for record in layers
        if record.compared
    ]
    if not rows:
        return None

    def draw(axes: Axes, narrow: bool) -> None:
        places = [layer for layer, *_ in rows]
        below = [0.0] * len(rows)
        for column, colour, label in ((2, ACCENT, "agreed"), (3, WARM, "excused"), (4, BAD, "wrong")):
            share = [row[column] / row[1] for row in rows]
            axes.bar(places, share, bottom=below, width=0.72, color=colour, label=label)
            below = [a + b for a, b in zip(below, share, strict=True)]
        for layer, _, _, excused, wrong in rows:  # one of thousands would be too thin to be seen
            for count, colour, height in ((excused, WARM, 1.02), (wrong, BAD, 1.13)):
                if count:
                    text = f"{count:,}"
                    axes.text(layer, height, text, ha="center", color=colour, fontsize=9 if narrow else 11)
        layer_ticks(axes, narrow)
        axes.set_ylim(0, 1.24)
        axes.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
        axes.set_ylabel("decisions")
        axes.grid(visible=False, axis="x")
        legend(axes, 3)

    told = "; ".join(
        f"layer {layer}: {agreed} of {compared} agree, {excused} within rounding, {wrong} wrong"
        for layer, compared, agreed, excused, wrong in rows
    )
    return make_chart("decisions", "Merge decisions per layer", f"{told}.", draw, 260)


def first_differences_chart(layers: Sequence[LayerDecisions], never: int) -> Chart | None:
    """In which layer the first other decision of an input arises when nothing is forced.

    Args:
        layers: of one runtime.
        never: inputs that differ nowhere.

    Returns:
        None where nothing was counted.
    """
    counts = {record.layer: record.first_differences for record in layers}
    if not sum(counts.values()) + never:
        return None
    last = max(counts, default=-1)

    def draw(axes: Axes, narrow: bool) -> None:
        places = [*counts, last + 1]
        heights = [*counts.values(), never]
        axes.bar(places, heights, width=0.72, color=[WARM] * len(counts) + [ACCENT])
        for place, height in zip(places, heights, strict=True):
            if height:
                axes.text(place, height, f"{height:,}", ha="center", va="bottom", color=MUTED, fontsize=10)
        step = max(1, -(-(last + 1) // (6 if narrow else 24)))
        shown = range(0, last + 1 - (step > 1), step)
        axes.set_xticks([*shown, last + 1], [*map(str, shown), "none"])
        axes.set_xlabel("layer of the first difference")
        axes.set_ylabel("inputs")
        axes.grid(visible=False, axis="x")
        axes.margins(y=0.15)

    told = "; ".join(f"layer {layer}: {count}" for layer, count in counts.items() if count)
    description = f"{told or 'no layer'}; no difference at all: {never}."
    return make_chart("first-differences", "Where the first difference arises", description, draw, 230)
