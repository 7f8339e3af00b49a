"""Parity of exported graphs: honest ones pass, planted mistakes fail for the right reason."""

from __future__ import annotations

import copy
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

from pitome.compression import compress
from pitome.errors import InputError, ParityError
from pitome.export.onnx import export_onnx
from pitome.observe import observe_merges
from pitome.validate.checked_inputs import random_texts
from pitome.validate.outputs import real_positions, task_vectors
from pitome.validate.parity.check import check_parity
from pitome.validate.parity.records import ParityReport
from pitome.validate.samples import CheckedInputs, Samples
from tests.compressed import compress_with
from tests.export.tiny_models import LENGTH, TEXT_OUTPUTS, VOCABULARY, make_text_model, make_texts
from tests.tiny_models import tiny_images, tiny_model

PHOTOS = tiny_images(2, seed=2)
IMAGES = CheckedInputs(Samples({"pixel_values": tiny_images(6, seed=1)}), Samples({"pixel_values": PHOTOS}))


@dataclass(frozen=True)
class Exported:
    merged: nn.Module
    unmerged: nn.Module
    graphs: dict[str, Path]
    output: str

    def check(self, **graphs: Path) -> ParityReport:
        return check_parity(
            self.merged,
            self.unmerged,
            {**self.graphs, **graphs},
            [self.output],
            IMAGES,
            threads=1,
            num_exact=4,
        )


def export(
    folder: Path, name: str, output: str, precisions: tuple[str, ...] = ("fp32",), **options: Any
) -> Exported:
    model = tiny_model(name)
    merged = compress_with(model, **{"ratio": 0.8, **options})
    graphs = {precision: folder / f"{precision}.onnx" for precision in precisions}
    for precision, path in graphs.items():
        export_onnx(merged, path, outputs=[output], precision=precision)  # type: ignore[arg-type]
    return Exported(merged, model, graphs, output)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("clip")
    return export(folder, "CLIPVisionModelWithProjection", "image_embeds", ("fp32", "fp16"))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("classifier")
    return export(folder, "Dinov2ForImageClassification", "logits", method="tome")


def edited(graph: Path, change: Callable[[Any], None], folder: Path) -> Path:
    """A copy of a graph with something planted in it."""
    model = onnx.load(str(graph))
    change(model)
    path = folder / "edited.onnx"
    onnx.save(model, str(path))
    return path


def merge_node(model: Any, index: int) -> Any:
    return [node for node in model.graph.node if node.op_type == "EnergyMerge"][index]


def set_attribute(index: int, name: str, value: float | int) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        node = merge_node(model, index)
        (attribute,) = [attribute for attribute in node.attribute if attribute.name == name]
        attribute.CopyFrom(onnx.helper.make_attribute(name, value))

    return change


def test_honest_graphs_pass_in_both_precisions(clip: Exported) -> None:
    report = clip.check()
    assert report.verdict == "pass", report.reason
    decisions = report.decisions
    assert decisions is not None
    assert (decisions.runtime, decisions.images) == ("onnxruntime fp32", 8)
    assert [layer.layer for layer in decisions.layers] == [0, 1, 2, 3]
    assert [layer.tokens for layer in decisions.layers] == [37, 30, 25, 21]
    assert [layer.merged for layer in decisions.layers] == [7, 5, 4, 4]
    assert decisions.compared == decisions.agreed + decisions.excused == 32
    assert decisions.unexplained == 0
    for layer in decisions.layers:
        assert 0 < layer.tolerance < 1e-6
        assert 0 < layer.similarity_tolerance < 1e-5
        assert layer.largest_excused_margin <= max(layer.tolerance, layer.similarity_tolerance)
        assert layer.smallest_margin is not None
        assert layer.free_running_agreement >= 0.5
    (reduced,) = report.reported_decisions
    assert (reduced.runtime, reduced.images, reduced.compared) == ("onnxruntime fp16", 4, 16)
    assert [record.precision for record in report.arithmetic] == ["fp32", "fp16"]
    for record in report.arithmetic:
        assert record.passed
        assert record.error <= record.limit
    assert report.arithmetic[0].difference_to_torch < 1e-5
    assert report.top1_agreement == {}
    assert {(cosine.model, cosine.against) for cosine in report.task} == {
        (f"onnxruntime {precision}", against)
        for precision in ("fp32", "fp16")
        for against in ("merged", "unmerged")
    }
    to_merged = [cosine for cosine in report.task if cosine.against == "merged"]
    assert min(cosine.minimum for cosine in to_merged if "fp32" in cosine.model) > 0.9999
    assert max(cosine.mean for cosine in report.task if cosine.against == "unmerged") < 0.9999
    assert report.inputs == {"photos": 2, "random": 6}


