from __future__ import annotations

import copy
import re
import shutil
import struct
import subprocess
import zlib
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pitome.flops import FlopsCount
from pitome.manifest import Manifest
from validate.charts import margins_chart, speedup_chart, tokens_chart
from validate.report import render_report
from validate.reproduce import reproduce_command
from validate.summary import giga, megabytes, percent, summary_rows

TOKENS = [197, 178, 161, 145, 131, 118, 107, 97, 88, 80, 73, 66, 60]
MERGED = [a - b for a, b in pairwise(TOKENS)]
CANDIDATES = [min(t - 1, max(2 * r, int(0.9 * (t - 1) + 0.5))) for t, r in zip(TOKENS, MERGED, strict=False)]
RANDOM_BANNER = "Random weights: good for latency and parity, says nothing of accuracy"


def digest(letter: str) -> str:
    return letter * 64


def layer_parity(layer: int) -> dict[str, Any]:
    compared = 96 * TOKENS[layer]
    return {
        "layer": layer,
        "tokens": TOKENS[layer],
        "merged": MERGED[layer],
        "compared": compared,
        "agreed": compared - (layer == 5),
        "excused": int(layer == 5),
        "unexplained": 0,
        "tolerance": 2.1e-7 + layer * 1e-8,
        "smallest_margin": [3e-6, 8e-7, 1e-5, 4e-6, 2e-6, 6e-8][layer % 6],
        "free_running_agreement": 1 - layer * 1e-4,
    }


def latency_result(batch: int, speedup: float, low: float, high: float) -> dict[str, Any]:
    bound = 17_600_000_000 / 10_100_000_000
    return {
        "batch": batch,
        "speedup": speedup,
        "speedup_interval": [low, high],
        "bound": bound,
        "share_of_bound": speedup / bound,
        "merged": {"median_milliseconds": 100.0, "p95_milliseconds": 110.0, "per_second": 10.0 * batch},
        "unmerged": {"median_milliseconds": 150.0, "p95_milliseconds": 160.0, "per_second": 6.7 * batch},
        "rounds": 27,
        "warmup_rounds": 4,
        "threads": 2,
        "seed": 0,
        "onnxruntime": "1.32.0",
        "provider": "CPUExecutionProvider",
        "cpu": "AMD EPYC",
    }


@pytest.fixture
def document() -> dict[str, Any]:
    tensor = {"name": "pixel_values", "dtype": "float32", "shape": ["batch", 3, 224, 224]}
    output = {"name": "image_embeds", "dtype": "float32", "shape": ["batch", 512]}
    onnx = {"opset": 18, "inputs": [tensor], "outputs": [output], "key": digest("1")}
    files = [("model.onnx", "b", 345_000_000, "fp32"), ("model.fp16.onnx", "c", 173_000_000, "fp16")]
    return {
        "schema_version": 1,
        "pitome_version": "0.1.0",
        "created": "2026-11-22T22:00:00+00:00",
        "model": {
            "name": "clip-b16",
            "family": "clip",
            "task": "image-embedding",
            "weights": {"source": "random", "sha256": digest("a"), "random": True, "seed": 0},
            "preprocess": {"image_size": 224, "mean": [0.48, 0.46, 0.41], "crop": {"centre": True}},
        },
        "method": {
            "name": "pitome",
            "order": "energy",
            "energy": "elu",
            "split": "alternate",
            "metric": "hidden",
            "margins": [0.9 - 0.9 * i / 12 for i in range(12)],
            "alpha": 1.0,
            "size_penalty": 0.05,
            "num_protected": 1,
            "proportional_attention": True,
        },
        "schedule": {"tokens": TOKENS, "num_merged": MERGED, "num_candidates": CANDIDATES},
        "precision": "fp16",
        "flops": {
            "base": 17_600_000_000,
            "merged": 10_100_000_000,
            "ratio": 101 / 176,
            "bound": 176 / 101,
        },
        "onnx": [
            {**onnx, "file": file, "sha256": digest(letter), "bytes": size, "precision": precision}
            for file, letter, size, precision in files
        ],
        "plans": [
            {
                "file": "model.plan",
                "sha256": digest("d"),
                "bytes": 198_000_000,
                "backend": "tensorrt_rtx",
                "backend_version": "1.7.1.116",
                "targets": ["sm80", "sm86", "sm89", "sm120"],
                "profile": [1, 8, 32],
                "precision": "fp16",
                "merge_path": "function",
                "executed": False,
                "build_seconds": 6.5,
                "key": digest("e"),
            }
        ],
        "parity": {
            "verdict": "pass",
            "reason": None,
            "decisions": {"images": 96, "layers": [layer_parity(layer) for layer in range(12)]},
            "arithmetic": [
                {
                    "precision": "fp32",
                    "runtime": "onnxruntime",
                    "error": 1.3e-6,
                    "torch_error": 1.1e-6,
                    "limit": 2.4e-6,
                    "scale": 1.8,
                    "passed": True,
                }
            ],
            "task": [
                {
                    "vector": "image_embeds",
                    "model": "onnxruntime fp32",
                    "against": "unmerged",
                    "mean": 0.95,
                    "minimum": 0.91,
                }
            ],
            "top1_agreement": {"onnxruntime fp32 against unmerged": 0.875},
            "inputs": {"random": 64, "photos": 32},
        },
        "latency": {
            "results": [latency_result(1, 1.49, 1.46, 1.53), latency_result(8, 1.66, 1.65, 1.68)],
            "threads": 2,
            "onnxruntime": "1.32.0",
            "provider": "CPUExecutionProvider",
            "cpu": "AMD EPYC",
        },
        "environment": {
            "python": "3.11.2",
            "packages": {"torch": "2.13.0", "onnx": "1.23.2"},
            "cpu": "AMD EPYC",
        },
    }


