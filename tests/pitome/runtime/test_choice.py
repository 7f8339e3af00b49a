"""Which ways of running a graph there are on machines that are not here, and in which order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest

from pitome.bundle import Manifest
from pitome.parameters import MergeParameters
from pitome.runtime.choice import Way, Wishes, ways_of
from pitome.runtime.devices import CPU, parse_device
from pitome.runtime.onnxruntime import open_session, partitions, placement
from pitome.runtime.plans import Gpu, Machine
from tests.operator_model import operator_model
from tests.pitome.bundle.bundle_cases import document

ALL = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
RTX = Machine(Gpu("a GPU", "sm80"), "", "", {"tensorrt_rtx": "1.7.1.116"})
NO_GPU = Machine(None, "there is no GPU")
LIBRARY = {
    "file": "libpitome_onnxruntime.so",
    "sha256": "0" * 64,
    "kind": "onnxruntime",
    "version": "0.1.0",
    "providers": ["CPUExecutionProvider"],
}


@pytest.fixture
def providers(monkeypatch: pytest.MonkeyPatch) -> None:
    """An onnxruntime with every provider."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ALL)


def manifest(library: dict[str, Any] | None = None) -> Manifest:
    content = document()
    if library is not None:
        content["native"].append(library)
        content["native_left_out"] = None
    return Manifest.model_validate(content)


def shown(ways: list[Way]) -> list[tuple[str, bool]]:
    return [(str(way).removeprefix("plans/"), way.why_not is None) for way in ways]


def of(found: Manifest, machine: Machine = NO_GPU, **wishes: Any) -> list[Way]:
    return ways_of(found.graphs[0], found, Path("build/b"), Wishes(**wishes), machine)


@pytest.mark.usefixtures("providers")
def test_the_best_comes_first() -> None:
    """A plan with the plugin, one without, CUDA in the bundle's precision, and the CPU in float32."""
    assert shown(of(manifest(LIBRARY), RTX)) == [
        ("model.fp16.tensorrt.plan by TensorRT", False),
        ("model.fp16.sm80.plan by TensorRT-RTX", True),
        ("model.fp16.onnx by onnxruntime cuda", True),
        ("model.onnx by onnxruntime cuda", True),
        ("model.onnx by onnxruntime native", True),
        ("model.onnx by onnxruntime", True),
    ]


def test_without_a_gpu_each_better_way_has_its_reason() -> None:
    ways = of(manifest(LIBRARY))
    assert shown(ways) == [
        ("model.fp16.tensorrt.plan by TensorRT", False),
        ("model.fp16.sm80.plan by TensorRT-RTX", False),
        ("model.fp16.onnx by onnxruntime cuda", False),
        ("model.onnx by onnxruntime native", True),
        ("model.onnx by onnxruntime", True),
    ]
    told = [way.why_not.found for way in ways if way.why_not]
    assert "and not CUDAExecutionProvider" in told[2]
    assert [way.is_missed for way in ways] == [True, True, False, True, False]


@pytest.mark.usefixtures("providers")
def test_tensorrts_provider_is_never_given_the_library() -> None:
    """Every merge would cut its graph in two; and it is taken only where it is asked for."""
    assert shown(of(manifest(LIBRARY), device="tensorrt")) == [
        ("model.fp16.onnx by onnxruntime tensorrt", True),
        ("model.onnx by onnxruntime tensorrt", True),
    ]
    (first, *_) = of(manifest(LIBRARY), device="tensorrt", native=True)
    assert first.why_not is not None
    assert "every merge would cut its graph in two" in first.why_not.found
    everything = of(manifest(LIBRARY), RTX)
    assert not any("onnxruntime tensorrt" in str(way) for way in everything)


@pytest.mark.usefixtures("providers")
def test_the_library_goes_to_cuda_where_it_has_the_operator_for_it() -> None:
    both = {**LIBRARY, "providers": ["CPUExecutionProvider", "CUDAExecutionProvider"]}
    assert [
        str(way) for way in of(manifest(both), device="cuda", backend="onnxruntime", precision="fp16")
    ] == [
        "model.fp16.onnx by onnxruntime cuda native",
        "model.fp16.onnx by onnxruntime cuda",
    ]


@pytest.mark.parametrize(
    ("wishes", "files"),
    [
        ({"device": "cpu"}, ["model.onnx"]),
        ({"device": "cpu", "precision": "fp16"}, ["model.fp16.onnx"]),
        ({"backend": "tensorrt"}, ["plans/model.fp16.tensorrt.plan"]),
        ({"backend": "tensorrt_rtx"}, ["plans/model.fp16.sm80.plan"]),
        ({"backend": "onnxruntime", "device": "cpu"}, ["model.onnx"]),
        ({"native": False, "device": "cpu"}, ["model.onnx"]),
    ],
)
def test_wishes_leave_out_what_does_not_fit(wishes: dict[str, Any], files: list[str]) -> None:
    assert [way.record.file for way in of(manifest(), **wishes)] == files


def test_pieces_are_counted_of_tensorrts_provider(tmp_path: Path) -> None:
    onnx.save(operator_model(MergeParameters(4, 16, 1), 33, 8, 8), tmp_path / "merge.onnx")
    session = open_session(tmp_path / "merge.onnx")
    assert (partitions(session, CPU), placement(session)) == (None, {})
    told = open_session(tmp_path / "merge.onnx", device=replace(CPU, name="one that is told of"))
    tensorrt = parse_device("tensorrt")
    assert partitions(told, tensorrt) == 0
    for part in told.get_provider_graph_assignment_info():  # what is read of each
        assert part.ep_name == "CPUExecutionProvider"
