"""The page of a validation: verdict, limits, what was skipped, and every precision beside its limits."""

from __future__ import annotations

from typing import Any

import pytest

from pitome.validate.padding_records import PaddingRecord
from pitome.validate.parity.records import BatchComposition
from pitome.validate.report.numbers import DASH
from tests.validate.report.manifest_document import layer_parity, make_document
from tests.validate.report.report_cases import accuracy_report, environment, render, validation_record
from tests.validate.report.report_page import Page, flat


@pytest.fixture
def document() -> dict[str, Any]:
    return make_document()


@pytest.fixture
def bare() -> dict[str, Any]:
    """Neither parity nor latency, so that a page with few charts is made faster."""
    return make_document() | {"parity": None, "latency": None}


def test_decisions_of_every_precision_stand_side_by_side(document):
    parity = document["parity"]
    parity["decisions"] |= {"runtime": "onnxruntime fp32", "same_throughout": 95, "verdict": "pass"}
    parity["decisions"]["layers"][7]["first_differences"] = 1
    parity["decisions"]["layers"][5]["excused_by_jumps"] = 1
    fp16 = [layer_parity(layer) | {"excused": 0, "unexplained": layer} for layer in range(12)]
    fp16[2] |= {"first_differences": 3, "free_running_agreement": 0.875, "token_agreement": 0.99}
    bf16 = [layer_parity(layer) | {"free_running_agreement": 0.5} for layer in range(12)]
    bf16[0] |= {"first_differences": 4, "unexplained": 9}
    reported = {"runtime": "onnxruntime fp16", "images": 8, "same_throughout": 5, "layers": fp16}
    decisions = {"runtime": "PyTorch bf16", "images": 8, "same_throughout": 4, "layers": bf16}
    parity["reported_decisions"] = [reported]
    parity["reduced"] = [{"precision": "bf16", "images": 8, "errors": [], "decisions": decisions}]
    text = flat(Page(render(document)).text)
    for row in (
        "onnxruntime fp32pass PyTorch fp32 138,336 138,335 99.99 % 1 1 by a jump alone 0 "
        "95 of 96 least layer 99.89 % layer 7 1 input",
        f"onnxruntime fp16reported PyTorch fp16 138,336 138,335 99.99 % {DASH} 66 not judged 5 of 8 "
        "least layer 87.50 % layer 2 3 inputs",
        "PyTorch bf16reported PyTorch fp32 138,336 138,335 99.99 % 1 9 not judged 4 of 8 least layer 50.00 % "
        "layer 0 4 inputs",
    ):
        assert row.replace(" ", "") in text.replace(" ", ""), row
    assert "Layers of onnxruntime fp16 against PyTorch fp16" in text


def test_neighbours_in_a_batch_are_told(document):
    found = BatchComposition(
        runtime="onnxruntime fp32",
        texts=8,
        same_decisions=7,
        largest_difference=2.5e-7,
        excused=1,
        excused_by_jumps=1,
        unexplained=0,
    )
    document["parity"]["batching"] = found.model_dump(mode="json")
    assert (
        "onnxruntime fp32: of 8 texts run together and one at a time, 7 have the same groups in all layers "
        "and differ by 2.5e-07 of the largest output at most; 1 differ within rounding "
        "(1 only by the energy's jump), 0 without an excuse."
    ) in flat(Page(render(document)).text)


def test_arithmetic_stands_beside_both_of_its_limits(document):
    (record,) = document["parity"]["arithmetic"]
    record |= {"output": "image_embeds", "rms_error": 3.1e-7, "torch_rms_error": 2.2e-7, "rms_limit": 4.4e-7}
    record["difference_to_torch"] = 5.5e-7
    error = {"output": "image_embeds", "error": 0.012, "rms_error": 0.003, "scale": 1.8}
    document["parity"]["reduced"] = [{"precision": "bf16", "images": 8, "errors": [error], "decisions": None}]
    validation = validation_record(thresholds={"arithmetic_factor": 3.0})
    text = flat(Page(render(document, validation=validation)).text).replace(" ", "")
    for row in (
        "image_embeds fp32 onnxruntime 1.3e-06 PyTorch 1.1e-06 2.4e-06 3.1e-07 PyTorch 2.2e-07 4.4e-07 "
        "5.5e-07 1.8 within",
        f"image_embeds bf16 PyTorch 1.2e-02 {DASH} 3.0e-03 {DASH} {DASH} 1.8 not judged",
        "The limit is 3 times PyTorch's own error",
    ):
        assert row.replace(" ", "") in text, row


