"""What the charts share: SVG fragments that take their colours and font from the page around them."""

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
    from matplotlib.transforms import Transform

WIDTHS = {"wide": 860, "narrow": 360}
"""Each chart is drawn twice, in CSS pixels, since text that is scaled down to a telephone can't be read."""
TIMES = "\N{MULTIPLICATION SIGN}"

# Colours that appear nowhere else, swapped for the page's custom properties after drawing.
INK, MUTED, FAINT = "#010101", "#020202", "#030303"
ACCENT, WARM, ON_ACCENT = "#040404", "#050505", "#060606"
BAD, SURFACE = "#070707", "#080808"
_SERIES = ("#110011", "#110012", "#110013", "#110014", "#110015", "#110016")
_MARKERS = "osD^vP"
_VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    FAINT: "line",
    ACCENT: "accent",
    WARM: "warm",
    ON_ACCENT: "on-accent",
    BAD: "bad",
    SURFACE: "card",
} | {colour: f"series-{place}" for place, colour in enumerate(_SERIES, 1)}
LIGHT = {
    "ink": "#14181f",
    "muted": "#535d6b",
    "line": "#dce1e7",
    "accent": "#2352c8",
    "warm": "#b04a00",
    "on-accent": "#ffffff",
    "bad": "#a81628",
    "card": "#ffffff",
    "series-1": "#2352c8",
    "series-2": "#b04a00",
    "series-3": "#0b7a5b",
    "series-4": "#8a3fb0",
    "series-5": "#5f6b7a",
    "series-6": "#a8801a",
}
"""The page's colours by custom property; the report's template and a picture for itself use the same."""
DARK = {
    "ink": "#e8ecf1",
    "muted": "#a3adba",
    "line": "#2d3540",
    "accent": "#8fb0ff",
    "warm": "#ffb073",
    "on-accent": "#0b1530",
    "bad": "#ff9aa5",
    "card": "#161b22",
    "series-1": "#8fb0ff",
    "series-2": "#ffb073",
    "series-3": "#5fd6b0",
    "series-4": "#d7a3f5",
    "series-5": "#9aa6b5",
    "series-6": "#e6c65c",
}
_PLACES = {"pitome": 0, "tome": 1, "paper": 2, "authors": 3, "random": 4}
"""Methods keep their colour and marker in every chart; others take what is free."""

Draw = Callable[["Axes", bool], None]
"""Draws into the axes; True asks for the narrow form."""


@dataclass(frozen=True)
class Chart:
    """One chart in two widths; the page shows the one that fits."""

    wide: str
    narrow: str


@dataclass(frozen=True)
class Look:
    """How a series is drawn: never by colour alone."""

    colour: str
    marker: str


def looks(names: Sequence[str]) -> dict[str, Look]:
    """Colour and marker of each series, the same in every chart for methods that the project knows."""
    free = [place for place in range(len(_SERIES)) if place not in {_PLACES.get(name) for name in names}]
    found: dict[str, Look] = {}
    for index, name in enumerate(dict.fromkeys(names)):
        place = _PLACES.get(name)
        if place is None:
            place = free.pop(0) if free else index % len(_SERIES)
        found[name] = Look(_SERIES[place], _MARKERS[place])
    return found


def make_chart(
    name: str, title: str, description: str, draw: Draw, height: int, narrow_height: int | None = None
) -> Chart:
    """Draw a chart in both widths; ``description`` is what a screen reader says of it."""

    def drawn(width: str) -> str:
        narrow = width == "narrow"
        tall = narrow_height if narrow and narrow_height else height
        return _inline(_drawn(draw, WIDTHS[width], tall, narrow, name), f"{name}-{width}", title, description)

    return Chart(drawn("wide"), drawn("narrow"))


def picture(name: str, title: str, description: str, draw: Draw, width: int, height: int) -> str:
    """A chart as an SVG file of its own: on a card, in light or dark as the reader's system asks."""
    svg = _inline(_drawn(draw, width, height, False, name), name, title, description)
    edge = 16
    wide, tall = width + 2 * edge, height + 2 * edge
    svg = re.sub(
        r'viewBox="[^"]*"',
        f'viewBox="{-edge} {-edge} {wide} {tall}" width="{wide}" height="{tall}"',
        svg,
        count=1,
    )
    style = (
        f"<style>svg{{{colour_properties(LIGHT)}}}"
        f"@media (prefers-color-scheme: dark){{svg{{{colour_properties(DARK)}}}}}</style>"
        f'<rect x="{-edge}" y="{-edge}" width="{wide}" height="{tall}" rx="12" style="fill: var(--card)"/>'
    )
    head = svg.index(">") + 1
    return f"{svg[:head]}{style}{svg[head:]}"


def colour_properties(colours: Mapping[str, str]) -> str:
    """The declarations of custom properties in CSS."""
    return ";".join(f"--{name}:{colour}" for name, colour in colours.items())


def _settings(name: str) -> dict[Any, Any]:
    return {
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


def _figure(draw: Draw, width: int, height: int, narrow: bool) -> Figure:
    """At 72 dots an inch, so that one unit of the file is one CSS pixel."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 72, height / 72), dpi=72, layout="constrained")
    draw(figure.add_subplot(), narrow)
    return figure


def _drawn(draw: Draw, width: int, height: int, narrow: bool, name: str) -> str:
    import matplotlib

    salt = f"{name}-{'narrow' if narrow else 'wide'}"
    with matplotlib.rc_context(_settings(salt)):
        return _saved(_figure(draw, width, height, narrow))


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
    svg = _with_variables(svg)
    box = re.search(r'viewBox="[^"]*"', svg)
    assert box, "matplotlib writes a viewBox"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {box[0]} '
        f'role="img" aria-labelledby="{name}-title {name}-text">\n'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-text">{escape(description)}</desc>'
    )
    return re.sub(r"<svg[^>]*>", lambda _: head, svg, count=1)


def _with_variables(svg: str) -> str:
    """The page's font and custom properties in place of those that were drawn with."""
    svg = re.sub(r"(font(?:-family)?:[^;\"]*?)'DejaVu Sans'[^;\"]*", r"\1system-ui, sans-serif", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var(--{variable})")
    return svg


def legend(axes: Axes, columns: int = 2) -> None:
    """Above the plot, to the right."""
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=columns,
        frameon=False,
        labelcolor=MUTED,
        borderaxespad=0.2,
        handlelength=1.2,
        columnspacing=1.2,
    )


def beside(axes: Axes, points: float) -> Transform:
    """Data coordinates moved to the right by so many points of the page."""
    from matplotlib.transforms import ScaledTranslation

    figure: Any = axes.figure
    return axes.transData + ScaledTranslation(points / 72, 0, figure.dpi_scale_trans)


def layer_ticks(axes: Axes, narrow: bool) -> None:
    """Whole numbers along the horizontal axis, as many as fit."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(7 if narrow else 26, integer=True))
    axes.set_xlabel("layer")
