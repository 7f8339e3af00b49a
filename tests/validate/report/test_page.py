from __future__ import annotations

import copy
import re
import subprocess
import sys
from dataclasses import is_dataclass, replace
from typing import Any

import pytest

from pitome.bundle import LatencyReport, Manifest
from pitome.flops import FlopsCount
from pitome.validate.report.inputs import ReportInput
from pitome.validate.report.page import render_report
from pitome.validate.report.sections import ORDER, all_sections
from pitome.validate.report.summary import giga, megabytes, percent, summary_rows
from tests.pitome.bundle.bundle_cases import settings
from tests.validate.report.manifest_document import TOKENS, digest, latency_result, make_document
from tests.validate.report.report_cases import (
    RANDOM_BANNER,
    every_part,
    merge_maps,
    render,
    spectrum_report,
    validation_record,
)
from tests.validate.report.report_page import Page


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
    return render(document, None, **every_part(document))


@pytest.fixture
def flops() -> FlopsCount:
    return FlopsCount((1_450_000_000,) * 12, tuple((14 - layer) * 10**8 for layer in range(12)), 200_000_000)


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


def test_summary_is_the_command_lines(document):
    manifest = Manifest.model_validate(document)
    text = Page(render(document)).text
    rows = summary_rows(manifest)
    for row in rows:
        assert row.label in text
        assert row.value in text
    values = {row.label: row for row in rows}
    assert values["Model"].tone == "warning"
    assert (
        values["Parity"].value == "pass: 138,335 of 138,336 decisions agree in fp32, 1 differ within rounding"
    )
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
    validation = validation_record(command="pitome validate x --limit 3")
    text = Page(render(bare, spectrum=spectrum_report(), validation=validation)).text
    assert text.count("Made by pitome validate x --limit 3") == 2  # validation, spectrum


def test_missing_sections_say_what_to_run(bare):
    text = Page(render(bare)).text
    for shown in (
        "Not judged on a task. Run make validate MODEL=clip-b16 to get it.",
        "No other settings were tried. Run make sweep MODEL=clip-b16 to get it.",
        "No merge maps were made. Run make validate MODEL=clip-b16 to get it.",
        "The spectrum was not measured. Run make validate MODEL=clip-b16 to get it.",
        "Not measured. Run make bench MODEL=clip-b16 BENCH_FLAGS=--record to get it.",
    ):
        assert shown in text, shown


def test_another_latency_takes_the_place_of_the_manifests(document):
    document["parity"] = None
    other = document["latency"] | {"results": [latency_result(4, 1.21, 1.2, 1.22)]}
    bundle = ReportInput.of_bundle(Manifest.model_validate(document))
    text = Page(render_report(replace(bundle, latency=LatencyReport.model_validate(other)))).text
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


def test_pictures_are_data_only():
    from pydantic import ValidationError

    maps = merge_maps()
    changed = maps.model_dump()
    changed["images"][0]["photo"] = "https://example.org/a.jpg"
    with pytest.raises(ValidationError, match="photo"):
        type(maps).model_validate(changed)


def test_findings_of_parity_are_listed(document):
    document["parity"] |= {
        "verdict": "fail",
        "reason": "layer 3 has another epsilon",
        "failures": ["layer 3 has another epsilon", "layer 4 decides otherwise"],
        "graph": [{"kind": "epsilon", "layer": 3, "text": "layer 3 has epsilon 1e-06", "decides": True}],
        "layers": [
            {"norm": "layers.3.norm", "precision": "fp32", "passed": False, "error": 1.0, "limit": 0.5}
            | {"norm_error": 0.1, "norm_limit": 0.2, "layer": 3, "between": [], "torch_error": 0.2}
            | {"norm_torch_error": 0.1}
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
    wrong = document["parity"]["decisions"]["layers"][3]
    wrong |= {"unexplained": 7, "agreed": wrong["agreed"] - 7}
    page = Page(render(document))
    assert "Parity: fail" in page.text
    assert "layer 3 merges other tokens" in page.text
    assert "Parity: pass" not in page.text
    assert any("banner bad" in (attributes.get("class") or "") for _, attributes in page.tags)


def test_missing_parts_are_said_to_be_missing(document):
    document.update(parity=None, latency=None)
    document["graphs"][0]["plans"] = []
    text = Page(render(document)).text
    for shown in ("Parity not checked", "Not measured", "not measured", "This bundle holds no plan"):
        assert shown in text


def test_model_that_merges_nothing(document):
    document["method"] |= {"settings": settings(method="none"), "restore": "exact", "layers": [None] * 12}
    document["schedule"] = {"tokens": [197] * 13, "num_merged": [0] * 12, "num_candidates": [0] * 12}
    document["flops"] = {"base": 10, "merged": 10, "ratio": 1.0, "bound": 1.0}
    document["graphs"][0] |= {"merges": 0, "flops": document["flops"]}
    document["graphs"][0]["plans"][0]["merge_path"] = "none"
    document["parity"]["decisions"]["layers"] = []
    document["parity"]["reported_decisions"] = []
    for result in document["latency"]["results"]:
        result |= {"bound": 1.0, "share_of_bound": result["speedup"]}
    text = Page(render(document)).text
    assert "nothing is merged" in text
    assert "No merge decides anything" in text


def test_names_are_escaped(bare):
    bare["model"]["name"], bare["build"]["model"]["model"] = "<script>", "<script>alert(1)</script>"
    bare["environment"]["packages"]["<b>"] = "<i>&"
    text = render(bare)
    assert "<script>" not in text
    assert "<b>" not in text
    assert "&lt;i&gt;&amp;" in text
    assert "MODEL='<script>alert(1)</script>'" in Page(text).text  # quoted for the shell in the command


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


def test_the_sections_are_a_list_of_files_of_that_name():
    sections = all_sections()
    assert tuple(section.name for section in sections) == ORDER
    bundle = ReportInput.of_bundle(Manifest.model_validate(make_document()))
    for section in sections:
        view = section.view(bundle)
        assert view is None or is_dataclass(view), "records, not dicts"
        assert view is not None or section.name == "validation"


def test_a_report_needs_nothing_that_measures():
    """Only records, limits and what is shared; neither PyTorch nor a data set."""
    listed = subprocess.run(
        [sys.executable, "-c", "import sys, pitome.validate.report.page; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    parts = ("parity", "evaluate", "bench", "sweep", "gpu")
    prefixes = tuple(f"pitome.validate.{part}." for part in parts)
    assert {name for name in listed if name.startswith(prefixes) and not name.endswith("records")} == set()
    assert not {"torch", "onnxruntime", "transformers", "skimage"} & set(listed)
