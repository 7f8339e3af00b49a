"""The builder process itself refuses a plugin beside TensorRT-RTX, whoever asks it and however."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.export.plans.plugin_files import CANARY, ROOT, WITH_CANARY, compile_library

pytest.importorskip("tensorrt_rtx")


def ask_worker(request: Any, canary: Path) -> tuple[int, list[dict[str, Any]]]:
    """Start the builder process with a request that nobody checked; its exit code and its events."""
    paths = {"onnx": request.onnx, "plan": request.plan, "plugin": request.plugin, "partial": request.plan}
    asked = {**asdict(request), **{name: path and str(path) for name, path in paths.items()}}
    read, write = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "pitome.export.plans.worker", str(write)],
        stdin=subprocess.PIPE,
        pass_fds=(write,),
        env={**os.environ, "PYTHONPATH": str(ROOT), CANARY: str(canary)},
    ) as worker:
        os.close(write)
        assert worker.stdin is not None
        worker.stdin.write(json.dumps(asked).encode() + b"\n")
        worker.stdin.flush()  # and stays open: its end would cancel the build
        with os.fdopen(read) as events:
            found = [json.loads(line) for line in events]
    return worker.returncode, found


@pytest.mark.parametrize(
    ("merge_path", "text"),
    [
        ("plugin", "TensorRT-RTX has no plugin layers"),
        ("function", "only BACKEND=tensorrt with MERGE_PATH=plugin loads a plugin library"),
    ],
)
def test_tensorrt_rtx_never_meets_the_plugin(
    request_plan: Callable[..., Any], merged_onnx: Path, tmp_path: Path, merge_path: str, text: str
) -> None:
    library, canary = compile_library(tmp_path, WITH_CANARY), tmp_path / "canary"
    request = request_plan(merged_onnx, num_merges=2, merge_path=merge_path, plugin=library)
    code, events = ask_worker(request, canary)
    assert code == 1
    ((kind, asked, found, _remedy, _lines),) = [event["error"] for event in events]
    assert (kind, found) == ("InputError", text)
    assert f"MERGE_PATH={merge_path} with BACKEND=tensorrt_rtx" in asked
    assert not canary.exists()
    assert not request.plan.exists()


def test_without_one_it_builds(request_plan: Callable[..., Any], merged_onnx: Path, tmp_path: Path) -> None:
    request = request_plan(merged_onnx, num_merges=2)
    code, events = ask_worker(request, tmp_path / "canary")
    assert code == 0
    assert (events[-1]["result"]["merge_path"], events[-1]["result"]["plugin_embedded"]) == (
        "function",
        False,
    )
