"""The judging of engines, with onnxruntime on the CPU in the place of an engine on a GPU."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from pitome.compression import compress
from pitome.errors import ParityError
from pitome.export.debug_graph import write_debug_graph
from pitome.export.onnx import export_onnx
from pitome.runtime.onnxruntime import OnnxRuntime
from pitome.validate.gpu.parity import EngineTarget, judge_engines
from pitome.validate.gpu.records import EngineParity
from pitome.validate.parity.check import check_parity
from pitome.validate.parity.passes import merging_layers, run_passes
from pitome.validate.parity.targets import Target
from pitome.validate.runs import Advance, Run
from pitome.validate.samples import CheckedInputs, Samples
from tests.tiny_models import tiny_images, tiny_model

IMAGES = CheckedInputs(
    Samples({"pixel_values": tiny_images(3, seed=1)}), Samples({"pixel_values": tiny_images(2, seed=2)})
)
OUTPUT = "image_embeds"


@dataclass(frozen=True)
class Recorded:
    """An engine that gives what it gave before, or what was planted in that."""

    found: Run
    runtime: str = "onnxruntime stand-in"
    file: str = "stand-in.plan"

    def run(self, samples: Samples, batch: int, advance: Advance | None = None) -> Run:
        return self.found


@dataclass(frozen=True)
class Exported:
    merged: nn.Module
    unmerged: nn.Module
    runtime: dict[str, Run]
    graphs: dict[str, Path]

    def judge(self, **changed: Run) -> EngineParity:
        runs = {**self.runtime, **changed}
        targets: dict[str, Target] = {precision: Recorded(run) for precision, run in runs.items()}
        passes = run_passes(self.merged, self.unmerged, targets, [OUTPUT], IMAGES, batch=2, num_exact=5)
        return judge_engines(passes)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("gpu-parity")
    model = tiny_model("CLIPVisionModelWithProjection")
    merged = compress(model, ratio=0.8)
    graphs = {precision: folder / f"{precision}.onnx" for precision in ("fp32", "fp16")}
    runtime = {}
    for precision, path in graphs.items():
        export_onnx(merged, path, outputs=[OUTPUT], precision=precision)  # type: ignore[arg-type]
        debug = path.with_suffix(".debug.onnx")
        load = partial(OnnxRuntime, debug, threads=1, assignments=write_debug_graph(path, debug))
        runtime[precision] = EngineTarget("stand-in", debug.name, load).run(IMAGES.all, 2)
    return Exported(merged, model, runtime, graphs)


def test_an_honest_engine_passes(clip: Exported) -> None:
    found = clip.judge()
    assert (found.verdict, found.images, found.name) == ("pass", 5, "onnxruntime stand-in")
    assert found.decisions is not None
    assert found.decisions.runtime == "onnxruntime stand-in fp32"
    assert found.decisions.compared == 5 * len(merging_layers(clip.merged))
    assert found.decisions.unexplained == 0
    assert [record.runtime for record in found.reported_decisions] == ["onnxruntime stand-in fp16"]
    assert {(record.precision, record.runtime) for record in found.arithmetic} == {
        ("fp32", "onnxruntime stand-in"),
        ("fp16", "onnxruntime stand-in"),
    }
    assert {record.model for record in found.task} == {
        "onnxruntime stand-in fp32",
        "onnxruntime stand-in fp16",
    }


def test_the_judge_is_that_of_the_cpu(clip: Exported) -> None:
    """Same images, same graphs: as ``check_parity`` finds where it too runs all images in float64."""
    found = clip.judge()
    expected = check_parity(
        clip.merged, clip.unmerged, clip.graphs, [OUTPUT], IMAGES, threads=1, batch=2, num_exact=5
    )
    assert found.decisions is not None
    assert expected.decisions is not None
    for layer, other in zip(found.decisions.layers, expected.decisions.layers, strict=True):
        assert layer.model_dump() == pytest.approx(other.model_dump())
        assert layer.tolerance > 0
    for ours, theirs in zip(found.arithmetic, expected.arithmetic, strict=True):
        assert (ours.precision, ours.passed) == (theirs.precision, theirs.passed)
        assert ours.error == pytest.approx(theirs.error, rel=1e-6)
        assert ours.torch_error == pytest.approx(theirs.torch_error, rel=1e-6)
    for cosine, other_cosine in zip(found.task, expected.task, strict=True):
        assert (cosine.mean, cosine.minimum) == pytest.approx((other_cosine.mean, other_cosine.minimum))


def test_a_wrong_decision_fails_although_the_output_follows_from_it(clip: Exported) -> None:
    """Two tokens change their groups in one image: no rounding explains that."""
    honest = clip.runtime["fp32"]
    wrong = honest.assignments[1].clone()
    prefix, (first, last) = 1, (wrong[0, 1:].min(), wrong[0, 1:].max())
    assert first != last
    at = [prefix + int((wrong[0, prefix:] == slot).nonzero()[0]) for slot in (first, last)]
    wrong[0, at] = wrong[0, at[::-1]]
    assignments = (honest.assignments[0], wrong, *honest.assignments[2:])
    found = clip.judge(fp32=dataclasses.replace(honest, assignments=assignments))
    assert found.verdict == "fail"
    layer = list(merging_layers(clip.merged))[1]
    assert f"differ from PyTorch's by more than rounding, the first of them in layer {layer}" in found.reason


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_wrong_arithmetic_fails(clip: Exported, precision: str) -> None:
    honest = clip.runtime[precision]
    outputs = {OUTPUT: honest.outputs[OUTPUT] * 1.02}
    found = clip.judge(**{precision: dataclasses.replace(honest, outputs=outputs)})
    assert found.verdict == "fail"
    assert f"{OUTPUT} in {precision} is off by" in found.reason


def test_not_a_number_fails(clip: Exported) -> None:
    honest = clip.runtime["fp32"]
    outputs = {OUTPUT: torch.full_like(honest.outputs[OUTPUT], torch.nan)}
    assert clip.judge(fp32=dataclasses.replace(honest, outputs=outputs)).verdict == "fail"


def test_an_engine_of_another_model(clip: Exported) -> None:
    honest = clip.runtime["fp32"]
    fewer = dataclasses.replace(honest, assignments=honest.assignments[1:])
    with pytest.raises(
        ParityError, match=r"parity of stand-in\.plan: it has 3 EnergyMerge nodes, the model has 4"
    ):
        clip.judge(fp32=fewer)
