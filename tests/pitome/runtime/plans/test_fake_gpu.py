"""The fake has nothing that the real modules lack, and calls with as many arguments."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from tests.pitome.runtime.plans.fake_gpu import FUNCTIONS, FakeContext, FakeCuda, FakeEngine, cudaError_t


def test_the_calls_are_those_of_cuda_python() -> None:
    runtime = pytest.importorskip("cuda.bindings.runtime")
    assert len(FUNCTIONS) > 20
    for name in FUNCTIONS:
        signature = getattr(runtime, name).__doc__.strip().splitlines()[0]
        wanted = [part for part in signature.partition("(")[2].rpartition(")")[0].split(",") if part.strip()]
        ours = list(inspect.signature(getattr(FakeCuda, name)).parameters)[1:]
        assert len(ours) == len(wanted), signature


def test_the_constants_are_those_of_cuda_python() -> None:
    runtime = pytest.importorskip("cuda.bindings.runtime")
    assert runtime.cudaHostAllocDefault == FakeCuda.cudaHostAllocDefault
    assert runtime.cudaStreamNonBlocking == FakeCuda.cudaStreamNonBlocking
    for status in cudaError_t:
        assert int(getattr(runtime.cudaError_t, status.name)) == status
    for owner in ("cudaMemcpyKind", "cudaStreamCaptureMode", "cudaDeviceAttr"):
        for name in vars(getattr(FakeCuda, owner)):
            assert hasattr(getattr(runtime, owner), name), name


@pytest.mark.parametrize("module", ["tensorrt_lean", "tensorrt_rtx"])
def test_the_methods_are_those_of_tensorrt(module: str) -> None:
    """The lean runtime of TensorRT 11.4 has the interface of the whole one."""
    trt: Any = pytest.importorskip(module)
    for fake, real in ((FakeEngine, trt.ICudaEngine), (FakeContext, trt.IExecutionContext)):
        names = [name for name in vars(fake) if not name.startswith("_")]
        assert [name for name in names if not hasattr(real, name)] == []
    for owner, name in (
        ("Runtime", "engine_host_code_allowed"),
        ("Runtime", "deserialize_cuda_engine"),
        ("ICudaEngine", "num_io_tensors"),
        ("TensorIOMode", "INPUT"),
        ("ILogger", "ERROR"),
        ("ILogger", "WARNING"),
    ):
        assert hasattr(getattr(trt, owner), name), f"{owner}.{name}"


def test_only_rtx_captures_graphs_by_itself() -> None:
    rtx: Any = pytest.importorskip("tensorrt_rtx")
    assert hasattr(rtx.CudaGraphStrategy, "WHOLE_GRAPH_CAPTURE")
    assert hasattr(rtx.DynamicShapesKernelSpecializationStrategy, "EAGER")
    config = rtx.IRuntimeConfig
    assert {"cuda_graph_strategy", "dynamic_shapes_kernel_specialization_strategy"} <= set(dir(config))
    assert not hasattr(pytest.importorskip("tensorrt_lean"), "CudaGraphStrategy")
