"""PyTorch -> ONNX: the file computes what the model computes, and holds nothing but the model."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, inliner, shape_inference
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn

from pitome.compression import compress
from pitome.errors import InputError
from pitome.export.debug_graph import write_debug_graph
from pitome.export.function import energy_merge_function
from pitome.export.onnx import check_file, export_onnx
from pitome.export.plans import PlanRequest, build_plan
from pitome.merged_layers import MergedLayers
from pitome.observe import MergeObserver, observe_merges
from pitome.op import node_attributes
from pitome.parameters import MergeParameters
from pitome.runtime.onnxruntime import open_session
from tests.checkout import ROOT
from tests.export.conftest import METADATA, Export, Exported
from tests.export.small_model import PIXELS, Small
from tests.export.tiny_models import OUTPUTS, make_images, make_model
from tests.pitome.slow_merge import slow_merge

FAMILIES: dict[str, dict[str, Any]] = {
    "clip": {},
    "vit": {"method": "tome"},
    "deit": {"method": "paper"},
    "dinov2": {"metric": "keys"},
    "dinov2-classifier": {},
}
FAMILY_CASES = [
    pytest.param(name, marks=pytest.mark.full) if name in ("deit", "dinov2-classifier") else name
    for name in FAMILIES
]
"""Every export takes seconds, and test_conformance.py takes each family through its graph in every run."""
NOT_MERGED: list[tuple[str, dict[str, Any]]] = [
    ("clip", {"method": "none", "ratio": 1.0}),
    ("vit", {"ratio": 1.0}),
    ("clip", {"ratio": None}),
    ("clip", {"method": "random"}),
]


def run_forced(
    model: nn.Module, images: Tensor, assignments: list[Tensor], outputs: tuple[str, ...]
) -> tuple[list[np.ndarray], MergeObserver]:
    """The outputs in float64 where every merge decides as told, and what it would have decided."""
    with torch.no_grad(), observe_merges(forced=assignments) as observer:
        output = model(images)
    return [getattr(output, name).double().numpy() for name in outputs], observer


def parameters_of(model: nn.Module) -> list[MergeParameters]:
    (layers,) = [module for module in model.modules() if isinstance(module, MergedLayers)]
    return [merger.parameters for merger in layers.mergers if merger is not None]  # type: ignore[attr-defined]


# What it computes.


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("name", FAMILY_CASES)
def test_fp32_computes_what_pytorch_computes(exported: Export, name: str, batch: int) -> None:
    traced, images = exported(name, **FAMILIES[name]), make_images(batch)
    found, assignments = traced.run(images)
    expected, observer = run_forced(traced.model, images, assignments, traced.outputs)
    for value, reference in zip(found, expected, strict=True):
        assert value.dtype == np.float32
        assert np.abs(value - reference).max() <= 1e-5 * np.abs(reference).max()
    assert_decisions(traced.model, observer, assignments)


def assert_decisions(model: nn.Module, observer: MergeObserver, assignments: list[Tensor]) -> None:
    """The layers before forced, each merge decides as PyTorch does wherever it is not a near-tie."""
    clear = total = 0
    for parameters, record, assignment in zip(
        parameters_of(model), observer.records, assignments, strict=True
    ):
        margins = slow_merge(record.metric, record.metric, record.size, parameters).margins
        for image, margin in enumerate(margins):
            total += 1
            if margin.smallest > 1e-5:
                clear += 1
                assert torch.equal(assignment[image], record.decided[image])
    assert clear >= 0.8 * total > 0


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("name", ["vit", pytest.param("deit", marks=pytest.mark.full)])
def test_the_authors_code_of_2024_decides_as_in_pytorch(exported: Export, name: str, batch: int) -> None:
    """Two layers of ToMe and one by the sharp energy through one body; every margin is wide."""
    traced, images = exported(name, method="authors-2024"), make_images(batch)
    merges = parameters_of(traced.model)
    assert [merge.order for merge in merges] == ["position", "position", "energy"]
    (found,), assignments = traced.run(images)
    with torch.no_grad(), observe_merges() as observer:
        expected = getattr(traced.model(images), *traced.outputs).numpy()
    for merge, record, assignment in zip(merges, observer.records, assignments, strict=True):
        margins = slow_merge(record.metric, record.metric, record.size, merge).margins
        assert min(margin.smallest for margin in margins) > 5e-5
        assert torch.equal(assignment, record.decided)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def error_bound(exported: Exported, images: Tensor, assignments: list[Tensor], dtype: torch.dtype) -> Any:
    """float64 outputs with the decisions forced, and 2x plain PyTorch's own error plus one ulp."""
    exact = copy.deepcopy(exported.model).double()
    narrow = copy.deepcopy(exported.model).to(dtype)
    (expected,), _ = run_forced(exact, images.double(), assignments, exported.outputs)
    (plain,), _ = run_forced(narrow, images.to(dtype), assignments, exported.outputs)
    largest = np.abs(expected).max()
    ulp = torch.finfo(dtype).eps * 2.0 ** np.floor(np.log2(largest))
    return expected, 2 * np.abs(plain - expected).max() + ulp


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_fp16_is_as_exact_as_pytorch(exported: Export, batch: int) -> None:
    traced, images = exported("clip", "fp16"), make_images(batch)
    (found,), assignments = traced.run(images)
    assert found.dtype == np.float32
    expected, bound = error_bound(traced, images, assignments, torch.float16)
    assert np.abs(found - expected).max() <= bound


