"""What ``pitome tune --device cuda`` would build on a machine, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitome.engine.gpu_speed import PlanMaker, plan_maker
from pitome.engine.progress import Silent
from pitome.engine.search_options import SpeedOptions
from pitome.engine.speed_meter import checked_maker, conditions
from pitome.errors import BackendError, InputError
from pitome.runtime.backends import TENSORRT, TENSORRT_RTX
from pitome.runtime.plans import Gpu, Machine, this_machine
from pitome.validate.sweep.records import SpeedRecord

RTX = Machine(Gpu("NVIDIA L4", "sm89"), versions={"tensorrt_rtx": "1.7.1.116"})
H100 = Machine(Gpu("NVIDIA H100", "sm90"), versions={"tensorrt_rtx": "1.7.1.116"})
no_gpu = pytest.mark.skipif(this_machine().gpu is not None, reason="this machine has a GPU")


def test_plans_of_tensorrt_rtx_for_the_gpu_that_is_there() -> None:
    pytest.importorskip("tensorrt_rtx")
    maker, against = plan_maker("cuda", "auto", 8, lambda: RTX)
    assert maker is not None
    assert against == ["TensorRT: it is not installed"]
    request = maker.request(Path("a/point.onnx"), 12)
    assert (request.targets, request.profile, request.precision) == (("sm89",), (8, 8, 8), "fp16")
    assert (request.merge_path, request.num_merges, request.plan) == ("function", 12, Path("a/point.plan"))
    assert maker.runtime == "TensorRT-RTX 1.7.1.116, NVIDIA L4, fp16"
    found = conditions(SpeedOptions(device="cuda"), maker)
    assert (found["runtime"], found["onnxruntime"]) == (maker.runtime, None)
    SpeedRecord(speedup=1.5, low=1.4, high=1.6, **found)


def test_tensorrt_takes_the_plugin_and_no_target() -> None:
    maker = PlanMaker(TENSORRT, H100, 4, Path("build/plugin/libpitome_plugin.so"))
    request = maker.request(Path("point.onnx"), 12)
    assert (request.targets, request.merge_path) == ((), "plugin")
    assert maker.request(Path("point.onnx"), 0).plugin is None, "the unmerged model has no merge"
    assert PlanMaker(TENSORRT_RTX, RTX, 4).request(Path("point.onnx"), 0).targets == ("sm89",)


@pytest.mark.parametrize(
    ("device", "backend"), [("cpu", "auto"), ("cuda", "onnxruntime"), ("tensorrt", "auto")]
)
def test_onnxruntime_is_measured_without_looking_for_a_gpu(device: str, backend: str) -> None:
    assert plan_maker(device, backend, 8, pytest.fail) == (None, [])


def test_each_backend_says_why_it_builds_none() -> None:
    maker, against = plan_maker("cuda", "auto", 8, lambda: H100)
    assert maker is None
    assert against == [
        "TensorRT: it is not installed",
        "TensorRT-RTX: it does not compile for sm90",
    ]
    with pytest.raises(BackendError, match="DEVICE=cuda: TensorRT-RTX: it does not"):
        plan_maker("cuda", "tensorrt_rtx", 8, lambda: H100)
    with pytest.raises(InputError, match="BACKEND=tensorrt with DEVICE=cpu: plans run on a GPU only"):
        plan_maker("cpu", "tensorrt", 8, pytest.fail)


def test_a_t4_does_not_multiply_the_functions_float32() -> None:
    pytest.importorskip("tensorrt_rtx")
    t4 = Machine(Gpu("Tesla T4", "sm75"), versions={"tensorrt_rtx": "1.7.1.116"})
    _, against = plan_maker("cuda", "auto", 8, lambda: t4)
    assert "FP32 GEMM is not supported" in against[1]


@no_gpu
def test_on_this_machine_the_speed_on_a_gpu_is_refused_with_every_reason() -> None:
    with pytest.raises(InputError) as caught:
        checked_maker(SpeedOptions(device="cuda"), Silent())
    told = str(caught.value)
    assert told.startswith("DEVICE=cuda: onnxruntime ")
    assert "and no plan can be built and run here:\n  - TensorRT: " in told
    assert f"- TensorRT-RTX: {this_machine().why_no_gpu}" in told
    assert checked_maker(SpeedOptions(), Silent()) is None


def test_the_cpu_is_what_it_was() -> None:
    assert conditions(SpeedOptions(), None)["runtime"] == "onnxruntime, CPU"
