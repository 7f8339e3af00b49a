"""``pitome validate``: everything is printed whatever the verdict, and the exit code is the verdict."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import onnx
import pytest

from pitome.bundle import file_sha256, verify_bundle, write_manifest
from tests.cli.command_line import contents, pitome
from tests.pitome.bundle.bundle_cases import with_graph

QUICK = ("--parity-images", "2", "--limit", "4")


@pytest.fixture(scope="module")
def exported(clip_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("validated")
    outcome = pitome("export", clip_folder, "--out", out, "--precision", "fp32", "--ratio", "0.8")
    assert outcome.code == 0, outcome.err
    return out / "clip-tiny"


@pytest.fixture
def spoilt(exported: Path, tmp_path: Path) -> Path:
    """A bundle with a wrong epsilon in the first block, whose digests fit."""
    bundle = Path(shutil.copytree(exported, tmp_path / "clip-tiny"))
    path, manifest = bundle / "model.onnx", verify_bundle(bundle)
    model = onnx.load(str(path))
    node = [node for node in model.graph.node if node.op_type == "LayerNormalization"][1]
    (epsilon,) = [attribute for attribute in node.attribute if attribute.name == "epsilon"]
    epsilon.f = 1e-6
    onnx.save(model, str(path))
    (record,) = manifest.onnx
    record = record.model_copy(update={"sha256": file_sha256(path), "bytes": path.stat().st_size})
    write_manifest(bundle, with_graph(manifest, onnx=(record,)))
    return bundle


def test_a_good_bundle(exported: Path) -> None:
    outcome = pitome("validate", exported, *QUICK, "--json")
    assert outcome.code == 0
    found: Any = outcome.document
    assert (found["verdict"], found["not_judged"], found["required"]) == ("pass", 2, ["parity"])
    assert found["reason"].startswith(
        "what was judged meets its limits; accuracy is not judged (photos loses "
    )
    assert "latency is not judged (the bundle holds no latency; `pitome bench " in found["reason"]
    assert found["thresholds"]["arithmetic_factor"] == 2
    assert [(part["name"], part["verdict"]) for part in found["parts"]] == [
        ("parity", "pass"),
        ("accuracy", "not judged"),
        ("latency", "not judged"),
    ]
    (accuracy,) = found["accuracy"]["tasks"]
    models = [(model["model"], model["refit"]) for model in accuracy["models"]]
    assert (accuracy["task"], accuracy["split"], accuracy["main"]) == ("photos", "test", "cosine")
    assert models == [
        ("unmerged PyTorch", False),
        ("merged PyTorch", False),
        ("onnxruntime fp32", False),
    ]
    assert found["skipped"] == []
    page = Path(found["report"])
    assert page == exported.with_name("clip-tiny.validation.html")
    text = page.read_text(encoding="utf-8")
    assert "data:image/png;base64," in text
    assert "photos, test" in text
    assert found["spectrum"]["methods"][0]["method"] == "pitome"
    assert found["parity"]["inputs"] == {"random": 2, "photos": 20}
    assert [record["precision"] for record in found["parity"]["reduced"]] == ["bf16"]
    assert len(found["parity"]["layers"]) == 8


def test_a_wrong_epsilon_is_named_and_all_is_printed(spoilt: Path) -> None:
    before = contents(spoilt)
    outcome = pitome("validate", spoilt, *QUICK, "--record", "--details")
    assert outcome.code == 1
    for part in (
        "Decisions, onnxruntime fp32",
        "Margins of the decisions",
        "Arithmetic",
        "failed: the Layer",
        "what decides",
    ):
        assert part in outcome.out
    reason = "the LayerNormalization epsilon of layer 0 (vision_model.encoder.layers.0.layer_norm1) is 1e-06"
    assert f"error: {spoilt} fails validation: parity: {reason}, the model has 1e-05" in outcome.message
    assert "; measured: the arithmetic in fp32 first goes wrong in layer 0, the layer norm" in outcome.message
    assert contents(spoilt) == before, "what fails is not recorded"


def test_accuracy_below_its_limit_fails_with_the_task_named(exported: Path, tmp_path: Path) -> None:
    limits = tmp_path / "limits.toml"
    limits.write_text("[max_accuracy_drop]\nphotos = 0.0\n", encoding="utf-8")
    outcome = pitome("validate", exported, *QUICK, "--thresholds", limits, "--report", tmp_path / "page.html")
    assert outcome.code == 1
    assert "fails validation: accuracy: photos loses " in outcome.message
    assert "points, where 0 are allowed" in outcome.message
    assert (tmp_path / "page.html").is_file()


def test_what_is_left_out_is_said(exported: Path, tmp_path: Path) -> None:
    outcome = pitome(
        "validate", exported, *QUICK, "--task", "none", "--report", tmp_path / "page.html", "--json"
    )
    assert outcome.code == 0
    assert outcome.document["skipped"] == [{"what": "accuracy", "reason": "left out by --task none"}]
    assert outcome.document["accuracy"] == {
        "verdict": "not judged",
        "reason": "not measured: left out by --task none",
        "tasks": [],
    }


def test_a_part_that_is_required_fails_where_it_is_not_judged(exported: Path, tmp_path: Path) -> None:
    page = ("--report", tmp_path / "page.html")
    refused = pitome("validate", exported, *QUICK, "--require", "accuracy,speed", *page)
    assert refused.code == 2
    assert "there is no part 'speed'; the parts are parity, accuracy, latency" in refused.message
    assert not (tmp_path / "page.html").exists()
    assert pitome("validate", exported, *QUICK, "--require", " , ", *page).code == 2
    outcome = pitome("validate", exported, *QUICK, "--task", "none", "--require", "accuracy", *page, "--json")
    assert outcome.code == 1
    found: Any = outcome.document
    assert (found["verdict"], found["not_judged"], found["required"]) == ("fail", 1, ["parity", "accuracy"])
    assert found["reason"] == (
        "accuracy: it is required and not judged: not measured: left out by --task none"
    )


def test_a_task_that_the_user_named_must_run(exported: Path) -> None:
    outcome = pitome("validate", exported, *QUICK, "--task", "r8")
    assert outcome.code == 2
    assert "r8" in outcome.message


def test_json_of_a_failure_is_the_whole_report(spoilt: Path) -> None:
    outcome = pitome("validate", spoilt, *QUICK, "--json")
    assert outcome.code == 1
    found: Any = outcome.document
    assert found["verdict"] == found["parity"]["verdict"] == found["parts"][0]["verdict"] == "fail"
    assert found["reason"] == f"parity: {found['parity']['reason']}"
    assert found["parity"]["graph"][0]["kind"] == "epsilon"
    assert found["parity"]["decisions"]["layers"]


def test_limits_of_the_user_decide(exported: Path, tmp_path: Path) -> None:
    limits = tmp_path / "limits.toml"
    limits.write_text("[min_cosine]\nbf16 = 1.0\n")
    outcome = pitome("validate", exported, *QUICK, "--thresholds", limits, "--json")
    assert outcome.code == 1
    assert "image_embeds of PyTorch bf16 has a mean cosine of " in outcome.document["reason"]
    assert outcome.document["thresholds"]["min_cosine"]["bf16"] == 1


@pytest.mark.full
def test_what_other_limits_let_pass_is_checked_again_by_a_build(exported: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(exported, tmp_path / "clip-tiny"))
    limits = tmp_path / "limits.toml"
    limits.write_text("arithmetic_factor = 3.0\n")
    assert pitome("validate", bundle, *QUICK, "--thresholds", limits, "--record").code == 0
    manifest = verify_bundle(bundle)
    assert manifest.parity is not None
    assert manifest.parity_key is None
    assert pitome("validate", bundle, *QUICK, "--record").code == 0
    assert verify_bundle(bundle).parity_key is not None


def test_a_wrong_file_of_limits(exported: Path, tmp_path: Path) -> None:
    limits = tmp_path / "limits.toml"
    limits.write_text("rms_faktor = 2.0\n")
    outcome = pitome("validate", exported, "--thresholds", limits)
    assert outcome.code == 2
    assert "rms_faktor is not a key that is known; the keys are max_unexplained_decisions" in outcome.message
    assert "Did you mean rms_factor" in outcome.message
