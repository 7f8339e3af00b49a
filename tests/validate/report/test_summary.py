"""How a summary and a report tell what computes the merges of a plan."""

from __future__ import annotations

import pytest

from pitome.bundle.manifest import Manifest
from pitome.validate.report.inputs import ReportInput
from pitome.validate.report.page import render_report
from pitome.validate.report.summary import summary_rows
from tests.pitome.bundle.bundle_cases import changed


@pytest.mark.parametrize(
    ("embedded", "text"),
    [
        (False, "merges by plugin 0.1.0, not embedded"),
        (True, "merges by plugin 0.1.0, embedded, needs engine_host_code_allowed"),
    ],
)
def test_the_way_of_the_merges(embedded: bool, text: str) -> None:
    manifest = Manifest.model_validate(
        {**changed("graphs.0.plans.1.plugin_embedded", embedded), "parity": None, "latency": None}
    )
    function, plugin = [row.value for row in summary_rows(manifest) if row.label.startswith("Plan ")]
    assert ", batch 1/8/32, merges by standard operators (never executed" in function
    assert f", batch 1/8/32, {text} (never executed" in plugin
    page = render_report(ReportInput.of_bundle(manifest))
    assert "<td>merges by standard operators</td>" in page
    assert f"<td>{text}</td>" in page
    assert "libpitome_plugin.so" in page


def test_a_plan_without_merges() -> None:
    document = {**changed("graphs.0.plans.0.merge_path", "none"), "parity": None, "latency": None}
    document["method"]["layers"] = [None, None]
    document["schedule"] = {"tokens": [17, 17, 17], "num_merged": [0, 0], "num_candidates": [0, 0]}
    document["graphs"][0] |= {"merges": 0, "plans": document["graphs"][0]["plans"][:1]}
    document["native"] = []
    assert any(", no merges (" in row.value for row in summary_rows(Manifest.model_validate(document)))
