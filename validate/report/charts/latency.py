"""Speed-up and throughput per batch size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pitome.validate.report.charts.style import (
    ACCENT,
    INK,
    MUTED,
    ON_ACCENT,
    SURFACE,
    TIMES,
    WARM,
    Chart,
    legend,
    looks,
    make_chart,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pitome.bundle.latency_records import BatchRecord, ContestantRecord, LatencyRecord


def speedup_chart(results: Sequence[LatencyRecord], bound: float) -> Chart:
    """Speed-up and interval per batch size, beside the FLOPs bound.

    Args:
        results: one for each batch size.
        bound: FLOPs of the unmerged model / FLOPs of the merged one.
    """
    rows = [(record.batch, record.speedup, record.speedup_interval) for record in results]
    upward = rows[::-1]  # the axis counts from below; the first batch size belongs on top

    def draw(axes: Axes, narrow: bool) -> None:
        for place, (_, speedup, (low, high)) in enumerate(upward):
            axes.barh(place, speedup, height=0.5, color=ACCENT)
            axes.plot([low, high], [place, place], color=INK, linewidth=2, solid_capstyle="butt")
            axes.plot([low, low, high, high], [place] * 4, "|", color=INK, markersize=9, markeredgewidth=2)
            told = f"{speedup:.2f}{TIMES}"
            axes.text(0.03 * bound, place, told, va="center", color=ON_ACCENT, fontsize=14, weight="bold")
        axes.axvline(1.0, color=MUTED, linewidth=1.2)
        axes.axvline(bound, color=WARM, linewidth=2, linestyle=(0, (5, 3)))
        top = len(rows) - 0.38
        if bound > 1.3:  # else the two labels would meet
            axes.text(1.0, top, "unmerged", ha="right", va="bottom", color=MUTED, fontsize=11)
        label = f"FLOPs bound {bound:.2f}{TIMES}"
        axes.text(bound, top, label, ha="center", va="bottom", color=WARM, fontsize=11)
        axes.set_yticks(range(len(rows)), [f"batch {batch}" for batch, _, _ in upward])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.set_xlim(0, max(bound, *(high for _, _, (_, high) in rows)) * (1.22 if narrow else 1.1))
        axes.set_xlabel("speed-up over the unmerged model")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}{TIMES}")
        axes.grid(visible=False, axis="y")

    told = "; ".join(f"batch {b}: {s:.2f} times ({low:.2f} to {high:.2f})" for b, s, (low, high) in rows)
    return make_chart(
        "speedup", "Measured speed-up", f"{told}; FLOPs bound {bound:.2f} times.", draw, 110 + 62 * len(rows)
    )


def contestants_chart(batches: Sequence[BatchRecord]) -> Chart | None:
    """Per batch size one bar for the speed ratio of each contestant, with its interval and its own bound.

    Args:
        batches: one for each batch size.

    Returns:
        None where no contestant is compared with another.
    """
    compared = [
        (record.batch, [(each, each.ratio) for each in record.contestants if each.ratio is not None])
        for record in batches
    ]
    groups = [(batch, found) for batch, found in compared if found]
    if not groups:
        return None
    names = list(dict.fromkeys(each.name for _, found in groups for each, _ in found))

    def draw(axes: Axes, narrow: bool) -> None:
        styles = looks(_names(batches))
        place, places = 0.0, []
        for _, found in groups:
            first = place
            for record, ratio in found:
                _ratio_bar(axes, place, record, ratio, styles[record.name].colour)
                place -= 1
            places.append((first + place + 1) / 2)
            place -= 0.7
        axes.axvline(1.0, color=MUTED, linewidth=1.2)
        for name in names:
            axes.barh(0, 0, color=styles[name].colour, label=name)
        axes.plot([], [], "|", color=MUTED, markersize=14, markeredgewidth=3, label="FLOPs bound")
        axes.set_yticks(places, [f"batch {batch}" for batch, _ in groups])
        axes.set_ylim(place + 1.0, 0.6)
        axes.set_xlim(left=0)
        axes.margins(x=0.06)
        axes.set_xlabel("speed ratio")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}{TIMES}")
        axes.grid(visible=False, axis="y")
        legend(axes, 1 if narrow else 3)

    told = "; ".join(
        f"batch {batch}, {each.name} against {each.against}: {ratio:.2f} times"
        for batch, found in groups
        for each, ratio in found
    )
    bars = sum(len(found) for _, found in groups)
    height = 110 + 30 * bars + 22 * len(groups)
    tall = height + 20 * len(names)
    return make_chart("contestants", "Speed ratio of every contestant", f"{told}.", draw, height, tall)


def throughput_chart(batches: Sequence[BatchRecord]) -> Chart | None:
    """Inputs per second over batch sizes, one line per contestant.

    Args:
        batches: as for `contestants_chart`.

    Returns:
        None with fewer than two batch sizes: there is no line.
    """
    if len(batches) < 2:
        return None
    names = _names(batches)

    def draw(axes: Axes, narrow: bool) -> None:
        for name, look in looks(names).items():
            line = _throughput(batches, name)
            axes.plot(
                [batch for batch, _ in line],
                [rate for _, rate in line],
                color=look.colour,
                marker=look.marker,
                markersize=7,
                markeredgecolor=SURFACE,
                linewidth=1.8,
                label=name,
            )
        sizes = [record.batch for record in batches]
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.set_xlabel("batch size")
        axes.set_ylabel("inputs per second")
        legend(axes, 1 if narrow else 3)

    told = "; ".join(
        f"{name}: " + ", ".join(f"{rate:.3g} at batch {batch}" for batch, rate in _throughput(batches, name))
        for name in names
    )
    tall = 260 + 18 * len(names)
    return make_chart("throughput", "Throughput over batch sizes", f"{told}.", draw, 290, tall)


def _names(batches: Sequence[BatchRecord]) -> list[str]:
    return list(dict.fromkeys(each.name for record in batches for each in record.contestants))


def _ratio_bar(axes: Axes, place: float, record: ContestantRecord, ratio: float, colour: str) -> None:
    axes.barh(place, ratio, height=0.72, color=colour)
    if record.ratio_interval:
        low, high = record.ratio_interval
        axes.plot([low, high], [place, place], color=INK, linewidth=2, solid_capstyle="butt")
        axes.plot([low, high], [place] * 2, "|", color=INK, markersize=7, markeredgewidth=2)
    if record.bound:
        axes.plot([record.bound], [place], "|", color=MUTED, markersize=20, markeredgewidth=3)
    told = f"{ratio:.2f}{TIMES}"
    axes.text(0.03, place, told, va="center", color=ON_ACCENT, fontsize=11, weight="bold")


def _throughput(batches: Sequence[BatchRecord], name: str) -> list[tuple[int, float]]:
    return [
        (record.batch, contestant.timing.per_second)
        for record in batches
        for contestant in record.contestants
        if contestant.name == name
    ]
