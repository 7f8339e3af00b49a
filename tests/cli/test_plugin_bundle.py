"""The plugin library of a bundle: copied, kept with its plans, and gone with the last of them.

No classic TensorRT builds here, so its plans are stand-ins of a few bytes; test_merge_paths.py builds real
ones of TensorRT-RTX.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pitome.bundle import Manifest, NativeRecord, PlanRecord, read_manifest, verify_bundle, write_manifest
from pitome.engine.checks import plan_requests
from pitome.engine.options import PlanOptions
from pitome.engine.progress import Silent
from pitome.engine.steps import place_plugin
from pitome.engine.workplace import Workplace
from pitome.runtime.native import oldest_glibc
from tests.cli.command_line import contents, pitome
from tests.engine.test_main_job import PLAN
from tests.export.plans.fake_machine import FakeMachine, machine
from tests.export.plans.plugin_files import NO_CREATORS, compile_library
from tests.pitome.bundle.bundle_cases import KEY, sha256, with_graph

__all__ = ["machine"]

LIBRARY = "libpitome_plugin.so"
OTHER_PLAN = "model.fp32.tensorrt.plugin.plan"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return compile_library(tmp_path, NO_CREATORS)


@pytest.fixture
def with_plugin(copied: Path, library: Path) -> Callable[[str], Path]:
    """``with_plugin(name)`` puts a plan of that name and the plugin library into a built bundle."""

    def add(name: str) -> Path:
        manifest = read_manifest(copied)
        plan, data = b"plan", library.read_bytes()
        (copied / name).unlink(missing_ok=True)
        (copied / name).write_bytes(plan)
        (copied / LIBRARY).write_bytes(data)
        record: dict[str, Any] = {
            **manifest.plans[0].model_dump(),
            "file": name,
            "sha256": sha256(plan),
            "bytes": len(plan),
            "backend": "tensorrt_rtx" if "tensorrt_rtx" in name else "tensorrt",
            "targets": ("sm89",),
            "merge_path": "plugin",
            "plugin_layers": 3,
            "key": KEY,
        }
        plans = [other for other in manifest.plans if other.file != name]
        plugin = NativeRecord(file=LIBRARY, sha256=sha256(data), kind="tensorrt", version="9.8.7")
        changed = with_graph(manifest, plans=(*plans, PlanRecord.model_validate(record)))
        write_manifest(copied, changed.model_copy(update={"native": (plugin,)}))
        verify_bundle(copied)
        return copied

    return add


def plugin_of(bundle: Path) -> tuple[Manifest, NativeRecord | None]:
    manifest = verify_bundle(bundle)
    return manifest, manifest.plugin


def test_the_library_is_copied_and_recorded(tmp_path: Path, library: Path) -> None:
    folder, published = tmp_path / "partial", tmp_path / "published.so"
    folder.mkdir()
    published.write_bytes(b"an older library")
    os.link(published, folder / LIBRARY)
    place = Workplace(folder, tmp_path / "bundle", Silent())
    options = PlanOptions(backend="tensorrt", merge_path=("function", "plugin"), plugin=library)
    function, plugin = plan_requests(folder, options, "model.onnx", 3)

    assert place_plugin(place, function) is None
    record = place_plugin(place, plugin)
    assert record is not None
    assert record.glibc == oldest_glibc(library)
    found = record.model_dump(exclude_defaults=True, exclude={"glibc"})
    assert found == {
        "file": LIBRARY,
        "sha256": sha256(library.read_bytes()),
        "arch": platform.machine(),
        "kind": "tensorrt",
        "version": "9.8.7",
    }
    assert (folder / LIBRARY).read_bytes() == library.read_bytes()
    assert published.read_bytes() == b"an older library", "the published bundle stays as it was"

    (folder / LIBRARY).unlink()
    (unmerged,) = plan_requests(folder, options, "model.onnx", 0)
    assert place_plugin(place, unmerged) is None
    assert list(folder.iterdir()) == []


def test_build_keeps_the_plugin_of_another_plan(with_plugin: Callable[[str], Path]) -> None:
    bundle = with_plugin(OTHER_PLAN)
    before, plugin = plugin_of(bundle)
    outcome = pitome("build", bundle, "--targets", "sm80")
    assert outcome.code == 0, outcome.err
    after, kept = plugin_of(bundle)
    assert (kept, after.plans[0]) == (plugin, before.plans[1])
    assert [plan.file for plan in after.plans] == [OTHER_PLAN, PLAN]
    words = outcome.out.replace("\u2502", "").split()  # a long row is folded
    assert "merges by plugin 9.8.7, not embedded" in " ".join(words)
    assert "merges by standard operators" in " ".join(words)
    assert str(bundle / LIBRARY) in "".join(words)


@pytest.mark.full
def test_build_drops_the_plugin_with_its_last_plan(with_plugin: Callable[[str], Path]) -> None:
    bundle = with_plugin(PLAN)  # the name of the plan that is built in its place
    outcome = pitome("build", bundle, "--targets", "sm80")
    assert outcome.code == 0, outcome.err
    manifest, plugin = plugin_of(bundle)
    assert plugin is None
    assert [plan.merge_path for plan in manifest.plans] == ["function"]
    assert not (bundle / LIBRARY).exists()


def test_export_of_the_same_graphs_keeps_the_plugin(
    with_plugin: Callable[[str], Path], clip_folder: Path
) -> None:
    bundle = with_plugin(OTHER_PLAN)
    before, plugin = plugin_of(bundle)
    outcome = pitome("export", clip_folder, "--out", bundle.parent)
    assert outcome.code == 0, outcome.err
    after, kept = plugin_of(bundle)
    assert (kept, after.plans) == (plugin, before.plans)


def test_export_drops_the_plans_of_a_damaged_plugin(
    with_plugin: Callable[[str], Path], clip_folder: Path
) -> None:
    bundle = with_plugin(OTHER_PLAN)
    (bundle / LIBRARY).write_bytes(b"damaged")
    outcome = pitome("export", clip_folder, "--out", bundle.parent)
    assert outcome.code == 0, outcome.err
    manifest, plugin = plugin_of(bundle)
    assert (manifest.plans, plugin) == ((), None)
    assert not (bundle / LIBRARY).exists()


def test_a_bundle_holds_one_library(
    with_plugin: Callable[[str], Path], machine: FakeMachine, tmp_path: Path
) -> None:
    bundle = with_plugin(OTHER_PLAN)
    before = contents(bundle)
    machine.install_tensorrt("10.7.0")
    machine.install_driver(status=0)
    (tmp_path / "newer").mkdir()
    newer = compile_library(tmp_path / "newer", NO_CREATORS.replace("9.8.7", "9.9.0"))
    outcome = pitome("build", bundle, "--backend", "tensorrt", "--plugin", newer)
    assert outcome.code == 2
    assert (
        f"a plan with the plugin library {newer} in {bundle}: a bundle holds one library" in outcome.message
    )
    assert f"{OTHER_PLAN} was built with another one (9.8.7, sha256 " in outcome.message
    assert f"Use PLUGIN={bundle / LIBRARY}, or run `make engine` again" in outcome.message
    assert contents(bundle) == before


def test_a_changed_byte_of_the_library_is_found(with_plugin: Callable[[str], Path]) -> None:
    bundle = with_plugin(OTHER_PLAN)
    data = bytearray((bundle / LIBRARY).read_bytes())
    data[-1] ^= 1
    (bundle / LIBRARY).write_bytes(data)
    outcome = pitome("inspect", bundle)
    assert outcome.code == 2
    assert f"{LIBRARY} is damaged: expected sha256 " in outcome.message
