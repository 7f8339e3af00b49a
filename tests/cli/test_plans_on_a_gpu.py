"""A bundle's plan through `pitome.load` and ``pitome bench --device cuda``, on a fake GPU.

The fake library's plans run the graphs with onnxruntime (tests/pitome/runtime/plans/graph_plans.py): what is
chosen, how batches go through it and what is recorded is real; what a GPU computes, and how fast, is not.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import pitome
from pitome.bundle import verify_bundle, write_manifest
from pitome.engine import bench
from pitome.engine.gpu_speed import PlanMaker
from pitome.engine.options import BenchOptions
from pitome.engine.progress import Silent
from pitome.engine.search_options import SpeedOptions
from pitome.engine.speed_meter import MeasuringPlace
from pitome.export.plans import PlanRequest
from pitome.runtime.backends import TENSORRT_RTX
from pitome.runtime.onnxruntime import OnnxRuntime
from pitome.runtime.plans import this_machine
from tests.pitome.bundle.bundle_cases import sha256, with_graph
from tests.pitome.runtime.plans.fake_gpu import FakeGpu, install
from tests.pitome.runtime.plans.graph_plans import computing, write_plan
from tests.pitome.runtime.plans.test_opening import RTX


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    return install(monkeypatch, computing(), "tensorrt_rtx", RTX)


@pytest.fixture
def with_fake_plan(copied: Path) -> Callable[..., Path]:
    """The tiny bundle, whose plan is one of the fake library, recorded with its digest and with changes."""

    def change(**changes: Any) -> Path:
        manifest = verify_bundle(copied)
        plan = manifest.plans[0]
        write_plan(copied / "model.fp16.onnx", copied / plan.file, plan.profile)
        content = (copied / plan.file).read_bytes()
        told = {"sha256": sha256(content), "bytes": len(content), **changes}
        changed = with_graph(manifest, plans=(plan.model_copy(update=told),))
        write_manifest(copied, changed)
        return copied

    return change


def pixels(count: int) -> Any:
    return np.random.default_rng(0).standard_normal((count, 3, 32, 32), dtype=np.float32)


def test_a_plan_that_this_gpu_takes_runs_the_bundle(
    gpu: FakeGpu, with_fake_plan: Callable[..., Path]
) -> None:
    folder = with_fake_plan()
    graph = OnnxRuntime(folder / "model.fp16.onnx", "fp16")
    with pitome.load(folder) as bundle:
        assert bundle.chosen.backend == "tensorrt_rtx"
        assert bundle.chosen.file == "model.fp16.tensorrt_rtx.function.plan"
        given = pixels(40)
        found = bundle.run({"pixel_values": given})["image_embeds"]
        # The largest batch of its profile is 32; in fp16 a batch of another size rounds differently.
        parts = [graph.run({"pixel_values": part}).outputs["image_embeds"] for part in np.split(given, [32])]
        assert np.array_equal(found, np.concatenate(parts))

        def one(row: int) -> bool:
            given_row = {"pixel_values": given[row : row + 1]}
            expected = graph.run(given_row).outputs["image_embeds"]
            return np.array_equal(bundle.run(given_row)["image_embeds"], expected)

        with ThreadPoolExecutor(16) as pool:
            assert all(pool.map(one, range(16)))
    assert gpu.trt.deserialised == 1
    assert len(gpu.trt.contexts) <= 2


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"targets": ("sm80",)}, "it is for sm80, and this GPU (NVIDIA L4) is sm89"),
        ({"backend_version": "1.6.0.35"}, f"it was built by TensorRT-RTX 1.6.0.35, and {RTX} is installed"),
    ],
)
def test_one_that_it_does_not_take_gives_way_loudly(
    gpu: FakeGpu, with_fake_plan: Callable[..., Path], changes: dict[str, Any], text: str
) -> None:
    with pitome.load(with_fake_plan(**changes)) as bundle:
        assert bundle.chosen.backend == "onnxruntime"
        assert any(text in reason for reason in bundle.chosen.reasons), bundle.chosen.reasons
    assert gpu.trt.deserialised == 0


def test_bench_measures_it_against_the_unmerged_models_plan(
    gpu: FakeGpu,
    with_fake_plan: Callable[..., Path],
    clip_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The builder is the fake library's too: a real plan needs a real GPU to run."""
    asked: list[PlanRequest] = []

    def build(request: PlanRequest, progress: object = None) -> Any:
        asked.append(request)
        write_plan(request.onnx, request.plan, request.profile)
        return SimpleNamespace(plan=request.plan)

    monkeypatch.setattr("pitome.engine.plan_bench.build_plan", build)
    bundle = with_fake_plan()
    options = BenchOptions(
        batches=(1, 8), device="cuda", latency_seconds=0.1, weights=str(clip_folder), record=True
    )
    found = bench(bundle, options)
    assert found.plan is not None
    assert (found.plan.backend, found.plan.gpu, found.plan.precision) == ("tensorrt_rtx", "NVIDIA L4", "fp16")
    assert found.plan.launched == "the runtime's own CUDA graph"
    assert [result.speedup for result in found.results] == pytest.approx([1.0, 1.0]), "both take as long"
    (request,) = asked
    before = verify_bundle(bundle)
    plan = before.plans[0]
    assert (request.targets, request.profile, request.num_merges) == (plan.targets, plan.profile, 0)
    assert (request.precision, request.merge_path, request.plugin) == ("fp16", "function", None)
    assert before.latency == found
    assert plan.executed, "a plan that was recorded as measured has run"
    assert before.latency_key is None, "no build takes it over"


def test_tune_measures_settings_as_plans(gpu: FakeGpu, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[PlanRequest] = []

    def build(request: PlanRequest) -> Any:
        asked.append(request)
        write_plan(request.onnx, request.plan, request.profile)
        return SimpleNamespace(plan=request.plan, sha256=sha256(request.plan.read_bytes()))

    monkeypatch.setattr("pitome.engine.gpu_speed.build_plan", build)
    options = SpeedOptions(batch=2, seconds=0.1, device="cuda")
    maker = PlanMaker(TENSORRT_RTX, this_machine(), options.batch)
    graph = copied / "model.fp16.onnx"
    contestants = [maker.contestant("merged", graph, 3, against="unmerged", bound=1.5)]
    contestants.append(maker.contestant("unmerged", graph, 0))
    place = MeasuringPlace(None, options, maker, Silent())  # type: ignore[arg-type]
    found = place.measured(contestants, lambda phase, done, total: None)
    assert list(found) == ["merged"]
    assert found["merged"].runtime == f"TensorRT-RTX {RTX}, NVIDIA L4, fp16"
    assert found["merged"].onnxruntime is None
    assert found["merged"].speedup == pytest.approx(1.0), "both take as long"
    assert [(request.num_merges, request.profile) for request in asked] == [(3, (2, 2, 2)), (0, (2, 2, 2))]
