"""A second build takes over what is still right and intact, and makes the rest anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pitome.bundle import read_manifest, verify_bundle
from tests.cli.command_line import QUICK, QUICK_PLAN, pitome

GRAPHS = ["model.onnx", "model.fp16.onnx"]
PLAN = "model.fp16.tensorrt_rtx.function.plan"


def test_other_targets_rebuild_the_plan_only(clip_folder: Path, copied: Path) -> None:
    again = pitome("engine", clip_folder, "--out", copied.parent, *QUICK, "--targets", "sm80", "--json")
    assert again.code == 0
    assert again.document["reused"] == [*GRAPHS, "parity", "latency"]
    (plan,) = verify_bundle(copied).plans
    assert plan.targets == ("sm80",)


def test_damaged_plan_is_rebuilt_alone(clip_folder: Path, copied: Path) -> None:
    flip_byte(copied / PLAN)
    again = pitome("engine", clip_folder, "--out", copied.parent, *QUICK, "--json")
    assert again.code == 0
    assert again.document["reused"] == [*GRAPHS, "parity", "latency"]
    assert len(verify_bundle(copied).plans[0].targets) == 4


def test_other_ratio_rebuilds_everything(clip_folder: Path, copied: Path) -> None:
    options = (*QUICK, *QUICK_PLAN, "--ratio", "0.8", "--json")
    again = pitome("engine", clip_folder, "--out", copied.parent, *options)
    assert again.code == 0
    assert again.document["reused"] == []
    assert verify_bundle(copied).schedule.tokens == (17, 14, 12, 10)


@pytest.mark.full
def test_damaged_manifest_rebuilds_everything(clip_folder: Path, copied: Path) -> None:
    """The same command on an intact bundle takes model.onnx over: the next test."""
    flip_byte(copied / "manifest.json")
    again = pitome("engine", clip_folder, "--out", copied.parent, *QUICK, *QUICK_PLAN, "--json")
    assert again.code == 0
    assert again.document["reused"] == []
    verify_bundle(copied)


def test_export_in_another_precision_keeps_the_fp32_graph(clip_folder: Path, copied: Path) -> None:
    again = pitome("export", clip_folder, "--out", copied.parent, "--precision", "fp32", "--json")
    assert again.code == 0
    assert again.document["reused"] == ["model.onnx"]
    assert {path.name for path in copied.iterdir()} == {
        "bom.cdx.json",
        "config.json",
        "model.onnx",
        "report.html",
        "manifest.json",
        "manifest.json.sha256",
    }


def flip_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.full
def test_another_configuration_of_the_same_weights_rebuilds_everything(
    clip_folder: Path, copied: Path, changed_model: Callable[[], Path]
) -> None:
    model = changed_model().rename(copied.parent.parent / clip_folder.name)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "layer_norm_eps": 1e-3}))
    again = pitome("engine", model, "--out", copied.parent, *QUICK, *QUICK_PLAN, "--json")
    assert again.code == 0, again.err
    assert again.document["reused"] == []


def test_export_of_the_same_graphs_keeps_the_plan(clip_folder: Path, copied: Path) -> None:
    before = read_manifest(copied)
    outcome = pitome("export", str(clip_folder), "--out", str(copied.parent))
    assert outcome.code == 0, outcome.err
    after = verify_bundle(copied)
    assert after.plans == before.plans
    assert after.parity == before.parity
    assert after.latency == before.latency


@pytest.mark.full
def test_export_of_other_graphs_says_what_it_drops(clip_folder: Path, copied: Path) -> None:
    outcome = pitome("export", str(clip_folder), "--out", str(copied.parent), "--ratio", "0.8")
    assert outcome.code == 0, outcome.err
    assert f"dropped: {PLAN}" in outcome.message
    assert verify_bundle(copied).plans == ()