def test_bf16_is_as_exact_as_pytorch(exported: Export) -> None:
    """On ONNX's own evaluator: onnxruntime has no bfloat16 kernels on a CPU."""
    traced, images = exported("clip", "bf16"), make_images(2)
    evaluator: Any = ReferenceEvaluator(inliner.inline_local_functions(onnx.load(str(traced.debug))))
    found, *assignments = evaluator.run(
        [*traced.outputs, *traced.assignments], {"pixel_values": images.numpy()}
    )
    forced = [torch.from_numpy(assignment) for assignment in assignments]
    expected, bound = error_bound(traced, images, forced, torch.bfloat16)
    assert np.abs(found - expected).max() <= bound


def test_tensorrt_rtx_builds_the_bf16_graph(exported: Export, tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    file = exported("clip", "bf16").file
    plan = tmp_path / "clip.plan"
    request = PlanRequest(file.path, plan, "tensorrt_rtx", ("sm89",), (1, 2, 4), "bf16", file.num_merges)
    assert build_plan(request).merge_path == "function"


@pytest.mark.parametrize(("name", "options"), NOT_MERGED, ids=str)
def test_graphs_without_the_operator(exported: Export, name: str, options: dict[str, Any]) -> None:
    """Nothing merged, the model as it came, and random pairs: standard operators only."""
    traced, images = exported(name, **options), make_images(2)
    graph = traced.graph
    assert (traced.file.num_merges, traced.assignments, len(graph.functions)) == (0, (), 0)
    assert {node.domain for node in graph.graph.node} == {""}
    assert [opset.domain for opset in graph.opset_import] == [""]
    (found,), _ = traced.run(images)
    with torch.no_grad():
        expected = getattr(traced.model(images), traced.outputs[0]).numpy()
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


# What is in the file.


@pytest.mark.parametrize("name", FAMILY_CASES)
def test_every_node_carries_every_attribute(exported: Export, name: str) -> None:
    traced = exported(name, **FAMILIES[name])
    nodes = [node for node in traced.graph.graph.node if node.op_type == "EnergyMerge"]
    assert [node.name for node in nodes] == [f"energy_merge_{index}" for index in range(len(nodes))]
    assert len(nodes) == traced.file.num_merges == 3
    for node, parameters in zip(nodes, parameters_of(traced.model), strict=True):
        found = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        expected = node_attributes(parameters)
        assert set(found) == set(expected)
        for key, value in expected.items():
            if isinstance(value, str):
                assert found[key] == value.encode()
            else:
                assert found[key] == (np.float32(value) if isinstance(value, float) else value)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_the_body_is_the_one_of_the_rule(exported: Export, precision: str) -> None:
    graph = exported("clip", precision).graph
    (function,) = graph.functions
    expected = energy_merge_function(
        parameters_of(exported("clip", precision).model), narrow=precision != "fp32"
    )
    assert [node.op_type for node in function.node] == [node.op_type for node in expected.node]
    assert set(function.attribute) == set(expected.attribute)
    assert {(opset.domain, opset.version) for opset in graph.opset_import} == {("", 18), ("pitome", 2)}


@pytest.mark.parametrize("name", FAMILY_CASES)
def test_the_batch_is_dynamic_and_all_else_static(exported: Export, name: str) -> None:
    traced = exported(name, **FAMILIES[name])
    graph = traced.graph.graph
    shapes = {
        value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.value_info, *graph.output)
    }
    assert shapes["pixel_values"] == ["batch", 3, 32, 32]
    assert {size for shape in shapes.values() for size in shape if isinstance(size, str)} == {"batch"}
    assert all(shape[0] == "batch" for name, shape in shapes.items() if name in traced.outputs)
    nodes = [node for node in graph.node if node.op_type == "EnergyMerge"]
    for node, (before, after) in zip(nodes, itertools.pairwise(traced.tokens), strict=True):
        assert shapes[node.output[0]] == ["batch", after, 64]
        assert shapes[node.output[1]] == ["batch", after, 1]
        assert shapes[node.output[2]] == ["batch", before]