def test_classifiers_report_the_agreement_of_their_answers(classifier: Exported) -> None:
    report = classifier.check()
    assert report.verdict == "pass", report.reason
    assert report.top1_agreement.keys() == {
        "onnxruntime fp32 against merged",
        "onnxruntime fp32 against unmerged",
    }
    assert report.top1_agreement["onnxruntime fp32 against merged"] == 1
    with torch.no_grad():
        models = (classifier.merged, classifier.unmerged)
        answers = [model(PHOTOS).logits.argmax(-1) for model in models]
    share = float((answers[0] == answers[1]).double().mean())
    assert report.top1_agreement["onnxruntime fp32 against unmerged"] == share


@pytest.mark.parametrize(
    ("index", "name", "value"),
    [
        (0, "margin", 0.1),
        (2, "margin", -0.9),
        (3, "size_penalty", 0.6),
    ],
)
def test_a_changed_attribute_is_a_wrong_decision(
    clip: Exported, tmp_path: Path, index: int, name: str, value: float
) -> None:
    report = clip.check(fp32=edited(clip.graphs["fp32"], set_attribute(index, name, value), tmp_path))
    assert report.verdict == "fail"
    assert "merge decisions differ from PyTorch's by more than rounding" in report.reason
    assert f"the first of them in layer {index} " in report.reason
    assert report.decisions is not None
    for layer in report.decisions.layers:  # the layers before are forced, so only one is wrong
        assert (layer.unexplained > 0) == (layer.layer == index)
    assert all(record.passed for record in report.arithmetic)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("num_candidates", 10, "num_candidates of the merge in layer 1 is 10, the model has 26"),
        ("alpha", 5.0, "alpha of the merge in layer 1 is 5.0, the model has 1.0"),
    ],
)
def test_an_attribute_that_only_other_runtimes_read_is_found_too(
    clip: Exported, tmp_path: Path, name: str, value: float, text: str
) -> None:
    """This body reads the slices in place of the count, and needs no alpha; a plugin reads both."""
    report = clip.check(fp32=edited(clip.graphs["fp32"], set_attribute(1, name, value), tmp_path))
    assert report.verdict == "fail"
    assert report.reason == f"{text} (edited.onnx); nothing that was measured shows it"


def test_two_swapped_rows_of_a_metric_are_a_wrong_decision(clip: Exported, tmp_path: Path) -> None:
    """The third merge takes the last two of its 25 tokens for each other."""

    def change(model: Any) -> None:
        node = merge_node(model, 2)
        swapped = numpy_helper.from_array(np.array([*range(23), 24, 23]), "swapped")
        model.graph.initializer.append(swapped)
        gather = onnx.helper.make_node("Gather", [node.input[1], "swapped"], ["swapped_metric"], axis=1)
        node.input[1] = "swapped_metric"
        model.graph.node.insert(list(model.graph.node).index(node), gather)

    report = clip.check(fp32=edited(clip.graphs["fp32"], change, tmp_path))
    assert report.verdict == "fail"
    assert "the first of them in layer 2 " in report.reason
    assert report.decisions is not None
    assert [layer.unexplained > 0 for layer in report.decisions.layers] == [False, False, True, False]


def test_a_graph_with_a_merge_less_cannot_be_compared(clip: Exported, tmp_path: Path) -> None:
    with pytest.raises(ParityError) as error:
        clip.check(fp32=edited(clip.graphs["fp32"], _drop_merge, tmp_path))
    assert "it has 3 EnergyMerge nodes, the model has 4" in str(error.value)
    assert error.value.exit_code == 1


