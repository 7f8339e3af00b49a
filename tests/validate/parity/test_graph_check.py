"""Reading a graph: every family is clean in every precision, and a wrong one that nothing runs fails."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from pitome.compression import compress
from pitome.export.onnx import TORCH_TYPES
from pitome.validate.checked_inputs import random_texts
from pitome.validate.parity.graph_weights import deviation, used_weights
from pitome.validate.parity.layer_arithmetic import layer_arithmetic
from pitome.validate.samples import CheckedInputs, Samples
from tests.tiny_models import (
    IMAGE_SIZE,
    PATCH_SIZE,
    SEQUENCE_LENGTH,
    VOCABULARY,
    WIDTH,
    tiny_images,
    tiny_model,
    tiny_text_model,
)
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
)

ALL = (*RUNS, "bf16")
IMAGES = CheckedInputs(*(Samples({"pixel_values": tiny_images(2, seed=seed)}) for seed in (1, 2)))
IMAGE = IMAGES.random.rows([0]).inputs
TEXT = random_texts(1, SEQUENCE_LENGTH, VOCABULARY, seed=1).inputs
ENCODER = "vision_model.encoder.layers"
OUTPUT_OF = {
    "CLIPVisionModelWithProjection": "image_embeds",
    "DeiTForImageClassificationWithTeacher": "logits",
    "Dinov2ForImageClassification": "logits",
    "DistilBertForSequenceClassification": "logits",
    "BertModel": "last_hidden_state",
}
FAMILIES = [name for name in OUTPUT_OF if name not in ("CLIPVisionModelWithProjection", "BertModel")]
"""The other two are exported below, with other methods and as what defects are planted into."""


def make(name: str) -> tuple[Any, dict[str, torch.Tensor]]:
    return (tiny_text_model(name), TEXT) if "Bert" in name else (tiny_model(name), IMAGE)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    model, folder = tiny_model("CLIPVisionModelWithProjection"), tmp_path_factory.mktemp("graphs")
    return Exported.make(model, "image_embeds", folder, *ALL)


def told(clip: Exported, change: Change, folder: Path, precision: str = "bf16") -> list[str]:
    """What reading finds that fails by itself."""
    found = clip.read(clip.plant(change, folder, precision), precision, IMAGE)
    return [finding.text for finding in found if finding.decides]


@pytest.mark.full
@pytest.mark.parametrize("name", FAMILIES)
def test_nothing_is_found_in_what_the_exporter_writes(tmp_path: Path, name: str) -> None:
    """And what every merge decides on is as exact as PyTorch's, by far."""
    model, example = make(name)
    exported = Exported.make(model, OUTPUT_OF[name], tmp_path, *ALL)
    for precision, path in exported.graphs.items():
        assert exported.read(path, precision, example) == (), precision
    for precision in RUNS:
        path, samples = exported.graphs[precision], Samples(example)
        measured = layer_arithmetic(path, exported.merged, precision, samples, factor=2.0, threads=1)
        assert [(record.layer, record.passed) for record in measured.metrics] == [
            (layer, True) for layer in range(4)
        ]


