"""MERGE_PATH: a plan by the function, one by the plugin, or both in one bundle, of TensorRT-RTX."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitome.bundle import verify_bundle
from pitome.bundle.manifest import PLUGIN_NAME
from tests.cli.command_line import QUICK, pitome
from tests.engine.test_main_job import PLAN
from tests.export.plans.plugin_files import BUILT_HOST_PLUGIN, built, compile_library, with_creators_of

pytest.importorskip("tensorrt_rtx")

PLUGIN_PLAN = "model.fp16.tensorrt_rtx.plugin.plan"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return compile_library(tmp_path, with_creators_of(built(BUILT_HOST_PLUGIN)))


def test_both_paths_in_one_bundle(clip_folder: Path, copied: Path, library: Path) -> None:
    before = verify_bundle(copied)
    options = (clip_folder, "--out", copied.parent, *QUICK, "--merge-path", "function,plugin")
    first = pitome("engine", *options, "--plugin", library, "--json")
    assert first.code == 0, first.err
    graphs = ["model.onnx", "model.fp16.onnx"]
    assert first.document["reused"] == [*graphs, PLAN, "parity", "latency"]

    manifest = verify_bundle(copied)
    function, plugin = manifest.plans
    assert (function,) == before.plans
    assert (plugin.file, plugin.merge_path, plugin.plugin_layers) == (PLUGIN_PLAN, "plugin", 3)
    assert plugin.targets == ("sm75", *function.targets)
    assert (plugin.executed, plugin.plugin_embedded) == (False, False)
    assert manifest.plugin is not None
    assert (manifest.plugin.file, manifest.plugin.version) == (PLUGIN_NAME, "9.8.7")
    assert (copied / PLUGIN_NAME).read_bytes() == library.read_bytes()
    assert manifest.build.plan is not None
    assert manifest.build.plan.merge_path == ("function", "plugin")

    shown = pitome("inspect", copied).out
    for part in (
        "Plan fp16 tensorrt_rtx function",
        "merges by standard operators",
        "Plan fp16 tensorrt_rtx plugin",
        "sm75, sm80, sm86, sm89, sm120",
        "merges by plugin 9.8.7, not embedded",
    ):
        assert part in " ".join(shown.replace("\u2502", "").split())
    page = (copied / "report.html").read_text(encoding="utf-8")
    assert all(f"<h3>{plan}</h3>" in page for plan in (PLAN, PLUGIN_PLAN))

    again = pitome("engine", *options, "--plugin", library, "--json")
    assert again.document["reused"] == [*graphs, PLAN, PLUGIN_PLAN, "parity", "latency"]
    assert verify_bundle(copied).plans == manifest.plans


def test_build_adds_the_other_path(copied: Path, library: Path) -> None:
    (function,) = verify_bundle(copied).plans
    options = ("--merge-path", "plugin", "--targets", "sm75", "--plugin", library, "--embed-plugin", "1")
    outcome = pitome("build", copied, *options)
    assert outcome.code == 0, outcome.err
    before, plugin = verify_bundle(copied).plans
    assert before == function
    assert (plugin.file, plugin.targets, plugin.plugin_embedded) == (PLUGIN_PLAN, ("sm75",), True)
    assert "merges by plugin 9.8.7, embedded, needs engine_host_code_allowed" in " ".join(
        outcome.out.replace("\u2502", "").split()
    )


@pytest.mark.full
def test_a_plan_without_merges_is_built_once(copied: Path, clip_folder: Path) -> None:
    """And without the library, which need not be there."""
    options = (*QUICK, "--method", "none", "--merge-path", "function,plugin", "--plugin", "absent.so")
    outcome = pitome("engine", clip_folder, "--out", copied.parent, *options, "--targets", "sm75,sm80")
    assert outcome.code == 0, outcome.err
    manifest = verify_bundle(copied)
    (plan,) = manifest.plans
    assert (plan.file, plan.merge_path, plan.plugin_layers) == (
        "model.fp16.tensorrt_rtx.none.plan",
        "none",
        0,
    )
    assert manifest.plugin is None
