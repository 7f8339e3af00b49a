"""A bundle that is a little wrong fails, and the reason names what is wrong and where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from export.onnx import export_onnx
from pitome.compression import compress
from tests.tiny_models import tiny_images, tiny_model
from validate.graph_check import check_graph
from validate.layer_arithmetic import InnerArithmetic, layer_arithmetic
from validate.module_trace import trace
from validate.parity import check_parity
from validate.parity_report import LayerArithmetic, ParityReport
from validate.passes import merging_layers
from validate.samples import CheckedInputs, Samples

PHOTOS, NOISE = (Samples({"pixel_values": tiny_images(3, seed=seed)}) for seed in (1, 2))
ENCODER = "vision_model.encoder.layers"
LAYER = 2
Change = Callable[[onnx.ModelProto], None]


@dataclass(frozen=True)
class Exported:
    merged: nn.Module
    unmerged: nn.Module
    graph: Path

    def check(self, change: Change, folder: Path) -> ParityReport:
        graphs = {"fp32": self.plant(change, folder)}
        inputs = CheckedInputs(NOISE, PHOTOS)
        return check_parity(
            self.merged, self.unmerged, graphs, ["image_embeds"], inputs, threads=1, num_exact=2
        )

    def plant(self, change: Change, folder: Path) -> Path:
        model = onnx.load(str(self.graph))
        change(model)
        path = folder / "planted.onnx"
        onnx.save(model, str(path))
        return path

    def inside(self, change: Change, folder: Path) -> list[LayerArithmetic]:
        """What is measured, without a look into the file."""
        path = self.plant(change, folder)
        found = layer_arithmetic(path, self.merged, "fp32", PHOTOS.rows([0, 1]), factor=2.0, threads=1)
        return list(found.layers)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    model = tiny_model("CLIPVisionModelWithProjection")
    merged, path = compress(model, ratio=0.8), tmp_path_factory.mktemp("planted") / "model.onnx"
    export_onnx(merged, path, outputs=["image_embeds"])
    return Exported(merged, model, path)


def norm_nodes(model: onnx.ModelProto) -> list[Any]:
    return [node for node in model.graph.node if node.op_type == "LayerNormalization"]


def set_epsilon(*indices: int) -> Change:
    """1e-5 becomes 1e-6 in some of the ten: one in front, two in each of four blocks, one behind."""

    def change(model: onnx.ModelProto) -> None:
        for index in indices:
            (epsilon,) = [item for item in norm_nodes(model)[index].attribute if item.name == "epsilon"]
            assert epsilon.f == np.float32(1e-5)
            epsilon.f = 1e-6

    return change


def scale_weights(merged: nn.Module) -> Change:
    """1.01 times every matrix and bias of one block; matrices lie in the graph transposed and nameless."""
    own = [tensor for name, tensor in merged.state_dict().items() if f"layers.0.layers.{LAYER}." in name]

    def change(model: onnx.ModelProto) -> None:
        count = 0
        for initialiser in model.graph.initializer:
            values = torch.from_numpy(numpy_helper.to_array(initialiser).copy())
            if any(
                torch.equal(values, each) or torch.equal(values, each.t())
                for each in own
                if each.any() and each.dim() <= 2
            ):
                if values.eq(values.flatten()[0]).all():
                    continue  # the scales of all layer norms, which are ones and lie there once
                scaled = (values * 1.01).numpy()
                initialiser.CopyFrom(numpy_helper.from_array(scaled, initialiser.name))
                count += 1
        assert count >= 12

    return change


def swap_tokens(model: onnx.ModelProto) -> None:
    """The third merge takes the last two of its 25 tokens for each other; nothing else is wrong."""
    node = [node for node in model.graph.node if node.op_type == "EnergyMerge"][LAYER]
    model.graph.initializer.append(numpy_helper.from_array(np.array([*range(23), 24, 23]), "swapped"))
    gather = onnx.helper.make_node("Gather", [node.input[1], "swapped"], ["swapped_metric"], axis=1)
    node.input[1] = "swapped_metric"
    model.graph.node.insert(list(model.graph.node).index(node), gather)


def set_penalty(model: onnx.ModelProto) -> None:
    node = [node for node in model.graph.node if node.op_type == "EnergyMerge"][LAYER]
    (penalty,) = [item for item in node.attribute if item.name == "size_penalty"]
    penalty.f = 0.5


def test_nothing_planted_passes(clip: Exported, tmp_path: Path) -> None:
    report = clip.check(lambda model: None, tmp_path)
    assert report.verdict == "pass", report.failures
    assert report.graph == ()
    assert [record.norm.removeprefix("vision_model.") for record in report.layers] == [
        "pre_layrnorm",
        *(f"encoder.layers.{layer}.layer_norm{each}" for layer in range(4) for each in (1, 2)),
        "post_layernorm",
    ]
    assert [record.layer for record in report.layers] == [None, 0, 0, 1, 1, 2, 2, 3, 3, None]
    assert [record.layer for record in report.metrics] == [0, 1, 2, 3]
    for record in (*report.layers, *report.metrics):
        assert 0 < record.error <= 1.5 * record.torch_error


def test_a_wrong_epsilon(clip: Exported, tmp_path: Path) -> None:
    report = clip.check(set_epsilon(5), tmp_path)
    assert report.verdict == "fail"
    assert report.reason.startswith(
        f"the LayerNormalization epsilon of layer {LAYER} ({ENCODER}.{LAYER}.layer_norm1) is 1e-06, the "
        "model has 1e-05 (planted.onnx); measured: the arithmetic in fp32 first goes wrong in "
        f"layer {LAYER}, the layer norm {ENCODER}.{LAYER}.layer_norm1: on its own input it is off by "
    )


def test_measuring_alone_finds_a_wrong_epsilon(clip: Exported, tmp_path: Path) -> None:
    found = clip.inside(set_epsilon(5), tmp_path)
    first = next(record for record in found if not record.passed)
    assert (first.norm, first.error <= first.limit) == (f"{ENCODER}.{LAYER}.layer_norm1", True)
    assert first.norm_error > 5 * first.norm_limit


def test_a_wrong_epsilon_everywhere(clip: Exported, tmp_path: Path) -> None:
    report = clip.check(set_epsilon(*range(10)), tmp_path)
    assert report.verdict == "fail"
    assert report.reason.startswith(
        "the LayerNormalization epsilon of vision_model.pre_layrnorm is 1e-06, the model has 1e-05"
    )
    assert "; and 8 more such differences; measured: " in report.reason


@pytest.mark.parametrize("change", [swap_tokens, set_penalty])
def test_a_wrong_merge_decision(clip: Exported, tmp_path: Path, change: Change) -> None:
    report = clip.check(change, tmp_path)
    assert report.verdict == "fail"
    measured = " merge decisions differ from PyTorch's by more than rounding, the first of them in layer 2 ("
    if change is set_penalty:
        assert report.reason.startswith(
            f"size_penalty of the merge in layer {LAYER} is 0.5, the model has 0.05 (planted.onnx); "
            "measured: "
        )
    assert measured in f" {report.reason}"
    right = "which decides on the right numbers"
    wrong = "which decides on numbers that are off by "
    assert (right if change is set_penalty else wrong) in report.reason
    assert all(record.passed for record in (*report.arithmetic, *report.layers))
    assert report.decisions is not None
    assert [layer.unexplained > 0 for layer in report.decisions.layers] == [False, False, True, False]


def test_scaled_weights(clip: Exported, tmp_path: Path) -> None:
    report = clip.check(scale_weights(clip.merged), tmp_path)
    assert report.verdict == "fail"
    assert report.reason.startswith(f"weights of layer {LAYER} differ from the model's: {ENCODER}.{LAYER}.")
    assert " by 1 %" in report.reason
    assert f"; measured: the arithmetic in fp32 first goes wrong in layer {LAYER}, " in report.reason
    assert not any(f"layer {layer} differ" in report.reason for layer in (0, 1, 3))


def test_measuring_alone_finds_a_scaled_weight(clip: Exported, tmp_path: Path) -> None:
    """One bias of the MLP: it shows in front of the next norm."""

    def change(model: onnx.ModelProto) -> None:
        (bias,) = [tensor for tensor in model.graph.initializer if f"{LAYER}.mlp.fc2.bias" in tensor.name]
        bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) * np.float32(1.01), bias.name))

    found = clip.inside(change, tmp_path)
    first = next(record for record in found if not record.passed)
    assert first.norm == f"{ENCODER}.{LAYER + 1}.layer_norm1"
    assert first.between == (f"{ENCODER}.{LAYER}.mlp.fc1", f"{ENCODER}.{LAYER}.mlp.fc2")
    assert first.error > first.limit


def test_another_number_of_norms_is_left_to_measuring(clip: Exported, tmp_path: Path) -> None:
    """A graph that writes a norm out in other operators may be right."""

    def change(model: onnx.ModelProto) -> None:
        node = norm_nodes(model)[9]
        twin = onnx.helper.make_function(
            "other",
            "Norm",
            ["x", "scale", "bias"],
            ["y"],
            [onnx.helper.make_node("LayerNormalization", ["x", "scale", "bias"], ["y"], epsilon=1e-5)],
            [onnx.helper.make_opsetid("", 18)],
        )
        model.functions.append(twin)
        model.opset_import.append(onnx.helper.make_opsetid("other", 1))
        node.op_type, node.domain = "Norm", "other"
        del node.attribute[:]

    path = clip.plant(change, tmp_path)
    inputs = PHOTOS.rows([0])
    norms, _ = trace(clip.merged, inputs.inputs)
    (finding,) = check_graph(path, clip.merged, "fp32", norms, merging_layers(clip.merged))
    assert (finding.kind, finding.decides) == ("structure", False)
    assert finding.text == "the graph has 9 LayerNormalization nodes, the model runs 10 layer norms"
    assert layer_arithmetic(path, clip.merged, "fp32", inputs, factor=2.0, threads=1) == InnerArithmetic()