@pytest.mark.full
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Dinov2ForImageClassification", {"method": "tome", "ratio": 0.8}),
        ("CLIPVisionModelWithProjection", {"method": "random", "ratio": 0.8}),
        ("BertModel", {"method": "none"}),  # its mask is the lowest number of the type
        ("BertModel", {"metric": "keys", "r": 3, "layers": [0, 1], "proportional_attention": False}),
    ],
)
def test_nothing_is_found_with_other_methods(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    model, example = make(name)
    exported = Exported.make(model, OUTPUT_OF[name], tmp_path, "fp32", "bf16", **options)
    for precision, path in exported.graphs.items():
        assert exported.read(path, precision, example) == (), precision


def test_weights_that_nothing_uses_need_not_be_there() -> None:
    """A pooler that the output leaves out; DINOv2's mask token, which only training takes."""
    for name, output, unused in (
        ("ViTModel", "last_hidden_state", {"pooler.dense.weight", "pooler.dense.bias"}),
        ("Dinov2Model", "last_hidden_state", {"embeddings.mask_token"}),
        ("BertModel", "last_hidden_state", {"pooler.dense.weight", "pooler.dense.bias"}),
        ("DistilBertForSequenceClassification", "logits", set()),
    ):
        model, example = make(name)
        merged = compress(model, ratio=0.8)
        assert set(merged.state_dict()) - used_weights(merged, example, [output]) == unused
        assert all(parameter.grad is None for parameter in merged.parameters())


@pytest.mark.parametrize("precision", ALL)
@pytest.mark.parametrize("factor", [1.01, 1.05])
def test_weights_of_a_block_times_a_little(
    clip: Exported, tmp_path: Path, precision: str, factor: float
) -> None:
    change = change_block(clip.merged, precision, lambda values: values * factor, 14)
    (first, *others) = told(clip, change, tmp_path, precision)
    assert first.startswith(f"weights of layer {LAYER} differ from the model's: {ENCODER}.{LAYER}.")
    shares = [float(share) for share in re.findall(r" by ([0-9.]+) %", first)]
    assert shares == pytest.approx([100 * factor - 100] * 3, abs=0.2)
    assert first.endswith(" and 11 more")
    assert len(others) == (precision == "bf16")


def test_a_bfloat16_bundle_with_scaled_weights_fails(clip: Exported, tmp_path: Path) -> None:
    change = change_block(clip.merged, "bf16", lambda values: values * 1.01, 14)
    report = clip.check(change, tmp_path, IMAGES, "bf16")
    assert (report.verdict, report.unchecked) == ("fail", ("bf16",))
    assert report.reason.startswith(f"weights of layer {LAYER} differ from the model's: {ENCODER}.{LAYER}.")
    assert report.reason.endswith("; nothing that was measured shows it")


def test_an_honest_bfloat16_bundle_passes(clip: Exported, tmp_path: Path) -> None:
    report = clip.check(nothing, tmp_path, IMAGES, "bf16")
    assert (report.verdict, report.unchecked, report.graph) == ("pass", ("bf16",), ())


@pytest.mark.parametrize("precision", ALL)
def test_weights_of_a_block_replaced(clip: Exported, tmp_path: Path, precision: str) -> None:
    """Nameless matrices are like no weight any more: they are missed, and others stand there."""
    generator = np.random.default_rng(0)

    def replaced(values: Any) -> Any:
        return generator.normal(size=values.shape) if values.ndim == 2 else values

    change = change_block(clip.merged, precision, replaced, 14)
    found = clip.read(clip.plant(change, tmp_path, precision), precision, IMAGE)
    missed, foreign = (finding for finding in found if finding.kind == "weights")
    assert missed.text == (
        f"weights of layer {LAYER} are nowhere in the graph: {ENCODER}.{LAYER}.self_attn.k_proj.weight, "
        f"{ENCODER}.{LAYER}.self_attn.v_proj.weight, {ENCODER}.{LAYER}.self_attn.q_proj.weight and 3 more"
    )
    assert (missed.layer, missed.decides) == (LAYER, precision == "bf16")
    assert foreign.text.startswith("the graph holds tensors that are no weights of the model: ")
    assert foreign.text.endswith(" and 3 more")
    assert foreign.decides == (precision == "bf16")


@pytest.mark.parametrize("precision", ALL)
def test_a_bundle_with_replaced_weights_fails(clip: Exported, tmp_path: Path, precision: str) -> None:
    change = change_block(clip.merged, precision, lambda values: values[..., ::-1], 14)
    report = clip.check(change, tmp_path, IMAGES, precision)
    assert report.verdict == "fail"
    measured = f"the arithmetic in {precision} first goes wrong in layer {LAYER}, "
    assert (measured in report.reason) == (precision != "bf16")


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_another_body_fails_where_no_decision_is_judged(
    clip: Exported, tmp_path: Path, precision: str
) -> None:
    first, *_ = told(clip, reverse_order, tmp_path, precision)
    assert first == (
        "the body of EnergyMerge is not the one that this version writes, and nothing that was measured "
        f"judges the decisions of {precision}"
    )


def test_the_body_of_another_version_is_told_where_its_decisions_are_judged(
    clip: Exported, tmp_path: Path
) -> None:
    graph = clip.plant(reverse_order, tmp_path, "fp32")
    (finding,) = clip.read(graph, "fp32", IMAGE)
    assert (finding.kind, finding.decides) == ("body", False)
    assert finding.text == "the body of EnergyMerge is not the one that this version writes"


@pytest.mark.parametrize(("name", "value"), [("by_position", 1), ("source_start", 1), ("split_step", 1)])
def test_an_integer_that_steers_the_body_in_another_way_than_the_strings_say(
    clip: Exported, tmp_path: Path, name: str, value: int
) -> None:
    def change(model: onnx.ModelProto) -> None:
        node = nodes_of(model, "EnergyMerge")[LAYER]
        (attribute,) = [item for item in node.attribute if item.name == name]
        attribute.i = value

    first, *_ = told(clip, change, tmp_path, "fp32")
    wanted = {"by_position": 0, "source_start": 0, "split_step": 2}[name]
    assert first == f"{name} of the merge in layer {LAYER} is {value}, the model has {wanted}"


def swap_matrices(model: onnx.ModelProto) -> None:
    """Two blocks have each other's first matrix of the MLP."""
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    first, second, *_ = (node for node in nodes_of(model, "MatMul") if shapes.get(node.input[1]) == (32, 64))
    first.input[1], second.input[1] = second.input[1], first.input[1]


def set_attention_scale(model: onnx.ModelProto) -> None:
    (scale,) = [
        tensor
        for tensor in model.graph.initializer
        if not tensor.dims and float(numpy_helper.to_array(tensor)) == 0.25
    ]
    scale.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(scale) * 2, scale.name))


