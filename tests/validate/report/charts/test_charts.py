from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitome.bundle.latency_records import BatchRecord, LatencyRecord
from pitome.bundle.parity_records import LayerDecisions
from pitome.errors import InputError
from pitome.validate.evaluate.records import MethodSpectrum
from pitome.validate.report.charts import (
    contestants_chart,
    decisions_chart,
    first_differences_chart,
    margins_chart,
    pareto_chart,
    spectrum_chart,
    speedup_chart,
    throughput_chart,
    tokens_chart,
    write_pareto_picture,
)
from pitome.validate.report.charts.pareto import pareto_points, score_limits
from pitome.validate.report.charts.style import DARK, LIGHT, looks
from pitome.validate.sweep.records import UNMERGED, SweepRecord, parse_line
from tests.validate.report import report_cases
from tests.validate.report.manifest_document import latency_result, layer_parity
from tests.validate.report.report_cases import SPEED, spectrum_report

TOKENS = [197, 178, 161, 145]


def sweep_record(method: str, flops: float, score: float, speedup: float | None = None) -> SweepRecord:
    key = UNMERGED if method == "none" else f"{method}{flops}{score}"
    interval = {"low": score - 0.01, "high": score + 0.02, "to_unmerged": None}
    speed = speedup and SPEED | {"speedup": speedup, "low": speedup - 0.1, "high": speedup + 0.1}
    record = report_cases.sweep_record(key, method, flops, score) | interval | {"speed": speed}
    found = parse_line(record)
    assert isinstance(found, SweepRecord)
    return found


SWEEP = [
    sweep_record("none", 1.0, 0.96),
    sweep_record("pitome", 0.6, 0.95, 1.5),
    sweep_record("pitome", 0.7, 0.94),
    sweep_record("tome", 0.6, 0.93, 1.6),
]


def batch(size: int, *contestants: dict[str, Any]) -> BatchRecord:
    return BatchRecord.model_validate(
        {"batch": size, "contestants": contestants, "rounds": 20, "warmup_rounds": 3}
    )


def contestant(name: str, ratio: float | None, per_second: float) -> dict[str, Any]:
    timing = {"median_milliseconds": 50.0, "p95_milliseconds": 60.0, "per_second": per_second}
    return report_cases.contestant(name, ratio, 1, timing=timing)


BATCHES = [
    batch(1, contestant("merged", 1.5, 30.0), contestant("unmerged", None, 20.0)),
    batch(8, contestant("merged", 1.6, 40.0), contestant("unmerged", None, 25.0)),
]


def layer(place: int, **numbers: float) -> LayerDecisions:
    """A layer whose other numbers say nothing."""
    return LayerDecisions.model_validate({**layer_parity(place), "smallest_margin": None, **numbers})


LAYERS = [
    layer(2, compared=90, agreed=89, excused=1, unexplained=0, first_differences=4),
    layer(5, compared=90, agreed=80, excused=7, unexplained=3),
]
SPECTRUM = [
    MethodSpectrum.model_validate({**each, "layers": each["layers"][:1]})
    for each in spectrum_report()["methods"]
]
MARGINS = [layer(4, smallest_margin=1e-5, tolerance=2e-7)]
RESULTS = [LatencyRecord.model_validate(latency_result(8, 1.66, 1.65, 1.68))]

CHARTS = {
    # name: the chart, a part of its description, a part of what it shows
    "tokens": (tokens_chart(TOKENS), "197 178 161", "merged away"),
    "speedup": (
        speedup_chart(RESULTS, 1.7426),
        "batch 8: 1.66 times (1.65 to 1.68); FLOPs bound 1.74",
        "batch 8",
    ),
    "margins": (margins_chart(MARGINS), "layer 4: 1.0e-05 against 2.0e-07", "smallest margin"),
    "decisions": (decisions_chart(LAYERS), "layer 5: 80 of 90 agree, 7 within rounding, 3 wrong", "excused"),
    "first": (first_differences_chart(LAYERS, 81), "layer 2: 4; no difference at all: 81", "none"),
    "contestants": (
        contestants_chart(BATCHES),
        "batch 8, merged against unmerged: 1.60 times",
        "FLOPs bound",
    ),
    "throughput": (throughput_chart(BATCHES), "unmerged: 20 at batch 1, 25 at batch 8", "batch size"),
    "spectrum": (spectrum_chart(SPECTRUM), "pitome: 0.0203; tome: 0.0404", "spectral distance"),
    "pareto": (
        pareto_chart(SWEEP, label="accuracy"),
        "unmerged: 0.96; pitome: 0.95 at 0.6; tome: 0.93",
        "FLOPs left",
    ),
    "pareto latency": (pareto_chart(SWEEP, "latency"), "pitome: 0.95 at 0.667", "measured time"),
}