def _drop_merge(model: Any) -> None:
    """The last merge's node becomes one of another name, so that its decisions are not returned."""
    node = merge_node(model, 3)
    for function in list(model.functions):
        twin = onnx.FunctionProto()
        twin.CopyFrom(function)
        twin.name = "Other"
        model.functions.append(twin)
    node.op_type = "Other"


def scale_initialiser(name_part: str, factor: float) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        found = [tensor for tensor in model.graph.initializer if name_part in tensor.name]
        assert len(found) == 1, [tensor.name for tensor in model.graph.initializer]
        scaled = (numpy_helper.to_array(found[0]) * factor).astype(np.float32)
        found[0].CopyFrom(numpy_helper.from_array(scaled, found[0].name))

    return change


def set_epsilon(model: Any) -> None:
    """Of the last LayerNorm, behind every decision."""
    node = [node for node in model.graph.node if node.op_type == "LayerNormalization"][-1]
    (epsilon,) = [attribute for attribute in node.attribute if attribute.name == "epsilon"]
    epsilon.f = 1e-3


def scale_last_mlp(model: Any) -> None:
    """1.01 times the second bias of the last block, behind every decision."""
    scale_initialiser("layers.3.mlp.fc2.bias", 1.01)(model)


@pytest.mark.parametrize("change", [set_epsilon, scale_last_mlp])
def test_wrong_arithmetic_behind_right_decisions(
    clip: Exported, tmp_path: Path, change: Callable[[Any], None]
) -> None:
    report = clip.check(fp32=edited(clip.graphs["fp32"], change, tmp_path))
    assert report.verdict == "fail"
    assert "; measured: the arithmetic in fp32 first goes wrong in " in report.reason
    assert report.failures[-1].startswith("image_embeds in fp32 is off by ")
    assert "from float64 with the same decisions" in report.failures[-1]
    assert report.decisions is not None
    assert report.decisions.unexplained == 0
    assert [record.passed for record in report.arithmetic] == [False, True]


def test_wrong_weights_before_the_decisions_fail_too(clip: Exported, tmp_path: Path) -> None:
    change = scale_initialiser("layers.0.mlp.fc1.bias", 2.0)
    assert clip.check(fp32=edited(clip.graphs["fp32"], change, tmp_path)).verdict == "fail"


def test_a_graph_of_other_weights_in_reduced_precision_fails(clip: Exported, tmp_path: Path) -> None:
    other = compress(tiny_model("CLIPVisionModelWithProjection", seed=1), ratio=0.8)
    path = tmp_path / "other.onnx"
    export_onnx(other, path, outputs=["image_embeds"], precision="fp16")
    report = clip.check(fp16=path)
    assert report.verdict == "fail"
    assert report.reason.startswith("weights ")
    assert report.failures[-1].startswith("image_embeds in fp16 is off by ")
    assert [record.passed for record in report.arithmetic] == [True, False]


@pytest.mark.parametrize(("method", "ratio"), [("random", 0.8), ("none", None)])
def test_graphs_that_decide_nothing(tmp_path: Path, method: str, ratio: float | None) -> None:
    exported = export(tmp_path, "ViTForImageClassification", "logits", method=method, ratio=ratio)
    report = exported.check()
    assert report.verdict == "pass", report.reason
    assert report.decisions is None
    assert report.reported_decisions == ()
    assert report.arithmetic[0].passed


def test_margins_and_first_differences_are_reported(clip: Exported) -> None:
    decisions = clip.check().decisions
    assert decisions is not None
    assert sum(layer.first_differences for layer in decisions.layers) + decisions.same_throughout == 8
    assert [(record.layer, record.kind) for record in decisions.margins] == [
        (layer, kind) for layer in range(4) for kind in ("order", "target", "edge")
    ]
    for record in decisions.margins:
        quantiles = [record.smallest, *record.percentiles.values()]
        assert quantiles == sorted(quantiles)
        assert 0 <= quantiles[0] <= quantiles[-1] < 2
        layer = decisions.layers[record.layer]
        if record.kind == "order":
            assert record.smallest == layer.smallest_margin
            assert record.count == 4 * (layer.tokens - 2)
        elif record.kind == "target":
            assert record.count == 4 * layer.merged
        else:
            assert record.count == 4


