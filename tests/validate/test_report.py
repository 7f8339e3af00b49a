from __future__ import annotations

import copy
import json
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
from validate.accuracy import AccuracyReport
from validate.latency_records import BatchRecord
from validate.merge_maps import ImageLayer, ImageMaps, MergeMaps, TextLayer, TextMaps
from validate.report import render_report
from validate.reproduce import reproduce_command
from validate.spectrum import SpectrumReport
from validate.summary import giga, megabytes, percent, summary_rows
from validate.sweep_records import parse_record

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
    return make_document()


@pytest.fixture
def bare() -> dict[str, Any]:
    """Neither parity nor latency, so that a page with few charts is made faster."""
    return make_document() | {"parity": None, "latency": None}


@pytest.fixture(scope="module")
def full_page() -> str:
    document = make_document()
    return render(document, None, **all_sections(document))


def make_document() -> dict[str, Any]:
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
            if name in named and not named[name].startswith("data:image/"):
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


def render(document, flops=None, **sections) -> str:
    return render_report(Manifest.model_validate(document), flops, **sections)


def contestant(name: str, ratio: float | None, batch: int, **changes) -> dict[str, Any]:
    timing = {"median_milliseconds": 50.0 * batch, "p95_milliseconds": 60.0 * batch, "per_second": 20.0}
    return {
        "name": name,
        "runtime": "onnxruntime",
        "timing": timing,
        "against": None if ratio is None else "unmerged",
        "ratio": ratio,
        "ratio_interval": None if ratio is None else (ratio - 0.1, ratio + 0.1),
        "bound": None if ratio is None else 1.74,
        "share_of_bound": None if ratio is None else ratio / 1.74,
        "steady": True,
        "steady_reason": None,
        "memory": None,
    } | changes


def accuracy_report() -> dict[str, Any]:
    def model(name: str, refit: bool, mean: float, difference: float | None) -> dict[str, Any]:
        record = {
            "metric": "accuracy",
            "against": "unmerged PyTorch",
            "mean": difference,
            "method": "bootstrap",
        }
        return {
            "model": name,
            "refit": refit,
            "metrics": {
                "accuracy": {
                    "samples": 2189,
                    "mean": mean,
                    "low": mean - 0.01,
                    "high": mean + 0.01,
                    "method": "x",
                }
            },
            "drop_points": None if difference is None else -100 * difference,
            "differences": []
            if difference is None
            else [record | {"low": difference - 0.002, "high": difference + 0.002, "p_value": 0.0004}],
            "details": {"full length": {"documents": 812}, "classes": ["a", "b"]},
        }

    return {
        "task": "r8",
        "split": "test",
        "main": "accuracy",
        "models": [
            model("unmerged PyTorch", False, 0.9601, None),
            model("onnxruntime fp32", False, 0.9521, -0.008),
            model("onnxruntime fp32", True, 0.9611, 0.001),
        ],
        "skipped": [{"count": 3, "reason": "empty texts"}],
        "unavailable": {"onnxruntime bf16": "onnxruntime has no bfloat16 kernels on a CPU"},
    }


DIFFERENCE = {"mean": -0.004, "low": -0.006, "high": -0.002, "p_value": 0.01, "method": "bootstrap"}
SPEED = {"speedup": 1.5, "low": 1.4, "high": 1.6, "batch": 8, "threads": 2, "cpu": "AMD EPYC"}


def sweep_record(key: str, method: str, flops: float, score: float, speed: bool = True) -> dict[str, Any]:
    return {
        "kind": "measured",
        "key": key,
        "label": f"{method} at FLOPs {flops:g}",
        "task": "r8",
        "split": "validation",
        "settings": {
            "method": method,
            "metric": "hidden",
            "margin": (0.9, 0.9),
            "margins": (0.9, 0.45),
            "energy": "elu",
            "split": "alternate",
            "candidates": 0.1,
            "num_candidates": (10, 9),
            "size_penalty": 0.05,
            "proportional_attention": True,
            "seed": None,
        },
        "graph": "g",
        "schedule": f"FLOPs {flops:g}, ratio",
        "shape": "ratio",
        "num_merged": (2, 2),
        "tokens": (12, 10, 8),
        "bound": 1 / flops,
        "metrics": {"accuracy": score},
        "seconds": 1.0,
        "flops_ratio": flops,
        "samples": 1200,
        "metric": "accuracy",
        "score": score,
        "low": score - 0.01,
        "high": score + 0.01,
        "to_unmerged": None if method == "none" else DIFFERENCE,
        "to_tome": None,
        "speed": SPEED if speed and method != "none" else None,
    }


def sweep_records() -> list[dict[str, Any]]:
    return [
        sweep_record("unmerged", "none", 1.0, 0.96),
        sweep_record("a", "pitome", 0.6, 0.955),
        sweep_record("b", "pitome", 0.8, 0.958),
        sweep_record("c", "tome", 0.6, 0.951),
        {"kind": "failed", "key": "d", "label": "tome", "task": None, "reason": "FLOPs 0.1 are out of reach"},
    ]


