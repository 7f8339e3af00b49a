"""A plan's runtime above the calls of CUDA and TensorRT, which are fake here: no GPU has run it."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from pitome.errors import BackendError, BundleError, InputError
from pitome.runtime.plans import Gpu, Machine, PlanOptions, open_plan
from pitome.runtime.plans.engine import PlanEngine
from tests.pitome.runtime.plans.fake_gpu import FakeGpu, FakeTensor, cudaError_t, fake_plan, install

MACHINE = Machine(Gpu("NVIDIA L4", "sm89", "13.0"), versions={"tensorrt": "10.14.1.48"})
TENSORS = (
    FakeTensor("pixels", "FLOAT", (-1, 2, 3)),
    FakeTensor("embeds", "HALF", (-1, 2), output=True),
    FakeTensor("chosen", "INT32", (-1, 3), output=True),
)


def compute(inputs: dict[str, Any]) -> dict[str, Any]:
    pixels = inputs["pixels"]
    return {"embeds": 2 * pixels.sum(axis=2), "chosen": pixels.argsort(axis=1)[:, 0]}


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    return install(monkeypatch, compute)


def opened(plan: bytes | None = None, **options: Any) -> PlanEngine:
    options.setdefault("assignments", ("chosen",))
    return open_plan("tensorrt", plan or fake_plan(TENSORS), options=PlanOptions(**options), machine=MACHINE)


def images(count: int, seed: int = 0) -> dict[str, Any]:
    return {"pixels": np.random.default_rng(seed).standard_normal((count, 2, 3), dtype=np.float32)}


def same(found: Any, given: dict[str, Any]) -> bool:
    expected = compute(given)
    return bool(
        np.array_equal(found.outputs["embeds"], expected["embeds"].astype(np.float16))
        and np.array_equal(found.assignments[0], expected["chosen"])
    )


@pytest.mark.parametrize("graphs", [False, True])
@pytest.mark.parametrize("count", [1, 3, 4, 8, 9, 21])
def test_every_number_of_inputs(gpu: FakeGpu, count: int, graphs: bool) -> None:
    """Beyond the profile's largest batch they are split; with graphs they are filled up to its sizes."""
    engine = opened(cuda_graphs=graphs)
    found = engine.run(images(count))
    assert same(found, images(count))
    assert found.outputs["embeds"].dtype == np.float16
    assert set(found.outputs) == set(engine.outputs) == {"embeds"}
    assert same(engine.run(images(count, 1)), images(count, 1)), "memory is written anew"


def test_less_than_the_smallest_batch_is_filled_up(gpu: FakeGpu) -> None:
    assert same(opened(fake_plan(TENSORS, (4, 4, 8))).run(images(3)), images(3))
    assert gpu.trt.contexts[0].get_tensor_shape("pixels") == (4, 2, 3)


def test_what_came_back_stays_as_it_is(gpu: FakeGpu) -> None:
    engine = opened()
    first = engine.run(images(2))
    engine.run(images(2, 1))
    assert same(first, images(2))


@pytest.mark.parametrize("graphs", [False, True])
def test_many_threads_get_their_own_answers(gpu: FakeGpu, graphs: bool) -> None:
    engine = opened(cuda_graphs=graphs, contexts=3)
    barrier = threading.Barrier(32)

    def ask(seed: int) -> bool:
        barrier.wait()
        count = 1 + seed % 9
        return same(engine.run(images(count, seed)), images(count, seed))

    with ThreadPoolExecutor(32) as pool:
        assert all(pool.map(ask, range(32)))
    assert 1 <= len(gpu.trt.contexts) <= 3


def test_a_graph_is_recorded_once_for_a_batch_and_replayed(gpu: FakeGpu) -> None:
    engine = opened(cuda_graphs=True)
    for seed in range(3):
        engine.run(images(4, seed))
    assert gpu.cuda.calls.count("cudaStreamBeginCapture") == 1
    assert gpu.cuda.calls.count("cudaGraphLaunch") == 3
    assert engine.how == "CUDA graph"
    engine.run(images(8))
    assert gpu.cuda.calls.count("cudaStreamBeginCapture") == 2, "another batch, another graph"
    assert len(gpu.cuda.graphs) == 1, "the other one is gone"


