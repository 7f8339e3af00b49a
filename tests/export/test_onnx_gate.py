"""What an export refuses, what the gate stops, and what both leave as it was."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from onnx import TensorProto

from pitome.errors import InputError
from pitome.export.onnx import check_file, export_onnx, run_once
from tests.export.conftest import Export
from tests.export.small_model import PIXELS, Small
from tests.export.tiny_models import make_images


def test_merges_that_need_two_bodies_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        export_onnx(
            Small({}, {"energy": "gaussian"}).eval(), tmp_path / "small.onnx", outputs=["y"], inputs=PIXELS
        )
    assert error.value.asked == "one ONNX file for merges by energies of different functions"
    assert error.value.found == (
        "the merges have gaussian and piecewise, and parsers take the first body for all of them"
    )
    assert error.value.remedy == "Use one function in all layers that merge by energy"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "second", [{"order": "position"}, {"split": "half"}, {"split": "alternate_second"}, {"energy": "eq4"}]
)
def test_one_file_holds_merges_of_different_rules(tmp_path: Path, second: dict[str, Any]) -> None:
    path = tmp_path / "small.onnx"
    export_onnx(Small({}, second).eval(), path, outputs=["y"], inputs=PIXELS)
    (body,) = onnx.load(path).functions
    assert body.name == "EnergyMerge"


def remove_a_result(graph: onnx.ModelProto) -> None:
    graph.graph.node[3].input[0] = "never_made"


def change_a_type(graph: onnx.ModelProto) -> None:
    (add, *_) = [node for node in graph.graph.node if node.op_type == "Add"]
    for tensor in graph.graph.initializer:
        if tensor.name in add.input:
            tensor.data_type = TensorProto.INT32  # as many bytes


@pytest.mark.parametrize(
    ("damage", "words"),
    [(remove_a_result, "never_made"), (change_a_type, "Inferred elem type differs")],
)
def test_a_broken_graph_does_not_pass_the_gate(
    exported: Export, tmp_path: Path, damage: Any, words: str
) -> None:
    graph, path = exported("clip").graph, tmp_path / "broken.onnx"
    damage(graph)
    onnx.save(graph, path)
    with pytest.raises(InputError, match=words) as error:
        check_file(path)
    assert error.value.asked == "the exported graph broken.onnx"
    assert error.value.found.startswith("onnx.checker refuses it: ")
    assert "\n" not in error.value.found


@pytest.mark.parametrize("part", [0, 0.5])
def test_half_a_file_does_not_pass_the_gate(exported: Export, tmp_path: Path, part: float) -> None:
    content, path = exported("clip").file.path.read_bytes(), tmp_path / "half.onnx"
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(InputError, match=r"the exported graph half\.onnx: onnx\.checker refuses it"):
        check_file(path)


def test_a_graph_that_does_not_run_does_not_pass_the_gate(exported: Export, tmp_path: Path) -> None:
    """Without the body the operator is unknown, which the checker lets pass."""
    traced, path = exported("clip"), tmp_path / "no-body.onnx"
    graph = traced.graph
    del graph.functions[:]
    onnx.save(graph, path)
    with pytest.raises(InputError, match=r"no-body\.onnx: .*EnergyMerge.* is not a registered function"):
        run_once(path, traced.file)


def test_an_output_of_another_shape_does_not_pass_the_gate(exported: Export) -> None:
    file = exported("clip").file
    declared = dataclasses.replace(file, outputs=(("image_embeds", "float32", ("batch", 31)),))
    with pytest.raises(InputError) as error:
        run_once(file.path, declared)
    assert error.value.asked == "output image_embeds of model.onnx for a batch of 1"
    assert error.value.found == "onnxruntime returns the shape (1, 32), the graph declares (1, 31)"


# What it leaves alone.


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_given_model_is_as_it_was(tmp_path: Path, precision: Any) -> None:
    steps: list[tuple[str, int, int]] = []
    model = Small({}).eval()
    before, forward = copy.deepcopy(model.state_dict()), model(make_images(1)[:, :, :8, :8]).y
    export_onnx(
        model,
        tmp_path / "small.onnx",
        outputs=["y"],
        inputs=PIXELS,
        precision=precision,
        progress=lambda *step: steps.append(step),
    )
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert model.tied.weight is model.first.weight
    assert torch.equal(model(make_images(1)[:, :, :8, :8]).y, forward)
    assert steps == [("trace", 0, 4), ("write", 1, 4), ("check", 2, 4), ("run", 3, 4)]