def spectrum_report() -> dict[str, Any]:
    def layers(mean: float, first: bool) -> list[dict[str, Any]]:
        difference = None if first else {"mean": 0.02, "low": 0.011, "high": 0.033, "p_value": 0.01}
        numbers = {"mean": mean, "low": mean - 0.01, "high": mean + 0.01, "to_first": difference}
        return [{"layer": layer, "tokens": 197, "merged": 19} | numbers for layer in (0, 1)]

    methods = [{"method": name, "layers": layers(mean, name == "pitome")} for name, mean in MEANS.items()]
    return {"reference": "pitome", "metric": "hidden", "samples": 20, "methods": methods}


MEANS = {"pitome": 0.0203, "tome": 0.0404}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
"""A PNG of one pixel; browsers look at what a picture holds, not at what it is called."""


def merge_maps() -> MergeMaps:
    layers = tuple(
        ImageLayer(layer=layer, tokens=4 - layer, picture=f"data:image/png;base64,{PIXEL}")
        for layer in (0, 1)
    )
    photo = f"data:image/jpeg;base64,{PIXEL}"
    text = TextLayer(layer=0, tokens=3, groups=(0, 1, 2, 1))
    return MergeMaps(
        model="clip-b16",
        method="pitome",
        images=(ImageMaps(name="coffee.png", photo=photo, patches=196, layers=layers),),
        texts=(TextMaps(words=("[CLS]", "un", "##merged", "tokens"), layers=(text,)),),
    )


def all_sections(document) -> dict[str, Any]:
    """Every optional section; changes the document where its own records have more to show."""
    for place, layer in enumerate(document["parity"]["decisions"]["layers"]):
        layer["first_differences"] = place % 2
    document["parity"]["decisions"]["same_throughout"] = 90
    document["latency"]["comparison"] = [
        BatchRecord.model_validate(
            {
                "batch": batch,
                "contestants": [contestant("merged", 1.5, batch), contestant("unmerged", None, batch)],
                "rounds": 20,
                "warmup_rounds": 3,
            }
        ).model_dump(mode="json")
        for batch in (1, 8)
    ]
    return {
        "accuracy": [AccuracyReport.model_validate(accuracy_report())],
        "sweep": [parse_record(record) for record in sweep_records()],
        "spectrum": SpectrumReport.model_validate(spectrum_report()),
        "merge_maps": merge_maps(),
    }


@pytest.mark.parametrize("full", [False, True], ids=["bundle only", "all sections"])
def test_page_is_well_formed_and_loads_nothing(document, flops, full_page, full):
    text = full_page if full else render(document, flops)
    page = Page(text)
    assert page.open == []
    assert page.loads == []
    assert {reference[1:] for reference in page.references} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert "default-src 'none'; img-src data:;" in text
    assert not re.search(r"<(script|link|iframe|object)\b|@import", text)
    assert text.count("<img") == (3 if full else 0)
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


def test_sections_show_what_was_measured(full_page):
    text = Page(full_page).text
    for shown in (
        "96.01 %",
        "95.01 to 97.01",
        "-0.80 points",
        "-1.00 to -0.60",
        "< 0.001",
        "onnxruntime fp32, head fitted anew",
        "Skipped 3 samples: empty texts.",
        "onnxruntime bf16 did not run: onnxruntime has no bfloat16 kernels on a CPU.",
        "full length: documents",
        "r8, validation, 1,200 samples",
        "AMD EPYC, batch 8, 2 threads",
        "of 3 that were tried. 1 could not be run (1 times: FLOPs 0.1 are out of reach).",
        "-0.60 to -0.20",
        "coffee.png",
        "layer 1: 3",
        "+0.0110 to +0.0330",
        "METHOD=pitome",
        "All contestants",
        "layer 1: 1; layer 3: 1",  # first differences, for who can't see the chart
    ):
        assert shown in text, shown
    assert "tome at FLOPs 0.6" in text
    assert text.count("Made by") == 6


def test_what_was_made_by_another_command_says_so(bare):
    text = Page(render(bare, spectrum=spectrum_report(), commands={"spectrum": "pitome spectrum x"})).text
    assert "Made by pitome spectrum x" in text


def test_missing_sections_say_what_to_run(bare):
    text = Page(render(bare)).text
    for shown in (
        "Not judged on a task. Run make validate MODEL=clip-b16 to get it.",
        "No other settings were tried. Run make sweep MODEL=clip-b16 to get it.",
        "No merge maps were made. Run make validate MODEL=clip-b16 to get it.",
        "The spectrum was not measured. Run make validate MODEL=clip-b16 to get it.",
        "Run make bench MODEL=clip-b16, or pitome bench on the bundle.",
    ):
        assert shown in text, shown


def test_another_latency_takes_the_place_of_the_manifests(document):
    document["parity"] = None
    other = document["latency"] | {"results": [latency_result(4, 1.21, 1.2, 1.22)]}
    text = Page(render(document, latency=other)).text
    assert "1.21" in text
    assert "batch 4" in text