@pytest.mark.parametrize("change", [permute_tokens, swap_matrices, set_attention_scale])
def test_bfloat16_must_compute_what_fp32_does(
    clip: Exported, tmp_path: Path, change: Callable[[Any], None]
) -> None:
    """Every weight is there, so only the way from node to node tells."""
    (text,) = told(clip, change, tmp_path)
    assert text.startswith("the graph computes something else than that of fp32, which was measured: node ")
    assert " but for casts is " in text
    assert ", in fp32.onnx it is " in text


def test_a_graph_that_goes_on_where_fp32_ends(clip: Exported, tmp_path: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        """What is returned is negative."""
        last = model.graph.node[-1]
        (name,) = last.output
        last.output[0] = "before"
        model.graph.node.append(onnx.helper.make_node("Neg", ["before"], [name], name="negative"))

    (text,) = told(clip, change, tmp_path)
    assert text.endswith(" but for casts is Neg negative, in fp32.onnx it is the end")


def test_a_merge_less(clip: Exported, tmp_path: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        (body,) = model.functions
        other = onnx.FunctionProto()
        other.CopyFrom(body)
        other.name = "Other"
        model.functions.append(other)
        nodes_of(model, "EnergyMerge")[0].op_type = "Other"

    first, *_ = told(clip, change, tmp_path)
    assert first == "the graph has 3 EnergyMerge nodes, the model merges in 4 layers"


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
@pytest.mark.parametrize("size", [8, 200, 100_000])
def test_what_rounding_can_do(precision: str, size: int) -> None:
    """One more rounding is let pass; a factor of 1.01 is not, and neither is noise beyond half a unit."""
    generator = torch.Generator().manual_seed(size)
    dtype = TORCH_TYPES[precision]
    for _ in range(50):
        exact = torch.randn(size, generator=generator).double()
        weight = exact.to(dtype).float().numpy()
        again = (torch.from_numpy(weight).double() * 3).to(dtype).double() / 3
        rounded = deviation(again.float().numpy(), weight, dtype)
        assert rounded.is_rounding
        scaled = deviation((torch.from_numpy(weight) * 1.01).to(dtype).float().numpy(), weight, dtype)
        assert not scaled.is_rounding
        assert scaled.along == pytest.approx(0.01, abs=torch.finfo(dtype).eps / 2)
        noise = torch.randn(size, generator=generator).numpy() * 0.01 * np.sqrt(np.mean(weight**2))
        assert not deviation((weight + noise).astype(np.float32), weight, dtype).is_rounding


def test_a_small_factor_is_seen_in_many_elements() -> None:
    """Half a unit of bfloat16 is 0.4 %; over a matrix 0.05 % in its direction is more than rounding does."""
    weight = torch.randn(384, 384, generator=torch.Generator().manual_seed(0)).bfloat16().float().numpy()
    found = deviation(weight * np.float32(1.0005), weight, torch.bfloat16)
    assert found.difference < found.difference_limit
    assert found.along > found.along_limit
    assert found.along_limit < 2e-4


def test_zero_biases_that_the_exporter_leaves_out(tmp_path: Path) -> None:
    model = tiny_model("ViTForImageClassification")
    with torch.no_grad():
        model.classifier.bias.zero_()
    exported = Exported.make(model, "logits", tmp_path, "fp32")
    names = {tensor.name for tensor in onnx.load(str(exported.graphs["fp32"])).graph.initializer}
    assert "classifier.bias" not in names
    assert exported.read(exported.graphs["fp32"], "fp32", IMAGE) == ()


def clip_classifier() -> Any:
    vision = {
        "image_size": IMAGE_SIZE,
        "patch_size": PATCH_SIZE,
        "hidden_size": WIDTH,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "intermediate_size": 2 * WIDTH,
    }
    return tiny_model("CLIPForImageClassification", vision_config=vision, num_labels=7)


def test_a_norm_that_no_output_depends_on_is_explained(tmp_path: Path) -> None:
    """A CLIP classifier takes the mean of the last hidden state, and not what the last norm makes."""
    exported = Exported.make(clip_classifier(), "logits", tmp_path, "fp32", "bf16")
    for precision, path in exported.graphs.items():
        (finding,) = exported.read(path, precision, IMAGE)
        assert (finding.kind, finding.decides) == ("structure", False)
        assert finding.text == (
            "the graph has 9 of the model's 10 layer norms, without vision_model.post_layernorm"
        )
        assert finding.explanation == "no output depends on it, so the export leaves it out"


def test_a_wrong_epsilon_is_found_beside_a_norm_that_is_left_out(tmp_path: Path) -> None:
    exported = Exported.make(clip_classifier(), "logits", tmp_path, "fp32")

    def change(model: onnx.ModelProto) -> None:
        (epsilon,) = [a for a in nodes_of(model, "LayerNormalization")[1].attribute if a.name == "epsilon"]
        epsilon.f = 1e-3

    _, wrong = exported.read(exported.plant(change, tmp_path), "fp32", IMAGE)
    assert (wrong.kind, wrong.decides) == ("epsilon", True)
    assert wrong.text.startswith("the LayerNormalization epsilon of layer 0 (vision_model.encoder.layers.0.")