def test_rtx_records_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = install(monkeypatch, compute, "tensorrt_rtx", "1.7.1.116")
    machine = Machine(Gpu("NVIDIA L4", "sm89"), versions={"tensorrt_rtx": "1.7.1.116"})
    plan = fake_plan(TENSORS, tag=b"vtrt", version=(1, 7, 1, 116))
    for graphs in (False, True):
        options = PlanOptions(cuda_graphs=graphs, assignments=("chosen",))
        engine = open_plan("tensorrt_rtx", plan, options=options, machine=machine)
        assert same(engine.run(images(2)), images(2))
        config = gpu.trt.contexts[-1].config
        assert config.cuda_graph_strategy == int(graphs)
        assert config.dynamic_shapes_kernel_specialization_strategy == 1, "two runs of one input are equal"
    assert "cudaStreamBeginCapture" not in gpu.cuda.calls
    assert engine.how == "the runtime's own CUDA graph"


def test_nothing_is_left_behind(gpu: FakeGpu) -> None:
    engine = opened(cuda_graphs=True)
    engine.run(images(8))
    engine.run(images(2))
    engine.prepare(images(4)).close()
    assert gpu.cuda.held["streams"] == 1
    engine.close()
    gc.collect()
    assert gpu.cuda.held == {}
    with pytest.raises(BackendError, match=r"it was closed\. Open the bundle again"):
        engine.run(images(1))


def test_what_is_forgotten_is_freed(gpu: FakeGpu) -> None:
    opened().run(images(8))
    gc.collect()
    assert gpu.cuda.held == {}


def test_a_measured_run(gpu: FakeGpu) -> None:
    """By the GPU's clock, as many runs back to back as fill ten milliseconds."""
    prepared = opened(cuda_graphs=True).prepare(images(4))
    assert prepared.seconds() == pytest.approx(0.001)
    before = gpu.trt.contexts[-1].runs
    assert prepared.seconds() == pytest.approx(0.001)
    assert gpu.trt.contexts[-1].runs - before == 10
    found = prepared.outputs()
    assert np.array_equal(found["embeds"], compute(images(4))["embeds"].astype(np.float16))
    with pytest.raises(InputError, match=r"with a batch of 9: its profile goes from 1 to 8\. Choose"):
        opened().prepare(images(9))


def test_bfloat16_goes_in_rounded_and_comes_out_as_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = (FakeTensor("x", "BF16", (-1, 4)), FakeTensor("y", "BF16", (-1, 4), output=True))
    install(monkeypatch, lambda inputs: {"y": inputs["x"]})
    engine = open_plan("tensorrt", fake_plan(tensors), machine=MACHINE)
    assert engine.inputs[0].dtype == "bfloat16"
    given = np.array([[1.0, 1.00390625, -3.0e38, np.nan], [0.1, np.inf, 1e-40, 1.01171875]], np.float32)
    found = engine.run({"x": given}).outputs["y"]
    import torch  # the reference

    expected = torch.from_numpy(given).bfloat16().float().numpy()
    assert found.dtype == np.float32
    assert np.array_equal(found, expected, equal_nan=True)


