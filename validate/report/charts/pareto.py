"""Quality against cost: every point of a sweep, and the front of each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pitome.errors import InputError
from pitome.validate.pareto import pareto_front
from pitome.validate.report.charts.style import (
    INK,
    SURFACE,
    Chart,
    Draw,
    beside,
    legend,
    looks,
    make_chart,
    picture,
)
from pitome.validate.sweep.records import UNMERGED, SweepRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Cost = Literal["flops", "latency"]
AXES: Mapping[Cost, str] = {
    "flops": "FLOPs left, part of the unmerged model's",
    "latency": "measured time, part of the unmerged model's",
}
FLOOR = "random"
"""The method that only shows how bad it can get: the others are what the scale must tell apart."""
Triple = tuple[float, float, float]
"""A value with the ends of its interval."""


@dataclass(frozen=True)
class Point:
    """One setting of a sweep, as it is drawn."""

    method: str
    cost: Triple
    score: Triple


def pareto_points(records: Sequence[SweepRecord], cost: Cost) -> list[Point]:
    """The points of a sweep that have this cost; the unmerged model is left out.

    Args:
        records: of one task and one split.
        cost: FLOPs left, or measured time: the inverse of the speed-up.
    """
    points = []
    for record in records:
        if record.key == UNMERGED:
            continue
        found = _cost(record, cost)
        if found is not None:
            points.append(Point(record.settings.method, found, _score(record)))
    return points


def pareto_chart(
    records: Sequence[SweepRecord], cost: Cost = "flops", label: str = "score", name: str = "pareto"
) -> Chart | None:
    """Every setting as a small dot; a line through those of a method that none of its others dominates.

    Args:
        records: of one task and one split; see `pareto_points`.
        cost: what the horizontal axis shows.
        label: what the score is, such as "accuracy".
        name: unique on the page.

    Returns:
        None where no record has this cost.
    """
    points = pareto_points(records, cost)
    if not points:
        return None
    draw = _drawing(points, _unmerged(records), cost, label)
    title = f"{label.capitalize()} against {'FLOPs' if cost == 'flops' else 'measured time'}"
    return make_chart(f"{name}-{cost}", title, _told(points, _unmerged(records)), draw, 360, 340)


def write_pareto_picture(
    records: Sequence[SweepRecord], path: Path, cost: Cost = "flops", label: str = "accuracy"
) -> None:
    """Write the chart as an SVG file of its own, with light and dark colours; for the README.

    Args:
        records: of one task and one split; see `pareto_points`.
        path: ends in .svg.
        cost: what the horizontal axis shows.
        label: what the score is.

    Raises:
        InputError: another ending, or no record with this cost.
    """
    if path.suffix != ".svg":
        raise InputError(f"a picture at {path}", "it is written as SVG", "Give a name that ends in .svg")
    points = pareto_points(records, cost)
    if not points:
        raise InputError(
            f"a picture of {label} against {cost}",
            f"none of the {len(records)} records of the sweep has both",
            "Run the sweep, for the latency together with its measurement",
        )
    unmerged = _unmerged(records)
    title = f"{label.capitalize()} against {AXES[cost]}"
    draw = _drawing(points, unmerged, cost, label)
    path.write_text(picture("pareto", title, _told(points, unmerged), draw, 860, 420), encoding="utf-8")


def _cost(record: SweepRecord, cost: Cost) -> Triple | None:
    if cost == "flops":
        return record.flops_ratio, record.flops_ratio, record.flops_ratio
    speed = record.speed
    return None if speed is None else (1 / speed.speedup, 1 / speed.high, 1 / speed.low)


def _score(record: SweepRecord) -> Triple:
    """The score, with the ends of its paired difference to the unmerged model where there is one.

    That is what a setting changes; the interval of the score alone is mostly the choice of the samples, which
    is the same for all settings.
    """
    score, paired = record.score, record.to_unmerged
    if paired is None:
        return score, record.low, record.high
    unmerged = score - paired.mean
    return score, unmerged + paired.low, unmerged + paired.high


def _unmerged(records: Sequence[SweepRecord]) -> Triple | None:
    found = [record for record in records if record.key == UNMERGED]
    return _score(found[0]) if found else None


def _front(points: Sequence[Point]) -> list[Point]:
    return [points[place] for place in pareto_front([(point.cost[0], point.score[0]) for point in points])]


def score_limits(points: Sequence[Point], unmerged: Triple | None) -> tuple[float, float]:
    """The ends of the vertical axis: random pairs may lie below it, where there is anything else to show."""
    shown = [point for point in points if point.method != FLOOR] or points
    ends = [end for point in shown for end in point.score] + [*(unmerged or ())[:1]]
    return _with_margin(ends, 0.08)


def _name(method: str, points: Sequence[Point], lowest: float) -> str:
    """What the legend calls a method: one that leaves the chart says how far down it goes."""
    least = min(point.score[0] for point in points)
    return method if least >= lowest else f"{method} (below, down to {least:.3g})"


def _drawing(points: Sequence[Point], unmerged: Triple | None, cost: Cost, label: str) -> Draw:
    methods = list(dict.fromkeys(point.method for point in points))
    limits = score_limits(points, unmerged)

    def draw(axes: Axes, narrow: bool) -> None:
        if unmerged is not None:
            axes.axhline(unmerged[0], color=INK, linewidth=1.4, linestyle=(0, (5, 3)), label="unmerged")
        for place, (method, look) in enumerate(looks(methods).items()):
            # Methods are compared at equal FLOPs: side by side, else their intervals hide each other.
            aside = beside(axes, 3.0 * (place - (len(methods) - 1) / 2))
            own = [point for point in points if point.method == method]
            front = _front(own)
            rest = [point for point in own if point not in front]
            axes.plot(
                [point.cost[0] for point in rest],
                [point.score[0] for point in rest],
                look.marker,
                color=look.colour,
                alpha=0.4,
                markersize=4.5,
                markeredgewidth=0,
                transform=aside,
            )
            axes.errorbar(
                [point.cost[0] for point in front],
                [point.score[0] for point in front],
                xerr=_bars([point.cost for point in front]) if cost == "latency" else None,
                yerr=_bars([point.score for point in front]),
                color=look.colour,
                marker=look.marker,
                markersize=7,
                markeredgecolor=SURFACE,
                linewidth=1.8,
                elinewidth=1.2,
                transform=aside,
                label=_name(method, own, limits[0]),
            )
        axes.set_xlabel(_short(AXES[cost]) if narrow else AXES[cost])
        axes.set_ylabel(label)
        # By hand: moved series are not looked at when limits are found.
        costs = [end for point in points for end in point.cost]
        axes.set_xlim(*_with_margin(costs, 0.06))
        axes.set_ylim(*limits)
        legend(axes, 2 if narrow else 6)

    return draw


def _bars(values: Sequence[Triple]) -> list[list[float]]:
    return [
        [max(value - low, 0.0) for value, low, _ in values],
        [max(high - value, 0.0) for value, _, high in values],
    ]


def _with_margin(values: Sequence[float], part: float) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = part * (high - low) or 0.01
    return low - margin, high + margin


def _short(text: str) -> str:
    return text.partition(",")[0]


def _told(points: Sequence[Point], unmerged: Triple | None) -> str:
    parts = [] if unmerged is None else [f"unmerged: {unmerged[0]:.4g}"]
    for method in dict.fromkeys(point.method for point in points):
        front = _front([point for point in points if point.method == method])
        parts.append(f"{method}: " + ", ".join(f"{p.score[0]:.4g} at {p.cost[0]:.3g}" for p in front))
    return (
        "The settings of each method that none of its others beats; bars are 95 % intervals of the paired "
        "difference to the unmerged model. " + "; ".join(parts) + "."
    )