@pytest.fixture
def flops() -> FlopsCount:
    return FlopsCount((1_450_000_000,) * 12, tuple((14 - layer) * 10**8 for layer in range(12)), 200_000_000)


class Page(HTMLParser):
    """What a page loads, its text, its ids and whether its tags nest."""

    VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.references: list[str] = []
        self.text = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.tags.append((tag, named))
        if tag not in self.VOID:
            self.open.append(tag)
        if "id" in named:
            self.ids.append(named["id"])
        for name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
            if name in named:
                (self.references if named[name].startswith("#") else self.loads).append(named[name])
        for place in re.findall(r"url\(([^)]*)\)", " ".join(value or "" for value in named.values())):
            (self.references if place.startswith("#") else self.loads).append(place)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> does not nest"

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data


def render(document, flops=None) -> str:
    return render_report(Manifest.model_validate(document), flops)


def test_page_is_well_formed_and_loads_nothing(document, flops):
    text = render(document, flops)
    page = Page(text)
    assert page.open == []
    assert page.loads == []
    assert {reference[1:] for reference in page.references} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert "default-src 'none'" in text
    assert not re.search(r"<(script|link|img|iframe|object)\b|@import", text)
    assert set(re.findall(r"https?://[^\"' <]*", text)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert "None" not in page.text
    assert "Undefined" not in page.text


def test_page_shows_what_the_manifest_holds(document, flops):
    text = Page(render(document, flops)).text
    for shown in (
        RANDOM_BANNER,
        "Parity: pass",
        " ".join(map(str, TOKENS)),
        "1.66\N{MULTIPLICATION SIGN}",
        "1.65 to 1.68",
        "95.3 %",  # share of the bound at batch 8: 1.66 / (176 / 101)
        "never executed: built from a checked ONNX file",
        "sm80, sm86, sm89, sm120",
        "198 MB",
        *(digest(letter) for letter in "abcd"),
        "2.6e-07",  # rounding of layer 5
        "99.99 %",  # agreement: one decision of 138 thousand differs
        "image_embeds: cosine of onnxruntime fp32 to unmerged PyTorch",
        "mean 0.95000, lowest 0.91000",
        "same top-1 class: onnxruntime fp32 against unmerged",
        "87.5%",
        "mean 0.95",
        "packages.torch",
        "make engine MODEL=clip-b16",
        "0.966",  # FLOPs ratio of the first layer
        "Whole model",
    ):
        assert shown in text, shown


def test_what_was_not_run_is_said(document, flops):
    document["parity"]["unchecked"] = ["fp16"]
    text = Page(render(document, flops)).text
    assert "The fp16 graph was not run: onnxruntime has no fp16 kernels on a CPU" in text
    assert "never executed, and neither was the ONNX file it was built from" in text
    assert "built from a checked ONNX file" not in text


def test_decisions_of_reduced_precision_are_reported(document, flops):
    layers = [layer_parity(layer) for layer in range(12)]
    document["parity"]["reported_decisions"] = [{"runtime": "onnxruntime fp16", "layers": layers}]
    agreed, compared = (sum(layer[name] for layer in layers) for name in ("agreed", "compared"))
    shown = f"onnxruntime fp16 against PyTorch in that precision: {agreed} of {compared} decisions agree"
    assert shown in Page(render(document, flops)).text


def test_summary_is_the_command_lines(document):
    manifest = Manifest.model_validate(document)
    text = Page(render_report(manifest)).text
    rows = summary_rows(manifest)
    for row in rows:
        assert row.label in text
        assert row.value in text
    values = {row.label: row for row in rows}
    assert values["Model"].tone == "warning"
    assert values["Parity"].value == "pass: 138,335 of 138,336 decisions agree, 1 differ within rounding"
    assert values["FLOPs per input"].value.startswith("17.6 G to 10.1 G multiply-adds (0.574 of the base")
    assert "1.49\N{MULTIPLICATION SIGN} (1.46 to 1.53)" in values["Speed-up, batch 1"].value


def test_real_weights_have_no_banner(document):
    document["model"]["weights"] = {
        "source": "openai/clip-vit-base-patch16",
        "sha256": digest("a"),
        "random": False,
    }
    text = Page(render(document)).text
    assert "Random weights" not in text
    assert "weights from openai/clip-vit-base-patch16" in text


def test_failed_parity_is_loud(document):
    document["parity"]["verdict"] = "fail"
    document["parity"]["reason"] = "layer 3 merges other tokens"
    document["parity"]["decisions"]["layers"][3]["unexplained"] = 7
    page = Page(render(document))
    assert "Parity: fail" in page.text
    assert "layer 3 merges other tokens" in page.text
    assert "Parity: pass" not in page.text
    assert any("banner bad" in (attributes.get("class") or "") for _, attributes in page.tags)


def test_missing_parts_are_said_to_be_missing(document):
    document.update(parity=None, latency=None, plans=[])
    text = Page(render(document)).text
    for shown in ("Parity not checked", "Not measured", "not measured", "This bundle holds no plan"):
        assert shown in text
    document["parity"] = {"verdict": "pass"}
    assert "Parity: pass" in Page(render(document)).text


def test_model_that_merges_nothing(document):
    document["method"].update(name="none")
    document["schedule"] = {"tokens": [197] * 13, "num_merged": [0] * 12, "num_candidates": [0] * 12}
    document["flops"] = {"base": 10, "merged": 10, "ratio": 1.0, "bound": 1.0}
    document["parity"]["decisions"]["layers"] = []
    text = Page(render(document)).text
    assert "nothing is merged" in text
    assert "No merge decides anything" in text
    assert "R=" not in reproduce_command(Manifest.model_validate(document))


def test_names_are_escaped(document):
    document["model"]["name"] = "<script>alert(1)</script>"
    document["environment"]["<b>"] = "<i>&"
    text = render(document)
    assert "<script>" not in text
    assert "<b>" not in text
    assert "&lt;i&gt;&amp;" in text
    assert "'<script>alert(1)</script>'" in Page(text).text  # quoted for the shell in the command


def test_same_manifest_same_page(document, flops):
    assert render(document, flops) == render(copy.deepcopy(document), flops)
    # no time stamp: only the manifest has one
    assert "2026-11-22" not in render(document, flops)


def test_charts_are_text_with_a_description_and_the_pages_colours():
    chart = tokens_chart(TOKENS)
    for svg in (chart.wide, chart.narrow):
        page = Page(svg)
        (root,) = (attributes for tag, attributes in page.tags if tag == "svg")
        assert root["role"] == "img"
        assert set(root["aria-labelledby"].split()) <= set(page.ids)
        assert "197 178 161" in page.text
        assert "merged away" in page.text  # the legend is text, not outlines
        assert set(re.findall(r"#[0-9a-f]{6}\b", svg)) == set()
        assert "var(--accent)" in svg
    assert tokens_chart(TOKENS) == chart


def test_speedup_chart_tells_its_numbers():
    chart = speedup_chart([latency_result(8, 1.66, 1.65, 1.68)], 1.7426)
    assert "batch 8: 1.66 times (1.65 to 1.68); FLOPs bound 1.74 times." in Page(chart.wide).text


def test_margins_chart_needs_numbers_above_zero():
    assert margins_chart([]) is None
    assert margins_chart([{"layer": 0, "smallest_margin": 0.0, "tolerance": 1e-7}]) is None
    chart = margins_chart([{"layer": 4, "smallest_margin": 1e-5, "tolerance": 2e-7}])
    assert chart is not None
    assert "layer 4: 1.0e-05 against 2.0e-07" in Page(chart.wide).text


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(1, 1, "100 %"), (999_999, 1_000_000, "99.99 %"), (0, 5, "0.00 %"), (0, 0, "none")],
)
def test_percent_never_rounds_up(part, whole, shown):
    assert percent(part, whole) == shown