def test_the_description_is_that_of_the_file(exported: Export) -> None:
    dinov2 = exported("dinov2", **FAMILIES["dinov2"])
    assert dinov2.file.inputs == (("pixel_values", "float32", ("batch", 3, 32, 32)),)
    assert dinov2.file.outputs == (("last_hidden_state", "float32", ("batch", 17, 64)),)
    assert (dinov2.file.precision, dinov2.file.external_data) == ("fp32", ())


def test_metadata_is_what_was_given_and_nothing_else(exported: Export) -> None:
    graph = exported("clip").graph
    found = {entry.key: json.loads(entry.value) for entry in graph.metadata_props}
    assert found == {f"pitome.{key}": value for key, value in METADATA.items()}
    assert (graph.producer_name, graph.producer_version, graph.doc_string) == ("pitome", "", "")
    assert not any(node.metadata_props or node.doc_string for node in graph.graph.node)
    assert not any(tensor.metadata_props for tensor in graph.graph.initializer)
    values = (*graph.graph.input, *graph.graph.value_info, *graph.graph.output)
    assert not any(value.metadata_props or value.doc_string for value in values)


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_weights_have_the_precision_and_merges_decide_in_float32(exported: Export, precision: str) -> None:
    narrow = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}[precision]
    graph = exported("clip", precision).graph
    weights = [tensor for tensor in graph.graph.initializer if len(tensor.dims) == 2]
    assert weights
    assert {tensor.data_type for tensor in weights} == {narrow}
    sizes = [node.input[2] for node in graph.graph.node if node.op_type == "EnergyMerge"]
    inlined = shape_inference.infer_shapes(inliner.inline_local_functions(graph), strict_mode=True).graph
    types = {value.name: value.type.tensor_type.elem_type for value in inlined.value_info}
    choosing = [node for node in inlined.node if node.op_type in ("Reciprocal", "Sqrt", "Elu")]
    assert {node.op_type for node in choosing} == {"Reciprocal", "Sqrt", "Elu"}
    assert {types[node.input[0]] for node in choosing} == {TensorProto.FLOAT}
    assert {types[name] for name in sizes} == {TensorProto.FLOAT}


# Nothing is there twice.


