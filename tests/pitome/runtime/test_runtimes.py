"""PyTorch and onnxruntime behind one protocol: the same calls, the same model, the same results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pitome.compression import compress
from pitome.errors import BackendError
from pitome.export.debug_graph import write_debug_graph
from pitome.export.onnx import export_onnx
from pitome.observe import observe_merges
from pitome.runtime import DeclaredInput, Runtime
from pitome.runtime.onnxruntime import OnnxRuntime
from pitome.runtime.pytorch import PyTorchRuntime
from tests.tiny_models import IMAGE_SIZE, tiny_images, tiny_model

OUTPUT = "image_embeds"
IMAGES = {"pixel_values": tiny_images(3, seed=5).numpy()}


@dataclass(frozen=True)
class Pair:
    model: nn.Module
    pytorch: PyTorchRuntime
    onnxruntime: OnnxRuntime
    plain: OnnxRuntime

    @property
    def both(self) -> tuple[Runtime, Runtime]:
        return self.pytorch, self.onnxruntime


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    path = tmp_path_factory.mktemp("runtimes") / "model.onnx"
    model = compress(tiny_model("CLIPVisionModelWithProjection"), ratio=0.8)
    export_onnx(model, path, outputs=[OUTPUT])
    debug = path.with_suffix(".debug.onnx")
    assignments = write_debug_graph(path, debug)
    return Pair(
        model,
        PyTorchRuntime(model, [OUTPUT], assignments=True),
        OnnxRuntime(debug, threads=1, assignments=assignments),
        OnnxRuntime(path, threads=1),
    )


def test_outputs_and_decisions_agree(pair: Pair) -> None:
    ours, theirs = (runtime.run(IMAGES) for runtime in pair.both)
    assert ours.outputs.keys() == theirs.outputs.keys() == {OUTPUT}
    np.testing.assert_allclose(ours.outputs[OUTPUT], theirs.outputs[OUTPUT], atol=1e-5)
    assert [decided.shape for decided in ours.assignments] == [(3, 37), (3, 30), (3, 25), (3, 21)]
    for one, other in zip(ours.assignments, theirs.assignments, strict=True):
        assert one.dtype == other.dtype == np.int32
        np.testing.assert_array_equal(one, other)


def test_what_they_say_of_themselves(pair: Pair) -> None:
    assert [runtime.name for runtime in pair.both] == ["PyTorch", "onnxruntime"]
    assert [runtime.precision for runtime in pair.both] == ["fp32", "fp32"]
    assert [runtime.outputs for runtime in pair.both] == [(OUTPUT,), (OUTPUT,)]
    shape = ("batch", 3, IMAGE_SIZE, IMAGE_SIZE)
    assert pair.onnxruntime.inputs == (DeclaredInput("pixel_values", "float32", shape),)
    assert pair.pytorch.inputs == ()


def test_decisions_only_where_asked_for(pair: Pair) -> None:
    assert pair.plain.run(IMAGES).assignments == ()
    assert PyTorchRuntime(pair.model, [OUTPUT]).run(IMAGES).assignments == ()


def test_inputs_that_a_graph_does_not_have_are_left_out(pair: Pair) -> None:
    more = {**IMAGES, "token_type_ids": np.zeros((3, 1), np.int64)}
    np.testing.assert_array_equal(
        pair.plain.run(more).outputs[OUTPUT], pair.plain.run(IMAGES).outputs[OUTPUT]
    )


def test_forced_decisions_are_applied_and_the_own_ones_returned(pair: Pair) -> None:
    own = pair.pytorch.run(IMAGES)
    forced = [decided[[1, 2, 0]] for decided in own.assignments]
    found = pair.pytorch.run(IMAGES, forced)
    np.testing.assert_array_equal(found.assignments[0], own.assignments[0])  # nothing was forced before it
    assert np.abs(found.outputs[OUTPUT] - own.outputs[OUTPUT]).max() > 1e-3
    with torch.no_grad(), observe_merges([torch.from_numpy(decided) for decided in forced]):
        expected = pair.model(pixel_values=torch.from_numpy(IMAGES["pixel_values"]))
    np.testing.assert_array_equal(found.outputs[OUTPUT], expected[OUTPUT].numpy())


def test_observed_merges_have_what_they_decided_on(pair: Pair) -> None:
    records = pair.pytorch.observe(IMAGES)
    decided = pair.pytorch.run(IMAGES).assignments
    assert [record.layer for record in records] == [0, 1, 2, 3]
    for record, expected in zip(records, decided, strict=True):
        assert record.metric.shape[:2] == expected.shape
        np.testing.assert_array_equal(record.decided.numpy(), expected)


@pytest.mark.parametrize(
    ("dtype", "name", "returned"),
    [
        (torch.float64, "fp64", np.float64),
        (torch.float16, "fp16", np.float16),
        (torch.bfloat16, "bf16", np.float32),
    ],
)
def test_pytorch_in_other_precisions(dtype: torch.dtype, name: str, returned: type) -> None:
    """NumPy has no bfloat16: its values come as the same numbers in float32."""
    model = compress(tiny_model("CLIPVisionModelWithProjection"), ratio=0.8).to(dtype)
    runtime = PyTorchRuntime(model, [OUTPUT])
    assert runtime.precision == name
    found = runtime.run(IMAGES).outputs[OUTPUT]
    assert found.dtype == returned
    with torch.no_grad():
        expected = model(pixel_values=torch.from_numpy(IMAGES["pixel_values"]).to(dtype))[OUTPUT]
    np.testing.assert_array_equal(found.astype(np.float64), expected.double().numpy())


def test_a_prepared_run_is_the_same_run(pair: Pair) -> None:
    (first,) = pair.plain.prepare(IMAGES)()  # type: ignore[misc]
    np.testing.assert_array_equal(first, pair.plain.run(IMAGES).outputs[OUTPUT])
    second = pair.pytorch.prepare(IMAGES)()[OUTPUT]  # type: ignore[index]
    np.testing.assert_array_equal(second.numpy(), pair.pytorch.run(IMAGES).outputs[OUTPUT])


def test_refusals_name_the_runtime_and_what_it_was_for(pair: Pair, tmp_path: Path) -> None:
    wrong = {"pixel_values": np.zeros((1, 3, 5, 5), np.float32)}
    with pytest.raises(BackendError, match=r"model\.debug\.onnx: onnxruntime could not run it \("):
        pair.onnxruntime.run(wrong)
    runtime = PyTorchRuntime(nn.Linear(3, 2), [], purpose="the latency of mine")
    expected = r"the latency of mine: PyTorch could not run it \(.*\)\. Check the model's inputs, or choose"
    with pytest.raises(BackendError, match=expected):
        runtime.run({"input": np.zeros((1, 5), np.float32)})
    with pytest.raises(BackendError, match=expected):
        runtime.prepare({"absent": np.zeros((1, 5), np.float32)})()