def test_counts_are_short():
    assert [giga(v) for v in (17.56e9, 999, 1.23e6, 4e12)] == ["17.6 G", "999", "1.23 M", "4.00 T"]
    assert [megabytes(v) for v in (12, 198_000_000, 2_500_000_000)] == ["12 bytes", "198 MB", "2.50 GB"]


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        (CANDIDATES, None),
        ([2 * r for r in MERGED], "CANDIDATES=paper"),
        ([t - 1 for t in TOKENS[:-1]], "CANDIDATES=all"),
        (
            [max(2 * r, int(0.75 * (t - 1) + 0.5)) for t, r in zip(TOKENS, MERGED, strict=False)],
            "PROTECT=0.25",
        ),
    ],
)
def test_command_says_how_candidates_were_chosen(document, candidates, expected):
    document["schedule"]["num_candidates"] = candidates
    command = reproduce_command(Manifest.model_validate(document))
    assert f"R={','.join(map(str, MERGED))}" in command
    assert "WEIGHTS=random" in command
    assert "TARGETS=sm80,sm86,sm89,sm120 PROFILE=1,8,32" in command
    if expected is None:
        assert "PROTECT" not in command
        assert "CANDIDATES" not in command
    else:
        assert expected in command


def test_recorded_command_comes_first(document):
    document["environment"]["command"] = "make engine MODEL=clip-b16 RATIO=0.9"
    assert reproduce_command(Manifest.model_validate(document)) == "make engine MODEL=clip-b16 RATIO=0.9"