def contents(graph: onnx.ModelProto) -> Counter[tuple[Any, ...]]:
    return Counter(
        (tensor.data_type, tuple(tensor.dims), onnx.numpy_helper.to_array(tensor).tobytes())
        for tensor in graph.graph.initializer
    )


@pytest.mark.parametrize("name", FAMILY_CASES)
def test_no_initialiser_is_written_twice(exported: Export, name: str) -> None:
    """The zero biases and unit scales of a fresh model have equal contents many times over."""
    traced = exported(name, **FAMILIES[name])
    assert set(contents(traced.graph).values()) == {1}
    constants = [node for node in traced.graph.graph.node if node.op_type == "Constant"]
    assert all(node.attribute[0].t.ByteSize() < 1024 for node in constants)


def test_tied_and_equal_weights_are_written_once(tmp_path: Path) -> None:
    model, path = Small({}, {}).eval(), tmp_path / "small.onnx"
    export_onnx(model, path, outputs=["y"], inputs=PIXELS)
    graph = onnx.load(str(path))
    assert set(contents(graph).values()) == {1}
    squares = [tensor for tensor in graph.graph.initializer if list(tensor.dims) == [96, 96]]
    assert len(squares) == 2
    weight_bytes = 4 * 96 * 96
    assert 2 * weight_bytes < path.stat().st_size < 3 * weight_bytes


def test_large_weights_lie_beside_the_file(tmp_path: Path) -> None:
    """Both files can be moved together, and are the same when they are written again."""
    model, images = Small({}, {}).eval(), make_images(2)[:, :, :8, :8]
    digests = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        file = export_onnx(model, folder / "small.onnx", outputs=["y"], inputs=PIXELS, largest_file=10_000)
        assert file.external_data == (folder / "small.onnx.data",)
        assert sorted(path.name for path in folder.iterdir()) == ["small.onnx", "small.onnx.data"]
        digests.append({hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()})
    assert digests[0] == digests[1]
    assert file.path.stat().st_size < 4 * 96 * 96 <= file.external_data[0].stat().st_size

    graph = onnx.load(str(file.path), load_external_data=False)
    places = [tensor.external_data for tensor in graph.graph.initializer if tensor.external_data]
    assert places
    assert {entry.value for place in places for entry in place if entry.key == "location"} == {
        "small.onnx.data"
    }
    write_debug_graph(file.path, tmp_path / "two" / "debug.onnx")
    (tmp_path / "two").rename(tmp_path / "moved")
    feed = {"pixel_values": images.numpy()}
    (found,) = open_session(tmp_path / "moved" / "small.onnx").run(["y"], feed)
    debug, *_ = open_session(tmp_path / "moved" / "debug.onnx").run(None, feed)
    np.testing.assert_array_equal(found, debug)
    expected = model(images).y.detach().numpy()
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()

    (tmp_path / "moved" / "small.onnx.data").unlink()
    with pytest.raises(InputError, match=r"small\.onnx: onnx\.checker refuses it: .*small\.onnx\.data"):
        check_file(tmp_path / "moved" / "small.onnx")


# The same bytes again.


def test_a_second_trace_gives_the_same_bytes(exported: Export, tmp_path: Path) -> None:
    again = compress(make_model("clip"), ratio=0.8)
    path = tmp_path / "other-name.onnx"
    export_onnx(again, path, outputs=OUTPUTS["clip"], metadata=dict(reversed(METADATA.items())))
    assert path.read_bytes() == exported("clip").file.path.read_bytes()


def test_nothing_in_the_file_tells_where_or_when(exported: Export) -> None:
    for precision in ("fp32", "fp16", "bf16"):
        content = exported("clip", precision).file.path.read_bytes()
        for word in (str(ROOT), str(Path.home()), "site-packages", ".py", "/tmp/"):
            assert word.encode() not in content
        assert not re.search(rb"20\d\d-\d\d-\d\d|\d\d:\d\d:\d\d", content)
