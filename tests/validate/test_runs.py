"""Samples through a runtime, batch by batch."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from pitome.compression import compress
from pitome.runtime.pytorch import PyTorchRuntime
from pitome.validate.runs import arrays, run_batch, run_forced, run_samples
from pitome.validate.samples import Samples
from tests.tiny_models import tiny_images, tiny_model

OUTPUT = "image_embeds"
IMAGES = Samples({"pixel_values": tiny_images(5, seed=7)})


@pytest.fixture(scope="module")
def merged() -> nn.Module:
    return compress(tiny_model("CLIPVisionModelWithProjection"), ratio=0.8)


def test_batches_are_joined_in_order(merged: nn.Module) -> None:
    calls: list[None] = []
    runtime = PyTorchRuntime(merged, [OUTPUT], assignments=True)
    found = run_samples(runtime, IMAGES, 2, lambda: calls.append(None))
    assert len(calls) == 3
    assert found.outputs[OUTPUT].shape[0] == 5
    assert [tuple(decided.shape) for decided in found.assignments] == [(5, 37), (5, 30), (5, 25), (5, 21)]
    last = runtime.run(arrays(IMAGES.rows([4]).inputs))
    assert torch.equal(found.assignments[3][4:], torch.from_numpy(last.assignments[3]))


def test_forced_decisions_go_to_their_own_rows(merged: nn.Module) -> None:
    runtime = PyTorchRuntime(merged, [OUTPUT], assignments=True)
    own = run_samples(runtime, IMAGES, 2)
    again = run_forced(runtime, IMAGES, 2, own.assignments)
    torch.testing.assert_close(again.outputs[OUTPUT], own.outputs[OUTPUT])
    turned = [decided.roll(1, dims=0) for decided in own.assignments]
    other = run_forced(runtime, IMAGES, 2, turned)
    assert not torch.allclose(other.outputs[OUTPUT], own.outputs[OUTPUT], atol=1e-3)


def test_one_batch_comes_in_float32(merged: nn.Module) -> None:
    found = run_batch(PyTorchRuntime(copy.deepcopy(merged).double(), [OUTPUT]), IMAGES.inputs)
    assert found[OUTPUT].dtype == torch.float32


def test_a_model_that_decides_nothing() -> None:
    runtime = PyTorchRuntime(tiny_model("CLIPVisionModelWithProjection"), [OUTPUT], assignments=True)
    assert run_samples(runtime, IMAGES, 3).assignments == ()