@pytest.mark.parametrize("name", CHARTS)
def test_charts_are_text_with_a_description_and_the_pages_colours(name):
    chart, told, shown = CHARTS[name]
    assert chart is not None
    identities: set[str] = set()
    for svg in (chart.wide, chart.narrow):
        root = ElementTree.fromstring(svg)
        assert root.get("role") == "img"
        own = {element.get("id") for element in root.iter()} - {None}
        assert set(root.get("aria-labelledby", "").split()) <= own
        assert not own & identities, "both widths stand on one page"
        identities |= own
        text = " ".join(root.itertext())
        assert told in text
        assert shown in text  # legends and axes are text, not outlines
        assert set(re.findall(r"#[0-9a-f]{6}\b", svg)) == set()
        assert set(re.findall(r"var\(--([a-z0-9-]+)\)", svg)) <= set(LIGHT)


def test_same_numbers_same_chart():
    assert tokens_chart(TOKENS) == tokens_chart(TOKENS)
    assert pareto_chart(SWEEP) == pareto_chart(SWEEP)


def test_light_and_dark_have_the_same_colours():
    assert LIGHT.keys() == DARK.keys()


def test_charts_without_numbers_are_left_out():
    assert margins_chart([]) is None
    assert margins_chart([layer(0, smallest_margin=0.0)]) is None
    assert decisions_chart([]) is None
    assert first_differences_chart([layer(0)], 0) is None
    assert contestants_chart([]) is None
    assert contestants_chart([batch(1, contestant("unmerged", None, 1.0))]) is None
    assert throughput_chart(BATCHES[:1]) is None
    assert spectrum_chart([]) is None
    assert pareto_chart(SWEEP[:1]) is None
    assert pareto_chart([SWEEP[2]], "latency") is None


@given(
    st.lists(st.sampled_from(["pitome", "tome", "random", "paper", "a", "b", "c"]), unique=True, max_size=6)
)
def test_series_are_told_apart(names):
    found = looks(names)
    assert list(found) == names
    assert len({(look.colour, look.marker) for look in found.values()}) == len(names)
    for name in {"pitome", "tome", "random", "paper"} & set(names):
        assert found[name] == looks([name])[name], "the same in every chart"


def test_pareto_points_are_the_records_costs():
    flops = pareto_points(SWEEP, "flops")
    assert [(point.method, point.cost[0], point.score) for point in flops] == [
        ("pitome", 0.6, (0.95, pytest.approx(0.94), pytest.approx(0.97))),
        ("pitome", 0.7, (0.94, pytest.approx(0.93), pytest.approx(0.96))),
        ("tome", 0.6, (0.93, pytest.approx(0.92), pytest.approx(0.95))),
    ]
    latency = pareto_points(SWEEP, "latency")
    assert [point.cost for point in latency] == [
        pytest.approx((1 / 1.5, 1 / 1.6, 1 / 1.4)),
        pytest.approx((1 / 1.6, 1 / 1.7, 1 / 1.5)),
    ]


def test_pareto_picture_stands_alone(tmp_path):
    path = tmp_path / "pareto.svg"
    write_pareto_picture(SWEEP, path)
    text = path.read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    assert int(root.get("width", "0")) > 800
    assert "prefers-color-scheme: dark" in text
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", text))
    assert used
    assert all(text.count(f"--{name}:") == 2 for name in used), "each colour is given in light and dark"
    assert "tome" in " ".join(root.itertext())


def test_pareto_picture_refuses(tmp_path):
    with pytest.raises(InputError, match=r"Give a name that ends in \.svg"):
        write_pareto_picture(SWEEP, tmp_path / "pareto.png")
    with pytest.raises(InputError, match="none of the 1 records of the sweep has both"):
        write_pareto_picture([SWEEP[2]], tmp_path / "pareto.svg", "latency")


def test_random_pairs_do_not_squeeze_the_others_together() -> None:
    close = [sweep_record("tome", 0.6, 0.88), sweep_record("pitome", 0.6, 0.89)]
    points = pareto_points([*close, sweep_record("random", 0.6, 0.5)], "flops")
    low, high = score_limits(points, None)
    assert 0.8 < low < 0.87 < 0.91 < high < 0.95
    assert score_limits(points, (0.99, 0.98, 1.0))[1] > 0.99
    alone, _ = score_limits([point for point in points if point.method == "random"], None)
    assert alone < 0.5
    chart = pareto_chart([*close, sweep_record("random", 0.6, 0.5)])
    assert chart is not None
    assert "random: 0.5 at 0.6" in chart.wide
