"""``pitome engine`` from a checkpoint to a bundle, as a process of its own and over again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from pitome.bundle import verify_bundle
from pitome.models.presets import PRESETS
from tests.cli.command_line import QUICK, Outcome, pitome

PLAN = "model.fp16.tensorrt_rtx.function.plan"
FILES = {
    *("model.onnx", "model.fp16.onnx", PLAN, "report.html"),
    *("manifest.json", "manifest.json.sha256", "config.json", "bom.cdx.json"),
}

Built = tuple[Path, Outcome]


def test_bundle_is_complete(built: Built) -> None:
    folder, _ = built
    assert {path.name for path in folder.iterdir()} == FILES
    manifest = verify_bundle(folder)
    assert manifest.schedule.tokens == (17, 16, 15, 14)
    assert not manifest.model.weights.random
    assert [graph.precision for graph in manifest.onnx] == ["fp32", "fp16"]


def test_plan_is_for_four_architectures(built: Built) -> None:
    (plan,) = verify_bundle(built[0]).plans
    assert plan.targets == ("sm80", "sm86", "sm89", "sm120")
    assert (plan.precision, plan.profile, plan.merge_path) == ("fp16", (1, 8, 32), "function")
    assert not plan.executed


@pytest.mark.parametrize("file", ["model.onnx", "model.fp16.onnx"])
def test_graph_carries_schedule_method_and_version(built: Built, file: str) -> None:
    manifest = verify_bundle(built[0])
    properties = onnx.load(str(built[0] / file), load_external_data=False).metadata_props
    found = {entry.key: json.loads(entry.value) for entry in properties}
    document = manifest.model_dump(mode="json")
    assert found["pitome.schedule"] == document["schedule"]
    assert found["pitome.method"] == document["method"]
    assert found["pitome.version"] == manifest.pitome_version
    assert found["pitome.model"]["weights"] == manifest.model.weights.sha256


@pytest.mark.full
def test_a_graph_that_nothing_here_runs_is_never_called_checked(vit_folder: Path, tmp_path: Path) -> None:
    outcome = pitome(
        "engine", vit_folder, "--out", tmp_path, *QUICK, "--precision", "bf16", "--targets", "sm89"
    )
    assert outcome.code == 0, outcome.err
    assert "not checked: onnxruntime has no bf16 kernels on a CPU, so the graph was not run" in outcome.out
    assert "built from a checked ONNX file" not in outcome.out
    parity = verify_bundle(tmp_path / "vit-tiny").parity
    assert parity is not None
    assert parity.unchecked == ("bf16",)


def test_parity_and_latency_are_recorded(built: Built) -> None:
    document = verify_bundle(built[0]).model_dump(mode="json")
    assert document["parity"]["verdict"] == "pass"
    layers = document["parity"]["decisions"]["layers"]
    assert [layer["merged"] for layer in layers] == [1, 1, 1]
    assert [layer["unexplained"] for layer in layers] == [0, 0, 0]
    assert [result["batch"] for result in document["latency"]["results"]] == [1, 2]


def test_nothing_is_left_beside_the_bundle(built: Built) -> None:
    assert {path.name for path in built[0].parent.iterdir()} == {"clip-tiny", "clip-tiny.lock"}


def test_json_is_one_document_and_progress_goes_to_stderr(built: Built) -> None:
    folder, outcome = built
    document = outcome.document  # json.loads refuses anything before or after it
    assert document["bundle"] == str(folder)
    assert document["reused"] == []
    assert document["manifest"] == verify_bundle(folder).model_dump(mode="json")
    for step in ("Load", "Export model.onnx", f"Build {PLAN}", "Check parity", "Measure latency"):
        assert step in outcome.err


def test_report_is_a_page(built: Built) -> None:
    page = (built[0] / "report.html").read_text(encoding="utf-8")
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert "clip-tiny" in page


def test_second_run_reuses_everything_and_ends_with_the_table(clip_folder: Path, copied: Path) -> None:
    before = verify_bundle(copied)
    again = pitome("engine", clip_folder, "--out", copied.parent, *QUICK)
    assert again.code == 0
    assert [line for line in again.err.splitlines() if line.startswith("reused: ")] == [
        "reused: model.onnx",
        "reused: model.fp16.onnx",
        f"reused: {PLAN}",
        "reused: parity",
        "reused: latency",
    ]
    assert "Export" not in again.err
    after = verify_bundle(copied)
    assert (after.onnx, after.plans, after.parity) == (before.onnx, before.plans, before.parity)
    for part in (
        "Tokens per layer",
        "17 16 15 14",
        "FLOPs per input",
        "Parity",
        "pass: ",
        "Speed-up, batch 2",
    ):
        assert part in again.out
    for part in ("bound", "Plan fp16", "sm80, sm86, sm89, sm120", "report.html"):
        assert part in again.out
    assert str(copied / PLAN) in "".join(again.out.replace("\u2502", "").split())  # a long path is folded


def test_dry_run_shows_the_schedule_and_writes_nothing(clip_folder: Path, tmp_path: Path) -> None:
    shown = pitome("engine", clip_folder, "--out", tmp_path / "build", "--dry-run")
    assert shown.code == 0
    assert "tokens and FLOPs of one input" in shown.out
    assert "of the FLOPs are left" in shown.out
    assert list(tmp_path.iterdir()) == []


def test_dry_run_as_json(clip_folder: Path, tmp_path: Path) -> None:
    shown = pitome("engine", clip_folder, "--out", tmp_path / "build", "--r", "3,0,2", "--dry-run", "--json")
    assert shown.code == 0
    assert [row["tokens"] for row in shown.document["layers"]] == [17, 14, 14]
    assert [row["merged"] for row in shown.document["layers"]] == [3, 0, 2]
    assert shown.document["flops"]["bound"] == pytest.approx(1 / shown.document["flops"]["ratio"])
    assert list(tmp_path.iterdir()) == []


def test_installed_command_lists_the_presets() -> None:
    command = Path(sys.executable).with_name("pitome")
    if not command.is_file():
        pytest.skip("the package is not installed beside this Python")
    shown = subprocess.run([command, "models"], capture_output=True, text=True, timeout=120, check=True)
    assert [name for name in PRESETS if name not in shown.stdout] == []


def test_models_as_json() -> None:
    assert [row["name"] for row in pitome("models", "--json").document["models"]] == list(PRESETS)