def read_png(path: Path) -> tuple[int, int, bytes]:
    """(width, height, the first pixel) of an 8-bit PNG; enough to tell light from dark."""
    content = path.read_bytes()
    width, height = struct.unpack(">II", content[16:24])
    data, place = b"", 8
    while place < len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        if content[place + 4 : place + 8] == b"IDAT":
            data += content[place + 8 : place + 8 + length]
        place += 12 + length
    return width, height, zlib.decompress(data)[1:4]


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1400, 500])
def test_browser_shows_it_without_sideways_scrolling(document, flops, tmp_path, width, dark):
    """The page fits its window, every chart has the width for it, and dark mode is dark."""
    probe = (
        "<script>addEventListener('load', () => { const shown = [...document.querySelectorAll('svg')]"
        ".filter(s => s.getBoundingClientRect().width > 0); document.title = 'PROBE ' + JSON.stringify({"
        "page: document.documentElement.scrollWidth, window: innerWidth, charts: shown.length,"
        "fill: getComputedStyle(document.body).backgroundColor }) })</script>"
    )
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', probe, render(document, flops))
    page = tmp_path / "report.html"
    page.write_text(text, encoding="utf-8")
    command = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}",
        f"--window-size={width},1200",
        *(["--blink-settings=preferredColorScheme=0"] if dark else []),
        "--dump-dom",
        page.as_uri(),
    ]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert "PROBE" in shown, shown[:500]
    found = re.search(r'PROBE \{"page":(\d+),"window":(\d+),"charts":(\d+),"fill":"([^"]*)"', shown)
    assert found, re.search("PROBE.*", shown)
    assert int(found[1]) <= int(found[2]) == width
    assert int(found[3]) == 3
    assert found[4] == ("rgb(14, 17, 22)" if dark else "rgb(245, 246, 248)")
