"""A bundle that is a little wrong fails, and the reason names what is wrong and where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from pitome.errors import ParityError
from pitome.validate.parity.graph_check import check_graph
from pitome.validate.parity.layer_arithmetic import layer_arithmetic
from pitome.validate.parity.module_trace import trace
from pitome.validate.parity.passes import merging_layers
from pitome.validate.parity.records import LayerArithmetic
from pitome.validate.samples import CheckedInputs, Samples
from tests.tiny_models import tiny_images, tiny_model
from tests.validate.parity.planted_cases import (
    LAYER,
    RUNS,
    Change,
    Exported,
    change_block,
    nodes_of,
    nothing,
    permute_tokens,
    reverse_order,
    swap_tokens,
)

PHOTOS, NOISE = (Samples({"pixel_values": tiny_images(3, seed=seed)}) for seed in (1, 2))
INPUTS = CheckedInputs(NOISE, PHOTOS)
ENCODER = "vision_model.encoder.layers"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("planted")
    return Exported.make(tiny_model("CLIPVisionModelWithProjection"), "image_embeds", folder, *RUNS)


def inside(clip: Exported, change: Change, folder: Path) -> list[LayerArithmetic]:
    """What is measured, without a look into the file."""
    path = clip.plant(change, folder)
    found = layer_arithmetic(path, clip.merged, "fp32", PHOTOS.rows([0, 1]), factor=2.0, threads=1)
    return list(found.layers)


def set_epsilon(*indices: int) -> Change:
    """1e-5 becomes 1e-6 in some of the ten: one in front, two in each of four blocks, one behind."""

    def change(model: onnx.ModelProto) -> None:
        for index in indices:
            node = nodes_of(model, "LayerNormalization")[index]
            (epsilon,) = [item for item in node.attribute if item.name == "epsilon"]
            assert epsilon.f == np.float32(1e-5)
            epsilon.f = 1e-6

    return change


def set_penalty(model: onnx.ModelProto) -> None:
    node = nodes_of(model, "EnergyMerge")[LAYER]
    (penalty,) = [item for item in node.attribute if item.name == "size_penalty"]
    penalty.f = 0.5


def test_nothing_planted_passes(clip: Exported, tmp_path: Path) -> None:
    report = clip.check(nothing, tmp_path, INPUTS, "fp16")
    assert report.verdict == "pass", report.failures
    assert report.graph == ()
    assert report.batching is None
    layers = report.layers[:10]
    assert [record.precision for record in report.layers] == ["fp32"] * 10 + ["fp16"] * 10
    assert [record.norm.removeprefix("vision_model.") for record in layers] == [
        "pre_layrnorm",
        *(f"encoder.layers.{layer}.layer_norm{each}" for layer in range(4) for each in (1, 2)),
        "post_layernorm",
    ]
    assert [record.layer for record in layers] == [None, 0, 0, 1, 1, 2, 2, 3, 3, None]
    assert [record.layer for record in report.metrics] == [0, 1, 2, 3, 0, 1, 2, 3]
    for record in (*report.layers, *report.metrics):
        assert 0 < record.error <= 1.5 * record.torch_error


def test_a_wrong_epsilon(clip: Exported, tmp_path: Path) -> None:
    report = clip.check(set_epsilon(5), tmp_path, INPUTS)
    assert report.verdict == "fail"
    assert report.reason.startswith(
        f"the LayerNormalization epsilon of layer {LAYER} ({ENCODER}.{LAYER}.layer_norm1) is 1e-06, the "
        "model has 1e-05 (planted.onnx); measured: the arithmetic in fp32 first goes wrong in "
        f"layer {LAYER}, the layer norm {ENCODER}.{LAYER}.layer_norm1: on its own input it is off by "
    )


def test_measuring_alone_finds_a_wrong_epsilon(clip: Exported, tmp_path: Path) -> None:
    found = inside(clip, set_epsilon(5), tmp_path)
    first = next(record for record in found if not record.passed)
    assert (first.norm, first.error <= first.limit) == (f"{ENCODER}.{LAYER}.layer_norm1", True)
    assert first.norm_error > 5 * first.norm_limit


def test_a_wrong_epsilon_everywhere(clip: Exported, tmp_path: Path) -> None:
    report = clip.check(set_epsilon(*range(10)), tmp_path, INPUTS)
    assert report.verdict == "fail"
    assert report.reason.startswith(
        "the LayerNormalization epsilon of vision_model.pre_layrnorm is 1e-06, the model has 1e-05"
    )
    assert "; and 8 more such differences; measured: " in report.reason


def test_a_wrong_merge_decision(clip: Exported, tmp_path: Path) -> None:
    """Two tokens taken for each other, in one merge of fp32."""
    report = clip.check(swap_tokens(LAYER), tmp_path, INPUTS)
    assert report.verdict == "fail"
    assert (
        " merge decisions differ from PyTorch's by more than rounding, the first of them in layer 2 ("
        in f" {report.reason}"
    )
    assert "which decides on numbers that are off by " in report.reason
    assert all(record.passed for record in (*report.arithmetic, *report.layers))
    assert report.decisions is not None
    assert [layer.unexplained > 0 for layer in report.decisions.layers] == [False, False, True, False]
    assert report.failures[1].startswith(
        "in fp32 the numbers that the merge in layer 2 decides on are off by "
    )


def test_a_wrong_merge_decision_in_fp16(clip: Exported, tmp_path: Path) -> None:
    """Rounding flips decisions there, so what is judged is what they are made on."""
    report = clip.check(swap_tokens(LAYER), tmp_path, INPUTS, "fp16")
    assert report.verdict == "fail"
    assert report.reason.startswith("in fp16 the numbers that the merge in layer 2 decides on are off by ")
    assert report.failures == (report.reason,)
    assert [record.layer for record in report.metrics if not record.passed] == [LAYER]
    assert report.decisions is not None
    assert report.decisions.unexplained == 0


@pytest.mark.parametrize("precision", RUNS)
def test_merges_that_decide_on_permuted_tokens(clip: Exported, tmp_path: Path, precision: str) -> None:
    """Everything else is right, with the same decisions."""
    report = clip.check(permute_tokens, tmp_path, INPUTS, precision)
    assert report.verdict == "fail"
    assert all(record.passed for record in (*report.arithmetic, *report.layers))
    assert [record.passed for record in report.metrics] == [
        record.precision != precision for record in report.metrics
    ]
    (failure,) = [text for text in report.failures if text.startswith(f"in {precision} the numbers that ")]
    assert "the merge in layer 0 decides on are off by " in failure
    assert " from float64 with the same decisions (root mean square), where " in failure
    assert failure.endswith("; in layers 1, 2, 3 they are off too")
    if precision == "fp16":
        assert report.reason == failure
        assert report.reported_decisions[0].agreed == 0


@pytest.mark.parametrize("precision", RUNS)
def test_a_wrong_attribute_of_a_merge(clip: Exported, tmp_path: Path, precision: str) -> None:
    report = clip.check(set_penalty, tmp_path, INPUTS, precision)
    assert report.verdict == "fail"
    assert report.reason.startswith(
        f"size_penalty of the merge in layer {LAYER} is 0.5, the model has 0.05 (planted.onnx); "
    )
    assert all(record.passed for record in (*report.arithmetic, *report.layers, *report.metrics))
    if precision == "fp32":
        assert "the first of them in layer 2 (" in report.reason
        assert "which decides on the right numbers" in report.reason
    else:
        assert report.reason.endswith("; nothing that was measured shows it")


@pytest.mark.parametrize("precision", RUNS)
def test_a_wrong_body(clip: Exported, tmp_path: Path, precision: str) -> None:
    """In fp32 its decisions are judged, in fp16 nothing but the body itself tells."""
    report = clip.check(reverse_order, tmp_path, INPUTS, precision)
    assert report.verdict == "fail"
    assert all(record.passed for record in (*report.arithmetic, *report.layers, *report.metrics))
    (finding,) = report.graph
    assert (finding.kind, finding.precision, finding.decides) == ("body", precision, precision == "fp16")
    told = "the body of EnergyMerge is not the one that this version writes"
    if precision == "fp32":
        assert "merge decisions differ from PyTorch's by more than rounding, the first" in report.reason
        assert report.reason.endswith(f" ({told} (planted.onnx))")
    else:
        assert report.reason == (
            f"{told}, and nothing that was measured judges the decisions of fp16 "
            "(planted.onnx); nothing that was measured shows it"
        )


def test_scaled_weights(clip: Exported, tmp_path: Path) -> None:
    scaled = change_block(clip.merged, "fp32", lambda values: values * 1.01, 14)
    report = clip.check(scaled, tmp_path, INPUTS)
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

    found = inside(clip, change, tmp_path)
    first = next(record for record in found if not record.passed)
    assert first.norm == f"{ENCODER}.{LAYER + 1}.layer_norm1"
    assert first.between == (f"{ENCODER}.{LAYER}.mlp.fc1", f"{ENCODER}.{LAYER}.mlp.fc2")
    assert first.error > first.limit


def test_another_number_of_norms_is_left_to_measuring(clip: Exported, tmp_path: Path) -> None:
    """A graph that writes a norm out in other operators may be right."""

    def change(model: onnx.ModelProto) -> None:
        node = nodes_of(model, "LayerNormalization")[9]
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
    found = layer_arithmetic(path, clip.merged, "fp32", inputs, factor=2.0, threads=1)
    assert found.layers == ()
    assert [(record.layer, record.passed) for record in found.metrics] == [(n, True) for n in range(4)]


def test_a_merge_that_decides_on_something_else(clip: Exported, tmp_path: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        """Half of what describes a token."""
        node = nodes_of(model, "EnergyMerge")[LAYER]
        model.graph.initializer.append(numpy_helper.from_array(np.arange(16), "half"))
        gather = onnx.helper.make_node("Gather", [node.input[1], "half"], ["half_metric"], axis=2)
        node.input[1] = "half_metric"
        model.graph.node.insert(list(model.graph.node).index(node), gather)

    with pytest.raises(ParityError) as error:
        inside(clip, change, tmp_path)
    assert error.value.asked == "parity of planted.onnx"
    assert error.value.found == (
        "the merge in layer 2 decides on numbers of shape (1, 25, 16), in the model on (1, 25, 32)"
    )
    assert error.value.remedy == "Export the same model that is checked"
