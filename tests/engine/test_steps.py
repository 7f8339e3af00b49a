"""Step by step: export, build, validate, bench, inspect and compare, on one bundle."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from pitome.bundle import verify_bundle
from tests.cli.command_line import QUICK_PLAN, Outcome, pitome

PLAN = "model.fp32.tensorrt_rtx.function.plan"


@pytest.fixture(scope="module")
def exported(vit_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    out = tmp_path_factory.mktemp("steps")
    outcome = pitome("export", vit_folder, "--out", out, "--precision", "fp32", "--ratio", "0.8")
    assert outcome.code == 0, outcome.err
    return out / "vit-tiny", outcome


@pytest.fixture
def bundle(exported: tuple[Path, Outcome], tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported[0], tmp_path / "vit-tiny"))


def test_export_leaves_graphs_that_nothing_checked(exported: tuple[Path, Outcome]) -> None:
    folder, outcome = exported
    manifest = verify_bundle(folder)
    assert [graph.file for graph in manifest.onnx] == ["model.onnx"]
    assert (manifest.plans, manifest.parity, manifest.latency) == ((), None, None)
    for part in ("17 14 12 10", "not checked", "not measured", str(folder / "model.onnx")):
        assert part in outcome.out


@pytest.mark.full
def test_export_writes_inlined_graphs_beside_the_others_and_reuses_them(
    vit_folder: Path, tmp_path: Path
) -> None:
    asked = ("export", vit_folder, "--out", tmp_path, "--precision", "fp16", "--ratio", "0.8", "--inlined")
    assert pitome(*asked).code == 0
    manifest = verify_bundle(tmp_path / "vit-tiny")
    (graph,) = manifest.graphs
    assert [(record.file, record.precision, record.inlined) for record in graph.onnx] == [
        ("model.onnx", "fp32", False),
        ("model.fp16.onnx", "fp16", False),
        ("model.inlined.onnx", "fp32", True),
        ("model.fp16.inlined.onnx", "fp16", True),
    ]
    assert manifest.onnx == graph.onnx[:2], "what is checked, measured and built from"
    again = pitome(*asked, "--json")
    assert set(again.document["reused"]) == {record.file for record in graph.onnx}
    without = pitome(*asked[:-1])
    assert without.code == 0
    assert not (tmp_path / "vit-tiny" / "model.inlined.onnx").exists()


def test_build_adds_a_plan_and_reuses_it(bundle: Path) -> None:
    graphs = verify_bundle(bundle).onnx
    first = pitome("build", bundle, *QUICK_PLAN, "--json")
    assert first.code == 0
    assert first.document["reused"] == []
    manifest = verify_bundle(bundle)
    assert [plan.file for plan in manifest.plans] == [PLAN]
    assert manifest.onnx == graphs
    second = pitome("build", bundle, *QUICK_PLAN, "--json")
    assert second.document["reused"] == [PLAN]
    assert verify_bundle(bundle).plans == manifest.plans


def test_build_needs_a_graph_of_its_precision(bundle: Path) -> None:
    refused = pitome("build", bundle, "--precision", "fp16")
    assert refused.code == 2
    assert f"a plan in fp16 from {bundle}: its graphs are in fp32. " in refused.message
    assert "Export it with --precision fp16 first" in refused.message


def test_validate_records_parity(bundle: Path) -> None:
    outcome = pitome("validate", bundle, "--parity-images", "4", "--record")
    assert outcome.code == 0
    assert "every decision agrees or is within rounding" in " ".join(outcome.out.split())
    parity = verify_bundle(bundle).parity
    assert parity is not None
    assert parity.verdict == "pass"


def test_bench_prints_and_records_what_was_measured(bundle: Path) -> None:
    options = ("--batch", "1", "--batch", "3", "--threads", "1", "--latency-seconds", "0.2")
    outcome = pitome("bench", bundle, *options, "--record", "--json")
    assert outcome.code == 0
    manifest = verify_bundle(bundle)
    assert manifest.latency is not None
    assert outcome.document == manifest.latency.model_dump(mode="json")
    assert [result["batch"] for result in outcome.document["results"]] == [1, 3]
    for result in outcome.document["results"]:
        low, high = result["speedup_interval"]
        assert 0 < low <= high
        assert result["speedup"] > 0
        assert result["bound"] == manifest.flops.bound
        assert result["threads"] == 1
    assert outcome.document["threads"] == 1


def test_inspect_shows_the_manifest(bundle: Path) -> None:
    shown = pitome("inspect", bundle)
    assert shown.code == 0
    assert "17 14 12 10" in shown.out
    assert pitome("inspect", bundle, "--json").document == verify_bundle(bundle).model_dump(mode="json")


def test_compare_shows_two_bundles_side_by_side(bundle: Path, built: tuple[Path, Outcome]) -> None:
    outcome = pitome("compare", bundle, built[0], "--json")
    assert outcome.code == 0
    assert outcome.document["Tokens per layer"] == ["17 14 12 10", "17 16 15 14"]
    row = outcome.document["Plan fp16 tensorrt_rtx function"]
    assert row[0] == "-"
    assert "model.fp16.tensorrt_rtx.function.plan" in row[1]
    table = pitome("compare", bundle, built[0])
    assert table.code == 0
    assert "17 14 12 10" in table.out
    assert "17 16 15 14" in table.out


def test_validate_refuses_other_weights(vit_folder: Path, tmp_path: Path) -> None:
    """The model's folder holds another checkpoint by now."""
    from safetensors.torch import load_file, save_file

    model = Path(shutil.copytree(vit_folder, tmp_path / "model"))
    assert pitome("export", model, "--out", tmp_path / "build", "--precision", "fp32").code == 0
    weights = load_file(model / "model.safetensors")
    weights["classifier.bias"] += 1
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    refused = pitome("validate", tmp_path / "build" / "model")
    assert refused.code == 2
    assert "its weights had the digest " in refused.message
    assert "Get the same weights, or build it again with --name model" in refused.message


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ('"family": "vit"', '"family": "deit"', "the manifest's model.family is not what this version"),
        (
            '"task": "image-classification"',
            '"task": "image-embedding"',
            "the manifest's model.task is not what this version",
        ),
        ('"name": "logits"', '"name": "scores"', "the inputs and outputs of model.onnx are others"),
        ('"name": "pixel_values"', '"name": "pixels"', "the inputs and outputs of model.onnx are others"),
        ('"num_labels": 7', '"num_labels": 6', "logits has 7, and model.num_labels is 6"),
    ],
)
def test_a_manifest_of_another_model_is_refused(bundle: Path, old: str, new: str, found: str) -> None:
    """Rewritten with its digest; nothing is measured of what it says."""
    text = (bundle / "manifest.json").read_text(encoding="utf-8")
    assert text.count(old) == 1
    text = text.replace(old, new)
    (bundle / "manifest.json").write_text(text, encoding="utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()
    (bundle / "manifest.json.sha256").write_text(f"{digest}  manifest.json\n", encoding="utf-8")
    refused = pitome("bench", bundle, "--batch", "1", "--latency-seconds", "0.1")
    assert refused.code == 2
    assert found in refused.message