def test_texts_are_looked_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = (
        FakeTensor("input_ids", "INT64", (-1, 3)),
        FakeTensor("attention_mask", "INT64", (-1, 3)),
        FakeTensor("token_type_ids", "INT64", (-1, 3)),
        FakeTensor("sum", "INT64", (-1, 1), output=True),
    )
    install(monkeypatch, lambda given: {"sum": sum(given.values()).sum(axis=1, keepdims=True)})
    engine = open_plan(
        "tensorrt", fake_plan(tensors), options=PlanOptions(limits={"input_ids": 50}), machine=MACHINE
    )
    ids = np.array([[5, 6, 0], [7, 8, 9]])
    found = engine.run({"input_ids": ids, "attention_mask": (ids > 0).astype(np.int64)})
    assert found.outputs["sum"].tolist() == [[13], [27]], "token types that are not given are zeros"
    with pytest.raises(InputError, match="input_ids holds 50, and the model's token ids are 0 to 49"):
        engine.run({"input_ids": ids + 41, "attention_mask": np.ones((2, 3), int)})


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ({}, "its inputs are pixels, given are none. Give every input of the plan"),
        (
            {"pixels": np.zeros((2, 3, 2), np.float32)},
            r"has the shape [2, 3, 2], and the plan takes [B, 2, 3]",
        ),
        ({"pixels": np.zeros((2, 6), np.float32)}, "has the shape [2, 6], and the plan takes [B, 2, 3]"),
        ({"pixels": np.zeros((0, 2, 3), np.float32)}, "given are pixels [0, 2, 3]. Give each input as many"),
        (
            {"pixels": np.zeros((1, 2, 3), complex)},
            "its input pixels is complex128, and the plan takes float32",
        ),
    ],
)
def test_inputs_that_the_plan_does_not_take(gpu: FakeGpu, inputs: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        opened().run(inputs)
    assert text in str(caught.value)
    assert str(caught.value).startswith("running a plan with TensorRT 10.14.1.48: ")
    assert "cudaMalloc" not in gpu.cuda.calls


@pytest.mark.parametrize(
    ("function", "status", "text"),
    [
        ("cudaMalloc", "cudaErrorMemoryAllocation", "Choose a smaller batch or fewer contexts"),
        ("cudaHostAlloc", "cudaErrorMemoryAllocation", "Choose a smaller batch or fewer contexts"),
        ("cudaStreamSynchronize", "cudaErrorIllegalAddress", "Check the GPU with nvidia-smi"),
        ("cudaGraphInstantiate", "cudaErrorInvalidValue", "Check the GPU with nvidia-smi"),
    ],
)
def test_what_cuda_refuses(gpu: FakeGpu, function: str, status: str, text: str) -> None:
    """It is one error, nothing stays behind, and the next run is not hindered."""
    engine = opened(cuda_graphs=True)
    gpu.cuda.failing[function] = cudaError_t[status]
    with pytest.raises(BackendError) as caught:
        engine.run(images(4))
    assert f"CUDA refused ({function}: {status})" in str(caught.value)
    assert text in str(caught.value)
    gpu.cuda.failing.clear()
    del caught
    gc.collect()
    assert gpu.cuda.held == {}
    assert same(engine.run(images(4)), images(4))


def test_what_the_library_refuses_is_told_in_its_own_words(gpu: FakeGpu) -> None:
    gpu.trt.refuse = "IRuntime::deserializeCudaEngine: Error Code 1: no good"
    with pytest.raises(
        BackendError, match=r"the runtime refuses the plan: IRuntime.*no good. Build the plan"
    ):
        opened()


def test_another_profile_than_the_recorded_one(gpu: FakeGpu) -> None:
    assert opened(profile=(1, 4, 8)).profile == (1, 4, 8)
    with pytest.raises(BundleError, match="the plan is for batches of 1/4/8, and the manifest says 1/8/32"):
        opened(profile=(1, 8, 32))


def test_tensors_that_are_not_served(gpu: FakeGpu) -> None:
    inner = (FakeTensor("x", "FLOAT", (-1, -1)), TENSORS[1])
    with pytest.raises(BackendError, match=r"tensor x is FLOAT of shape \(-1, -1\)"):
        opened(fake_plan(inner))
    small = (TENSORS[0], FakeTensor("y", "FP8", (-1, 2), output=True))
    with pytest.raises(BackendError, match=r"tensor y is FP8 of shape"):
        opened(fake_plan(small))