def test_bfloat16_in_pytorch_is_reported(clip: Exported) -> None:
    report = check_parity(
        clip.merged,
        clip.unmerged,
        {"fp32": clip.graphs["fp32"]},
        [clip.output],
        IMAGES,
        threads=1,
        num_exact=4,
        torch_precisions=("bf16",),
    )
    assert report.verdict == "pass", report.failures
    (found,) = report.reduced
    assert (found.precision, found.images) == ("bf16", 4)
    assert found.decisions is not None
    assert (found.decisions.runtime, found.decisions.compared) == ("PyTorch bf16", 16)
    shares = [layer.token_agreement for layer in found.decisions.layers]
    assert all(share is not None and 0.3 < share <= 1 for share in shares)
    assert found.decisions.agreed < 16, "rounding to 8 bits flips something"
    (error,) = found.errors
    assert 1e-4 * error.scale < error.rms_error < error.error < 0.5 * error.scale
    plain = copy.deepcopy(clip.merged).bfloat16()
    with torch.no_grad(), observe_merges() as observer:
        value = plain(PHOTOS.bfloat16()).image_embeds.float()
    forced = [record.decided for record in observer.records]
    with torch.no_grad(), observe_merges(forced):
        exact = copy.deepcopy(clip.merged).double()(PHOTOS.double()).image_embeds
    assert error.error >= float((value - exact).abs().max())
    cosines = {record.against: record for record in report.task if record.model == "PyTorch bf16"}
    assert cosines.keys() == {"merged", "unmerged"}
    with torch.no_grad():
        merged = clip.merged(PHOTOS).image_embeds
    expected = torch.nn.functional.cosine_similarity(value.double(), merged.double())
    assert cosines["merged"].mean == pytest.approx(float(expected.mean()), abs=1e-6)


TEXTS = CheckedInputs(random_texts(6, LENGTH, VOCABULARY, seed=1), Samples(make_texts(3)))


@pytest.fixture(scope="module", params=TEXT_OUTPUTS)
def text(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    model, (output,) = make_text_model(request.param), TEXT_OUTPUTS[request.param]
    merged, path = compress(model, ratio=0.8), tmp_path_factory.mktemp("text") / "fp32.onnx"
    export_onnx(merged, path, outputs=[output])
    return Exported(merged, model, {"fp32": path}, output)


def check_texts(text: Exported, inputs: CheckedInputs) -> ParityReport:
    return check_parity(
        text.merged, text.unmerged, text.graphs, [text.output], inputs, threads=1, batch=4, num_exact=4
    )


def test_texts_with_padding_pass(text: Exported) -> None:
    report = check_texts(text, TEXTS)
    assert report.verdict == "pass", report.failures
    assert report.inputs == {"random": 6, "sentences": 3}
    assert report.graph == ()
    assert report.decisions is not None
    assert (report.decisions.images, report.decisions.unexplained) == (9, 0)
    assert all(0 < record.error <= 1.5 * record.torch_error for record in report.layers)
    assert len(report.layers) == 7
    vector = {"logits": "logits"}.get(text.output, "last_hidden_state: sentence")
    assert {record.vector for record in report.task} == {vector}
    to_merged = [record for record in report.task if record.against == "merged"]
    assert min(record.minimum for record in to_merged) > 0.9999


def test_the_sentence_vector_leaves_padding_out(text: Exported) -> None:
    inputs = make_texts(3)
    with torch.no_grad():
        value = getattr(text.merged(**inputs), text.output)
    (vector,) = task_vectors(text.output, value, inputs["attention_mask"]).values()
    for row in range(3):
        length = int(inputs["attention_mask"][row].sum())
        expected = value[row] if value.dim() == 2 else value[row, :length].mean(dim=0)
        torch.testing.assert_close(vector[row], expected)
    real = real_positions(value, inputs["attention_mask"])
    assert len(real) == (3 if value.dim() == 2 else int(inputs["attention_mask"].sum()))


def test_a_text_of_padding_only_is_refused(text: Exported) -> None:
    empty = {name: value.clone() for name, value in make_texts(2).items()}
    empty["attention_mask"][1] = 0
    with pytest.raises(InputError, match=r"1 of 8 texts are padding only\. Leave empty texts out"):
        check_texts(text, CheckedInputs(TEXTS.random, Samples(empty)))
