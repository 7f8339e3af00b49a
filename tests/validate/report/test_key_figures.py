"""The numbers at the top say what they are of."""

from __future__ import annotations

from typing import Any

import pytest

from pitome.bundle import Manifest, ParityReport
from pitome.validate.report.key_figures import deployed, precision_figures, slower_warning
from pitome.validate.report.summary import summary_rows
from tests.checkout import ROOT
from tests.validate.report.manifest_document import latency_result, make_document
from tests.validate.report.report_cases import render, validation_record
from tests.validate.report.report_page import Page

pytestmark = pytest.mark.quick


def document() -> dict[str, Any]:
    """With fp16's own decisions and cosine."""
    found = make_document()
    parity = found["parity"]
    reported = {**parity["decisions"], "runtime": "onnxruntime fp16"}
    reported["layers"] = [layer | {"agreed": layer["agreed"] // 2} for layer in reported["layers"]]
    parity["reported_decisions"] = [reported]
    parity["task"] += [
        {"vector": vector, "model": "onnxruntime fp16", "against": against, "mean": mean, "minimum": 0.5}
        for vector, against, mean in (("a", "merged", 0.98), ("b", "merged", 0.999), ("a", "unmerged", 0.94))
    ]
    return found


def test_every_precision_has_its_own_decisions_and_cosine() -> None:
    fp32, fp16 = precision_figures(ParityReport.model_validate(document()["parity"]))
    assert (fp32.precision, fp32.runtime, fp32.judged) == ("fp32", "onnxruntime", True)
    assert fp32.decisions_told == "138,335 of 138,336 decisions agree"
    assert (fp16.precision, fp16.judged, fp16.to_merged, fp16.to_unmerged) == ("fp16", False, 0.98, 0.94)
    assert precision_figures(None) == ()


def test_answers_that_are_numbers_have_their_own_figures() -> None:
    found = make_document() | {"latency": None}
    agreement = {"vector": "logits", "model": "onnxruntime fp32", "measure": "relative error"}
    found["parity"] |= {
        "task": [],
        "decisions": None,
        "agreement": [agreement | {"against": "unmerged", "value": 0.0123, "worst": 0.02}],
    }
    (fp32,) = precision_figures(ParityReport.model_validate(found["parity"]))
    assert fp32.cosines_told == "relative error 0.0123 to the unmerged model"
    text = " ".join(Page(render(found)).text.split())
    assert "Relative error to the unmerged model" in text
    assert "Cosine to the unmerged model" not in text


def test_the_summary_says_what_its_numbers_are_of() -> None:
    rows = {row.label: row.value for row in summary_rows(Manifest.model_validate(document()))}
    assert "decisions agree with PyTorch in fp16 (onnxruntime; not judged)" in rows["Decisions, fp16"]
    assert rows["Outputs, fp16"] == (
        "cosine 0.98000 to the merged model, 0.94000 to the unmerged model (onnxruntime)"
    )
    assert ", fp32, onnxruntime CPU, 2 threads" in rows["Speed-up, batch 8"]
    assert rows["Deployed"] == "fp16: 1 plan, never executed"


def test_a_bundle_without_a_plan_deploys_its_graph() -> None:
    found = document()
    found["graphs"][0]["plans"] = []
    assert deployed(Manifest.model_validate(found)) == ("fp16", "the ONNX graph; the bundle holds no plan")


def test_the_top_of_the_page_says_it_too() -> None:
    text = " ".join(Page(render(document())).text.split())
    for shown in (
        "fp32, onnxruntime CPU, 2 threads, batch 8",
        "in fp16, onnxruntime, not judged",
        "Cosine to the unmerged model",
        "1 plan, never executed",
    ):
        assert shown in text, shown


def test_a_slower_model_is_warned_of_on_the_page() -> None:
    found = document()
    found["latency"]["results"] = [latency_result(8, 0.8, 0.7, 0.9)]
    manifest = Manifest.model_validate(found)
    assert slower_warning(manifest, manifest.latency) is not None
    page = Page(render(found))
    assert "Merging is slower than not merging" in page.text
    rows = {row.label: row for row in summary_rows(manifest)}
    assert rows["Speed-up, batch 8"].tone == "warning"
    assert "; slower than not merging" in rows["Speed-up, batch 8"].value


@pytest.mark.parametrize(
    ("changes", "tone", "told"),
    [
        ({"verdict": "pass", "not_judged": 0}, "good", "Validation: pass"),
        ({"verdict": "pass", "not_judged": 2}, "warning", "Validation: pass, 2 not judged"),
        ({"verdict": "fail", "not_judged": 1}, "bad", "Validation: fail"),
    ],
)
def test_what_is_not_judged_is_amber(changes: dict[str, Any], tone: str, told: str) -> None:
    bare = make_document() | {"parity": None, "latency": None}
    page = Page(render(bare, validation=validation_record(**changes)))
    banners = [found["class"] for _, found in page.tags if "banner verdict" in (found.get("class") or "")]
    assert banners == [f"banner verdict {tone}"]
    assert told in page.text


def test_findings_on_a_page_that_passes_are_explained() -> None:
    found = make_document() | {"latency": None}
    found["parity"] |= {"decisions": None}
    finding = {"kind": "structure", "layer": None, "decides": False}
    found["parity"]["graph"] = [
        finding | {"text": "17 of 18 norms", "explanation": "no output depends on it"},
        finding | {"text": "the graph holds tensors that are no weights"},
    ]
    text = " ".join(Page(render(found)).text.split())
    assert "17 of 18 norms. No defect: no output depends on it." in text
    assert "no weights. No defect: what the graph computes was measured, and every output is" in text


def test_ci_judges_no_speed_and_everything_else() -> None:
    from pitome.validate.thresholds import Thresholds

    limits = Thresholds.load(ROOT / ".ci" / "thresholds.toml")
    assert limits.model_dump(exclude_unset=True) == {"min_speedup": 0.0}
    lines = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if "make validate" in line]
    assert len(lines) == 2
    assert all("THRESHOLDS=.ci/thresholds.toml" in line for line in lines)
