"""`pitome.load` with a plan, on a stand-in for CUDA and TensorRT: which plan runs, with what, and instead of
what. It says nothing of what a GPU does."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

import pitome
from pitome.errors import BackendError, InputError
from pitome.runtime.plans import this_machine
from tests.pitome.runtime.bundles import bundle_of, copy_of, with_plan
from tests.pitome.runtime.plans.fake_gpu import Array, FakeGpu, FakeTensor, fake_plan, install

pytestmark = pytest.mark.slow
TENSORS = (
    FakeTensor("pixel_values", "FLOAT", (-1, 3, 32, 32)),
    FakeTensor("image_embeds", "FLOAT", (-1, 16), output=True),
)
IMAGES = [np.full((32, 32, 3), 8 * place, np.uint8) for place in range(20)]


def means(inputs: dict[str, Array]) -> dict[str, Array]:
    pixels = inputs["pixel_values"]
    return {"image_embeds": np.repeat(pixels.mean(axis=(1, 2, 3))[:, None], 16, axis=1)}


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    return install(monkeypatch, means)


@pytest.fixture
def bundle(gpu: FakeGpu, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a plan for the GPU that is made up."""
    machine = this_machine()
    assert machine.gpu is not None
    folder = copy_of(bundle_of(tmp_path_factory, "clip"), tmp_path)
    with_plan(
        folder,
        fake_plan(TENSORS, (2, 4, 8)),
        backend="tensorrt",
        backend_version="10.14.1.48",
        targets=(machine.gpu.target,),
        profile=(2, 4, 8),
    )
    return folder


@pytest.mark.parametrize("cuda_graphs", [False, True])
def test_a_plan_runs_in_batches_of_its_profile(bundle: Path, gpu: FakeGpu, cuda_graphs: bool) -> None:
    with pitome.load(bundle, cuda_graphs=cuda_graphs) as loaded:
        (graph,) = loaded.chosen.graphs
        assert (graph.backend, graph.provider) == ("tensorrt", "TensorRT 10.14.1.48")
        assert (graph.file, graph.precision, graph.native) == ("model.fp16.0.plan", "fp16", False)
        assert loaded.chosen.reasons == ()
        wanted = loaded.prepare_images(IMAGES).mean(axis=(1, 2, 3))
        for found in (loaded.images(IMAGES), loaded.embed_prepared(loaded.prepare_images(IMAGES))):
            np.testing.assert_allclose(found[:, 0], wanted, rtol=1e-6)
        np.testing.assert_allclose(loaded.images(IMAGES[:1])[:, 0], wanted[:1], rtol=1e-6)
        assert loaded.warm_up() > 0
    assert gpu.trt.deserialised == 1
    with pytest.raises(InputError, match="it is closed"):
        loaded.images(IMAGES)


def test_what_the_library_refuses_is_fallen_back_from(
    bundle: Path, gpu: FakeGpu, caplog: pytest.LogCaptureFixture
) -> None:
    gpu.trt.refuse = "the engine is damaged in a way that only it sees"
    with caplog.at_level(logging.WARNING), pitome.load(bundle, threads=1) as loaded:
        assert loaded.chosen.file == "model.onnx"
        assert gpu.trt.refuse in loaded.chosen.reasons[0]
        assert loaded.images(IMAGES).shape == (20, 16)
    assert gpu.trt.refuse in caplog.text
    with pytest.raises(BackendError) as error:
        pitome.load(bundle, backend="tensorrt")
    assert gpu.trt.refuse in str(error.value)


def test_another_device_leaves_the_plan_alone(bundle: Path, gpu: FakeGpu) -> None:
    with pitome.load(bundle, device="cpu", threads=1) as loaded:
        assert (loaded.chosen.file, loaded.chosen.reasons) == ("model.onnx", ())
    assert gpu.trt.deserialised == 0
