"""What others' tools make of a bundle's graphs; docs/onnx-tools.md is the table of it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, inliner, numpy_helper
from onnx.reference import ReferenceEvaluator

from pitome.compression import compress
from pitome.export.inlined import write_inlined
from pitome.export.onnx import export_onnx
from pitome.runtime.onnxruntime import OnnxRuntime
from tests.checkout import ROOT
from tests.tiny_models import tiny_images, tiny_model

SCRIPT = ROOT / "tests" / "export" / "tool_script.py"
TOOLS = ROOT / "build" / "onnx-tools"
OLD_ONNXRUNTIME = ROOT / "build" / "onnxruntime-1.17"
FOLDERS = ("onnxsim", "onnxslim", "graphsurgeon", "polygraphy")
ROUNDING = 1e-5
"""Of outputs, relative to the largest: the tools change the order of few sums."""


@dataclass(frozen=True)
class Exported:
    graph: Path
    inlined: Path
    inputs: Path
    expected: np.ndarray


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A CLIP image encoder of four layers, with what PyTorch computes for three images."""
    folder = tmp_path_factory.mktemp("tools")
    merged = compress(tiny_model("CLIPVisionModelWithProjection"), ratio=0.8)
    images = tiny_images(3, seed=5)
    file = export_onnx(merged, folder / "model.onnx", outputs=["image_embeds"])
    np.savez(folder / "inputs.npz", pixel_values=images.numpy())
    expected = merged(images).image_embeds.detach().numpy()
    return Exported(file.path, write_inlined(file).path, folder / "inputs.npz", expected)


def work(environment: Path, tool: str, graph: Path, inputs: Path, result: Path) -> str:
    """Run a tool in its environment; what it printed."""
    python = environment / "bin" / "python"
    if not python.is_file():
        pytest.skip(f"there is no {environment}; `make test-full` makes it")
    done = subprocess.run(
        [python, SCRIPT, tool, graph, inputs, result], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{tool}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def run(graph: Path, exported: Exported) -> np.ndarray:
    found = OnnxRuntime(graph, threads=1).run(dict(np.load(exported.inputs)))
    return found.outputs["image_embeds"]


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    assert np.abs(found - expected).max() <= ROUNDING * np.abs(expected).max()


def cosine(found: np.ndarray, expected: np.ndarray) -> Any:
    norms = np.linalg.norm(found, axis=-1) * np.linalg.norm(expected, axis=-1)
    return ((found * expected).sum(-1) / norms).min()


# What needs no environment of its own.


def test_checker_and_inliner(exported: Exported) -> None:
    for path in (exported.graph, exported.inlined):
        onnx.checker.check_model(str(path), full_check=True)
    inlined, by_us = inliner.inline_local_functions(onnx.load(exported.graph)), onnx.load(exported.inlined)
    assert [node.op_type for node in by_us.graph.node] == [node.op_type for node in inlined.graph.node]


def test_an_inlined_graph_is_standard_operators_and_computes_the_same(exported: Exported) -> None:
    graph = onnx.load(exported.inlined)
    assert len(graph.functions) == 0
    assert {node.domain for node in graph.graph.node} == {""}
    assert [(opset.domain, opset.version) for opset in graph.opset_import] == [("", 18)]
    assert graph.ir_version == 8
    np.testing.assert_array_equal(run(exported.inlined, exported), run(exported.graph, exported))


def test_float_attributes_are_float32_once_they_are_inlined(exported: Exported) -> None:
    """Constants that a folder reads: value_float only where a cast to float32 follows."""
    graph = onnx.load(exported.inlined).graph
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value_float":
            readers = {reader.op_type for reader in graph.node if node.output[0] in reader.input}
            assert readers == {"Cast"}


@pytest.mark.parametrize("which", ["graph", "inlined"])
def test_the_reference_evaluator_runs_both(exported: Exported, which: str) -> None:
    with np.errstate(over="ignore"):
        (found,) = ReferenceEvaluator(str(getattr(exported, which))).run(None, dict(np.load(exported.inputs)))
    assert_close(np.asarray(found), exported.expected)


# What has one.


@pytest.mark.full
@pytest.mark.parametrize("tool", FOLDERS)
@pytest.mark.parametrize("which", ["graph", "inlined"])
def test_tools_that_fold_constants(exported: Exported, tmp_path: Path, tool: str, which: str) -> None:
    result = tmp_path / "result.onnx"
    work(TOOLS, tool, getattr(exported, which), exported.inputs, result)
    graph = onnx.load(result)
    assert not any(tensor.data_type == TensorProto.DOUBLE for tensor in graph.graph.initializer), (
        "a constant became float64"
    )
    assert_close(run(result, exported), exported.expected)
    if which == "graph":
        assert [function.name for function in graph.functions] == ["EnergyMerge"]


@pytest.mark.full
@pytest.mark.parametrize("tool", ["quantize_dynamic", "quantize_static"])
def test_quantization(exported: Exported, tmp_path: Path, tool: str) -> None:
    """Weights become int8, the merges' own products stay as they are."""
    result = tmp_path / "result.onnx"
    work(TOOLS, tool, exported.graph, exported.inputs, result)
    graph = onnx.load(result)
    assert any(
        tensor.data_type in (TensorProto.INT8, TensorProto.UINT8) for tensor in graph.graph.initializer
    )
    (function,) = graph.functions
    (before,) = onnx.load(exported.graph).functions
    assert function == before
    assert cosine(run(result, exported), exported.expected) > 0.9


@pytest.mark.full
def test_conversion_to_float16_with_the_operator_blocked(exported: Exported, tmp_path: Path) -> None:
    result = tmp_path / "result.onnx"
    work(TOOLS, "float16", exported.graph, exported.inputs, result)
    graph = onnx.load(result).graph
    matrices = [tensor for tensor in graph.initializer if len(tensor.dims) == 2]
    assert {numpy_helper.to_array(matrix).dtype for matrix in matrices} == {np.dtype("float16")}
    assert cosine(run(result, exported), exported.expected) > 0.9


@pytest.mark.full
def test_openvino_takes_no_functions(exported: Exported, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"(?s)openvino: .*EnergyMerge"):
        work(TOOLS, "openvino", exported.graph, exported.inputs, tmp_path / "result.npz")


@pytest.mark.full
def test_openvino_runs_the_inlined_graph(exported: Exported, tmp_path: Path) -> None:
    result = tmp_path / "result.npz"
    work(TOOLS, "openvino", exported.inlined, exported.inputs, result)
    assert_close(np.load(result)["arr_0"], exported.expected)


@pytest.mark.full
@pytest.mark.parametrize("which", ["graph", "inlined"])
def test_onnxruntime_1_17_runs_both(exported: Exported, tmp_path: Path, which: str) -> None:
    result = tmp_path / "result.npz"
    version = work(OLD_ONNXRUNTIME, "onnxruntime", getattr(exported, which), exported.inputs, result)
    assert version.startswith("1.17.")
    assert_close(np.load(result)["arr_0"], exported.expected)