def test_words_of_a_group_share_number_and_colour(bare):
    page = Page(render(bare, merge_maps=merge_maps()))
    merged = [
        attributes["class"]
        for tag, attributes in page.tags
        if "merged hue" in (attributes.get("class") or "")
    ]
    assert len(merged) == 2
    assert len(set(merged)) == 1
    assert "unmerged" in page.text.replace("un2merged", "unmerged")  # word pieces are joined


def test_pictures_are_data_only(bare):
    from pydantic import ValidationError

    maps = merge_maps().model_dump()
    maps["images"][0]["photo"] = "https://example.org/a.jpg"
    with pytest.raises(ValidationError, match="photo"):
        render(bare, merge_maps=maps)


def test_findings_of_parity_are_listed(document):
    document["parity"] |= {
        "verdict": "fail",
        "reason": "layer 3 has another epsilon",
        "failures": ["layer 3 has another epsilon", "layer 4 decides otherwise"],
        "graph": [{"kind": "epsilon", "layer": 3, "text": "layer 3 has epsilon 1e-06", "decides": True}],
        "layers": [
            {"norm": "layers.3.norm", "precision": "fp32", "passed": False, "error": 1.0, "limit": 0.5}
            | {"norm_error": 0.1, "norm_limit": 0.2}
        ],
    }
    text = Page(render(document)).text
    for shown in (
        "layer 4 decides otherwise",
        "layer 3 has epsilon 1e-06",
        "layers.3.norm in fp32",
        "0 are within",
    ):
        assert shown in text, shown


def test_real_weights_have_no_banner(bare):
    bare["model"]["weights"] = {
        "source": "openai/clip-vit-base-patch16",
        "sha256": digest("a"),
        "random": False,
    }
    text = Page(render(bare)).text
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


def test_names_are_escaped(bare):
    bare["model"]["name"] = "<script>alert(1)</script>"
    bare["environment"]["<b>"] = "<i>&"
    text = render(bare)
    assert "<script>" not in text
    assert "<b>" not in text
    assert "&lt;i&gt;&amp;" in text
    assert "'<script>alert(1)</script>'" in Page(text).text  # quoted for the shell in the command


def test_same_manifest_same_page(document, flops):
    text = render(document, flops)
    assert text == render(copy.deepcopy(document), flops)
    assert "2026-11-22" not in text  # only the manifest has a time stamp


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


PROBE = """<script>addEventListener('load', () => {
  const all = (what, kept) => [...document.querySelectorAll(what)].filter(kept).length;
  const size = e => e.getBoundingClientRect();
  parent.postMessage({
    page: document.documentElement.scrollWidth,
    window: innerWidth,
    charts: all('svg', e => size(e).width > 0 && size(e).height > 0),
    pictures: all('.maps img', e => size(e).height > 0 && e.naturalWidth > 0),
    outside: all('section > *, svg, img', e => size(e).right > innerWidth + 1),
    requests: performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:')).length,
    fill: getComputedStyle(document.body).backgroundColor}, '*') })</script>"""
FRAMES = """<script>const found = []; addEventListener('message', event => {
  found.push(event.data); document.title = 'PROBE ' + JSON.stringify(found) })</script>"""


def probe(text: str, folder: Path, widths: list[int], dark: bool) -> list[dict[str, Any]]:
    """What headless Chromium makes of a page in frames of these widths; its own windows have 500 or more."""
    page, frames = folder / "report.html", folder / "frames.html"
    policy = '<meta http-equiv="Content-Security-Policy"[^>]*>'
    page.write_text(re.sub(policy, lambda _: PROBE, text), encoding="utf-8")
    shown = "".join(
        f"<iframe src=report.html style='width:{w}px;height:900px;border:0'></iframe>" for w in widths
    )
    frames.write_text(f"<title>none</title>{FRAMES}{shown}", encoding="utf-8")
    command = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--virtual-time-budget=5000",
        f"--user-data-dir={folder / 'profile'}",
        *(["--blink-settings=preferredColorScheme=0"] if dark else []),
        "--dump-dom",
        frames.as_uri(),
    ]
    written = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = re.search(r"<title>PROBE (\[.*?\])</title>", written)
    assert found, written[:500]
    return sorted(json.loads(found[1]), key=lambda each: each["window"])


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_browser_shows_it_without_sideways_scrolling(full_page, tmp_path, dark):
    """The page fits its window, every chart and merge map has a size, and dark mode is dark."""
    narrow, wide = probe(full_page, tmp_path, [390, 1280], dark)
    assert (narrow["window"], wide["window"]) == (390, 1280)
    for found in (narrow, wide):
        assert found["page"] <= found["window"]
        assert found["outside"] == 0
        assert found["charts"] == 10
        assert found["pictures"] == 3
        assert found["requests"] == 0
        assert found["fill"] == ("rgb(14, 17, 22)" if dark else "rgb(245, 246, 248)")
