"""The report's charts: SVG fragments that take their colours and font from the page around them."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTHS = {"wide": 860, "narrow": 360}
"""Each chart is drawn twice, in CSS pixels, since text that is scaled down to a telephone can't be read."""

# Colours that appear nowhere else, swapped for the page's custom properties after drawing.
INK, MUTED, FAINT = "#010101", "#020202", "#030303"
ACCENT, WARM, ON_ACCENT = "#040404", "#050505", "#060606"
_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    FAINT: "var(--line)",
    ACCENT: "var(--accent)",
    WARM: "var(--warm)",
    ON_ACCENT: "var(--on-accent)",
}

TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True)
class Chart:
    """One chart in two widths; the page shows the one that fits."""

    wide: str
    narrow: str


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
        _legend(axes)

    fall = " ".join(map(str, tokens))
    return _chart("tokens", "Tokens per layer", f"From the first layer to the output: {fall}.", draw, 260)


def speedup_chart(results: Sequence[Mapping[str, float | Sequence[float]]], bound: float) -> Chart:
    """Speed-up and interval per batch size, beside the FLOPs bound.

    Args:
        results: records with ``batch``, ``speedup`` and ``speedup_interval`` (validate/latency.py).
        bound: FLOPs of the unmerged model / FLOPs of the merged one.
    """
    rows = [(int(_number(r["batch"])), _number(r["speedup"]), _pair(r["speedup_interval"])) for r in results]
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
    return _chart(
        "speedup", "Measured speed-up", f"{told}; FLOPs bound {bound:.2f} times.", draw, 110 + 62 * len(rows)
    )


def margins_chart(layers: Sequence[Mapping[str, float]]) -> Chart | None:
    """The smallest decision margin of each layer against the measured rounding, on a logarithmic scale.

    Args:
        layers: records with ``layer``, ``smallest_margin`` and ``tolerance``.

    Returns:
        None where no layer has both numbers above 0: a logarithm would show nothing.
    """
    points = [
        (int(r["layer"]), float(r["smallest_margin"]), float(r["tolerance"]))
        for r in layers
        if (r.get("smallest_margin") or 0) > 0 and (r.get("tolerance") or 0) > 0
    ]
    if not points:
        return None

    def draw(axes: Axes, narrow: bool) -> None:
        from matplotlib.ticker import MaxNLocator

        places, margins, rounding = zip(*points, strict=True)
        axes.set_yscale("log")
        axes.plot(places, margins, "o", color=ACCENT, markersize=7, label="smallest margin")
        dash: dict[str, Any] = {"markersize": 14, "markeredgewidth": 3}
        axes.plot(places, rounding, "_", color=WARM, label="rounding", **dash)
        axes.xaxis.set_major_locator(MaxNLocator(7 if narrow else 26, integer=True))
        axes.set_xlabel("layer")
        axes.set_ylabel("distance")
        axes.minorticks_off()
        axes.margins(x=0.05, y=0.12)
        _legend(axes)

    told = "; ".join(f"layer {layer}: {margin:.1e} against {eps:.1e}" for layer, margin, eps in points)
    return _chart("margins", "Smallest decision margin against rounding", f"{told}.", draw, 250)


def _chart(name: str, title: str, description: str, draw: Callable[[Axes, bool], None], height: int) -> Chart:
    def drawn(width: str) -> str:
        return _svg(f"{name}-{width}", title, description, draw, WIDTHS[width], height, width == "narrow")

    return Chart(drawn("wide"), drawn("narrow"))


def _svg(
    name: str,
    title: str,
    description: str,
    draw: Callable[[Axes, bool], None],
    width: int,
    height: int,
    narrow: bool,
) -> str:
    """Draw at 72 dots an inch, so that one unit of the file is one CSS pixel."""
    import matplotlib
    from matplotlib.figure import Figure

    settings: dict[Any, Any] = {
        "font.family": ["DejaVu Sans"],  # measures the text; the page's font replaces it
        "svg.fonttype": "none",  # text stays text: it can be read aloud, searched and copied
        "svg.hashsalt": name,
        "font.size": 12,
        "axes.edgecolor": FAINT,
        "axes.labelcolor": MUTED,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": FAINT,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "xtick.labelcolor": MUTED,
        "ytick.labelcolor": MUTED,
        "ytick.major.size": 0,
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(width / 72, height / 72), dpi=72, layout="constrained")
        draw(figure.add_subplot(), narrow)
        return _inline(_saved(figure), name, title, description)


def _saved(figure: Figure) -> str:
    out = io.StringIO()
    # No date and no creator: the same numbers give the same page.
    figure.savefig(
        out, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
    )
    return out.getvalue()


def _inline(svg: str, name: str, title: str, description: str) -> str:
    """Make a file into a fragment: no prologue, unique ids, the page's colours and font, a text for it."""
    svg = svg[svg.index("<svg") :]
    # Its style element would apply to the whole page.
    svg = re.sub(r"<(metadata|style)[ >].*?</\1>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|xlink:href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r"(font(?:-family)?:[^;\"]*?)'DejaVu Sans'[^;\"]*", r"\1system-ui, sans-serif", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    box = re.search(r'viewBox="[^"]*"', svg)
    assert box, "matplotlib writes a viewBox"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {box[0]} '
        f'role="img" aria-labelledby="{name}-title {name}-text">\n'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-text">{escape(description)}</desc>'
    )
    return re.sub(r"<svg[^>]*>", lambda _: head, svg, count=1)


def _legend(axes: Axes) -> None:
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=2,
        frameon=False,
        labelcolor=MUTED,
        borderaxespad=0.2,
        handlelength=1.2,
    )


def _number(value: float | Sequence[float]) -> float:
    assert isinstance(value, int | float), value
    return float(value)


def _pair(value: float | Sequence[float]) -> tuple[float, float]:
    assert isinstance(value, Sequence), value
    low, high = value
    return float(low), float(high)