def test_padding_of_texts_stands_under_their_accuracy(bare):
    padding = PaddingRecord(
        texts=2189,
        full_length=264,
        share_of_inputs=0.384,
        share_of_removed=0.84,
        flops_merged=0.6,
        flops_unpadded=0.613,
        flops_bucketed=0.702,
    )
    report = accuracy_report() | {"padding": padding.model_dump(mode="json")}
    text = flat(Page(render(bare, accuracy=[report])).text)
    for shown in (
        "Padding among all positions of the inputs38.4 %",
        "Padding among the tokens that merging removed84.0 %",
        "Texts of full length, which have no padding264 of 2,189",
        "FLOPs, merged0.600",
        "FLOPs, unmerged, every text by itself0.613",
        "FLOPs, unmerged, padded to multiples of 32 tokens0.702",
    ):
        assert shown in text, shown
    report["padding"]["share_of_removed"] = None
    assert "merging removednothing was removed" in flat(Page(render(bare, accuracy=[report])).text)
    assert "Padding" not in Page(render(bare, accuracy=[accuracy_report()])).text


def test_a_failed_validation_is_loud_though_parity_passed(document):
    validation = validation_record(
        verdict="fail",
        reason="accuracy: r8 loses 0.80 points, where 0.5 are allowed",
        parts=[
            {"name": "parity", "verdict": "pass", "reason": "every decision agrees"},
            {"name": "accuracy", "verdict": "fail", "reason": "r8 loses 0.80 points, where 0.5 are allowed"},
        ],
        thresholds={"max_accuracy_drop": {"r8": 0.5}},
        thresholds_file="my/limits.toml",
    )
    page = Page(render(document, validation=validation))
    text = flat(page.text)
    assert (
        "Validation: failaccuracy: r8 loses 0.80 points, where 0.5 are allowed. Do not use this bundle."
        in text
    )
    banners = [found["class"] for _, found in page.tags if "banner" in (found.get("class") or "")]
    assert banners[0] == "banner verdict bad"
    assert text.index("Validation: fail") < text.index("Parity: pass") < text.index("Accuracy: fail")
    assert "Accuracyfailr8 loses 0.80 points, where 0.5 are allowed" in text
    assert "max_accuracy_drop.r80.5 pointsthe file" in text
    assert "arithmetic_factor2default" in text
    assert "min_speedup1default" in text
    assert "No limit is set of min_free_running_agreement, " in text
    assert ", min_share_of_bound, " in text
    assert "From my/limits.toml; what it leaves out has its default." in text


def test_what_a_validation_skipped_stands_where_it_is_missing(bare):
    skipped = [
        {"what": "r8", "reason": "PyPI can't be reached"},
        {"what": "merge maps", "reason": "there is no tokenizer"},
        {"what": "spectrum", "reason": "there are no texts"},
        {"what": "sweep", "reason": "it is of another model"},
    ]
    text = flat(Page(render(bare, validation=validation_record(skipped=skipped))).text)
    for shown in (
        "Validation: passevery part meets its limits. 4 parts were skipped.",
        "r8PyPI can't be reached",
        "Not judged on a task.Skipped: r8: PyPI can't be reached.",
        "No merge maps were made.Skipped: there is no tokenizer.",
        "The spectrum was not measured.Skipped: there are no texts.",
        "No other settings were tried.Skipped: it is of another model.",
    ):
        assert shown in text, shown
    everything = flat(Page(render(bare, validation=validation_record())).text)
    assert "SkippedNothing." in everything
    assert "were skipped" not in everything


def test_the_validations_environment_stands_beside_the_builds(document):
    found = environment(python="3.12.1", packages={"torch": "2.13.0"}, cpu="Another CPU")
    page = Page(render(document, validation=validation_record(environment=found)))
    text = flat(page.text)
    for shown in ("python3.11.23.12.1", "packages.torch2.13.02.13.0", "cpuAMD EPYCAnother CPU"):
        assert shown in text, shown
    assert sum("warning-text" in (found.get("class") or "") for tag, found in page.tags if tag == "td") >= 2
