"""Which engines there are, and their making; TensorRT-RTX builds without a GPU."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from pitome.compression import compress
from pitome.export.plans import read_plan_version
from pitome.validate.gpu.plans import PROFILE, BuiltEngine, EngineSpec, Workshop, measured_engines
from tests.export.plans.plugin_files import NO_CREATORS, compile_library
from tests.tiny_models import tiny_model

OUTPUTS = ("image_embeds",)


@pytest.fixture
def built() -> list[BuiltEngine]:
    return []


@pytest.fixture
def workshop(tmp_path: Path, built: list[BuiltEngine]) -> Workshop:
    model = tiny_model("CLIPVisionModelWithProjection")
    merged, unmerged = compress(model, ratio=0.8), compress(model, method="none")
    return Workshop(tmp_path, merged, unmerged, OUTPUTS, "sm89", tmp_path / "plugin.so", built.append)


def test_what_is_measured() -> None:
    for backend in ("tensorrt", "tensorrt_rtx"):
        names = [spec.name for spec in measured_engines(backend)]
        assert names == ["plugin engine", "function engine", "unmerged engine"]
    assert {spec.precision for spec in measured_engines("tensorrt")} == {"fp16"}
    assert not any(spec.decisions for spec in measured_engines("tensorrt"))


def test_files_of_different_engines_differ() -> None:
    specs = [
        EngineSpec(backend, path, precision, decisions)  # type: ignore[arg-type]
        for backend in ("tensorrt", "tensorrt_rtx")
        for path in ("plugin", "function", "none")
        for precision in ("fp32", "fp16")
        for decisions in (False, True)
    ]
    assert len({spec.file for spec in specs}) == len(specs)
    assert EngineSpec("tensorrt", "plugin").graph == EngineSpec("tensorrt_rtx", "function").graph


def test_requests(workshop: Workshop, tmp_path: Path) -> None:
    for backend in ("tensorrt_rtx", "tensorrt"):
        plugin = workshop.request(EngineSpec(backend, "plugin"))
        assert (plugin.merge_path, plugin.plugin, plugin.num_merges) == ("plugin", tmp_path / "plugin.so", 4)
    assert (plugin.targets, plugin.profile, plugin.precision) == ((), PROFILE, "fp16")
    unmerged = workshop.request(EngineSpec("tensorrt", "none"))
    assert (unmerged.merge_path, unmerged.plugin, unmerged.num_merges) == ("function", None, 0)
    assert workshop.request(EngineSpec("tensorrt_rtx", "function")).targets == ("sm89",)


@pytest.mark.full
def test_an_engine_with_its_decisions_as_outputs(workshop: Workshop, built: list[BuiltEngine]) -> None:
    spec = EngineSpec("tensorrt_rtx", "function", "fp32", decisions=True)
    assert workshop.unavailable(spec) == ""
    plan = workshop.plan(spec)
    assert read_plan_version(plan) == built[0].backend_version
    assert (built[0].name, built[0].merges, built[0].precision) == ("function engine", 4, "fp32")
    names = workshop.decisions(spec)
    assert len(names) == 4
    graph = onnx.load(str(workshop.folder / spec.graph)).graph
    assert [output.name for output in graph.output] == [*OUTPUTS, *names]
    assert workshop.plan(spec) == plan
    assert len(built) == 1, "an engine is built once"


@pytest.mark.full
def test_the_unmerged_engine(workshop: Workshop, built: list[BuiltEngine]) -> None:
    spec = EngineSpec("tensorrt_rtx", "none")
    workshop.plan(spec)
    assert (built[0].name, built[0].merges, built[0].precision) == ("unmerged engine", 0, "fp16")
    assert workshop.decisions(spec) == ()


@pytest.mark.parametrize("target", ["sm90", "sm75"])
def test_a_gpu_that_rtx_does_not_build_for(workshop: Workshop, target: str) -> None:
    workshop.target = target
    assert f"TARGETS={target}" in workshop.unavailable(EngineSpec("tensorrt_rtx", "function"))


def test_rtx_builds_for_turing_by_the_plugin(workshop: Workshop, tmp_path: Path) -> None:
    workshop.target = "sm75"
    compile_library(tmp_path, NO_CREATORS).rename(workshop.plugin)
    assert workshop.unavailable(EngineSpec("tensorrt_rtx", "plugin")) == ""


def test_a_missing_plugin_is_a_reason(workshop: Workshop) -> None:
    """Or TensorRT is what is missing here; both say what to do."""
    reason = workshop.unavailable(EngineSpec("tensorrt", "plugin"))
    assert "Run `make plugin`" in reason or "Run pip install '.[gpu]'" in reason
