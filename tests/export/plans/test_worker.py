"""The builder process with the plugin of the CPU's build: TensorRT-RTX takes it as layers.

The checks before a build refuse that library, whose kernels are no GPU's. The builder runs none of them, and
is asked directly.
"""

from __future__ import annotations

import ctypes.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx
import pytest

from pitome.child_process import module_environment
from pitome.export.plans import BACKENDS, PlanRequest
from pitome.export.plans.library_names import linked_libraries, searching_in
from tests.export.plans.plugin_files import BUILT_HOST_PLUGIN, CANARY, WITH_CANARY, built, compile_library
from tests.merge_parameters import merge_parameters
from tests.operator_model import operator_model

pytest.importorskip("tensorrt_rtx")

Events = list[dict[str, Any]]


def ask_worker(request: PlanRequest, links: Path | None = None, **environment: str) -> tuple[int, Events]:
    """Start the builder process with a request that nobody checked; its exit code and its events."""
    paths = {name: getattr(request, name) for name in ("onnx", "plan", "plugin")}
    paths |= {"partial": request.plan.with_suffix(".partial"), "links": links}
    asked = {**asdict(request), **{name: path and str(path) for name, path in paths.items()}}
    read, write = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "pitome.export.plans.worker", str(write)],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=(write,),
        env=searching_in(links, {**module_environment(), **environment}),
    ) as worker:
        os.close(write)
        assert worker.stdin is not None
        worker.stdin.write(json.dumps(asked).encode() + b"\n")
        worker.stdin.flush()  # and stays open: its end would cancel the build
        with os.fdopen(read) as events:
            found = [json.loads(line) for line in events]
    return worker.returncode, found


@pytest.fixture
def one_merge(request_plan: Callable[..., PlanRequest], tmp_path: Path) -> Callable[..., PlanRequest]:
    """``one_merge(**changes)``: a plan of the operator alone, by the plugin."""
    file = tmp_path / "merge.onnx"
    onnx.save(operator_model(merge_parameters(3, 8), 12, 6, 4), str(file))

    def make(**changes: Any) -> PlanRequest:
        settings = {"merge_path": "plugin", "plugin": built(BUILT_HOST_PLUGIN), "num_merges": 1}
        return request_plan(file, **{**settings, **changes})

    return make


@pytest.mark.parametrize("embed_plugin", [False, True])
def test_tensorrt_rtx_makes_plugin_layers(one_merge: Callable[..., PlanRequest], embed_plugin: bool) -> None:
    request = one_merge(targets=("sm75", "sm80", "sm86", "sm89", "sm120"), embed_plugin=embed_plugin)
    with linked_libraries(BACKENDS["tensorrt_rtx"].named_libraries()) as links:
        code, events = ask_worker(request, links)
        assert links is not None
        assert not links.exists(), "the builder removes them, in case its asker is dead by then"
    result = events[-1]["result"]
    assert code == 0
    assert (result["merge_path"], result["num_layers"]) == ("plugin", 1)
    assert (result["targets"], result["plugin_embedded"]) == (list(request.targets), embed_plugin)
    assert result["bytes"] == request.plan.stat().st_size
    assert (result["bytes"] > request.plugin.stat().st_size) is embed_plugin  # type: ignore[union-attr]


@pytest.mark.skipif(
    ctypes.util.find_library("tensorrt_rtx") is not None, reason="the system has TensorRT-RTX"
)
def test_without_the_link_the_builder_dies(one_merge: Callable[..., PlanRequest]) -> None:
    """Where this fails, TensorRT-RTX has learnt to find its library, and the links can go."""
    code, events = ask_worker(one_merge())
    assert code < 0
    assert "result" not in events[-1]


def test_a_node_that_names_another_version_goes_by_the_function(
    one_merge: Callable[..., PlanRequest],
) -> None:
    """The parser says nothing; the count does."""
    request = one_merge()
    model = onnx.load(str(request.onnx))
    for attribute in model.graph.node[0].attribute:
        if attribute.name == "plugin_version":
            attribute.s = b"0"
    onnx.save(model, str(request.onnx))
    with linked_libraries(BACKENDS["tensorrt_rtx"].named_libraries()) as links:
        code, events = ask_worker(request, links)
    ((kind, _asked, found, remedy, _lines),) = [event["error"] for event in events if "error" in event]
    assert (code, kind) == (1, "BackendError")
    assert "took 1 by the function's body and 0 by the plugin: merge went the other way" in found
    assert "Export the ONNX file again, so that every EnergyMerge node has plugin_namespace" in remedy
    assert not request.plan.exists()


def test_a_library_that_nothing_asks_for_is_not_loaded(
    one_merge: Callable[..., PlanRequest], tmp_path: Path
) -> None:
    library, canary = compile_library(tmp_path, WITH_CANARY), tmp_path / "canary"
    code, events = ask_worker(one_merge(merge_path="function", plugin=library), **{CANARY: str(canary)})
    assert code == 1
    ((kind, asked, found, _remedy, _lines),) = [event["error"] for event in events]
    assert (kind, found) == ("InputError", "only MERGE_PATH=plugin loads a plugin library")
    assert "MERGE_PATH=function with BACKEND=tensorrt_rtx" in asked
    assert not canary.exists()


def test_without_one_it_builds(one_merge: Callable[..., PlanRequest]) -> None:
    code, events = ask_worker(one_merge(merge_path="function", plugin=None))
    assert code == 0
    assert (events[-1]["result"]["merge_path"], events[-1]["result"]["plugin_embedded"]) == (
        "function",
        False,
    )
