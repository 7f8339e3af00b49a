"""Peak memory of fresh processes. Asserted is structure and what must be larger, never how much it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from pitome.errors import BackendError, InputError
from pitome.validate.bench import memory
from pitome.validate.bench.memory import Memory, measure_memory, module_memory
from tests.checkout import ROOT

MEGA = 1_000_000


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph with 16 MB of weights whose values take 8 MB per input."""
    weight = numpy_helper.from_array(np.zeros((2, 2 * MEGA), np.float32), "weight")
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "weight"], ["wide"]),
            helper.make_node("ReduceMax", ["wide"], ["y"]),
        ],
        "wide",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [weight],
    )
    path = tmp_path_factory.mktemp("graph") / "wide.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def test_weights_and_values_are_counted(wide: Path) -> None:
    one, many = measure_memory(wide, 1, threads=1), measure_memory(wide, 12, threads=1)
    assert Memory.model_validate_json(one.model_dump_json()) == one
    assert one.peak_bytes >= one.running_bytes > 16 * MEGA
    # Eleven more rows of 8 MB: half of them is already far above what two processes differ by.
    assert many.running_bytes - one.running_bytes > 44 * MEGA
    assert one.baseline_bytes == many.baseline_bytes > 0


def test_a_large_parent_changes_nothing() -> None:
    """ru_maxrss of a child begins with its parent's peak; what is read here must not."""
    script = (
        "import json, subprocess, sys; ballast = bytearray(300_000_000)\n"
        "print(subprocess.run([sys.executable, '-m', 'pitome.validate.bench.memory'], capture_output=True,"
        " text=True, check=True).stdout)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    import json

    assert json.loads(done.stdout)["peak_bytes"] < 300_000_000


class Wide(nn.Module):
    """16 MB of weights; the values of a run take 8 MB per input."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, 2 * MEGA))
        self.same = self.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x @ self.weight).amax()


def test_weights_and_values_of_a_module_are_counted() -> None:
    model = Wide()

    def measured(batch: int) -> Memory:
        x = torch.ones(batch, 2)
        with torch.inference_mode():
            return module_memory(model, lambda: model(x))

    one, many = measured(1), measured(12)
    assert one.peak_bytes == one.running_bytes >= 16 * MEGA + 4 * MEGA
    assert one.peak_bytes < 40 * MEGA
    assert many.running_bytes - one.running_bytes > 44 * MEGA


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.onnx: there is no such file\. Export the model first"):
        measure_memory(tmp_path / "absent.onnx", 1)


def test_a_process_that_fails_is_reported(wide: Path) -> None:
    with pytest.raises(BackendError) as caught:
        measure_memory(wide, -1)
    assert f"the peak memory of {wide} at batch -1: the process ended with 1 (ValueError" in str(caught.value)
    assert "Choose a smaller batch" in str(caught.value)


def test_other_systems_are_refused(wide: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "STATUS", tmp_path / "status")
    with pytest.raises(InputError, match=r"this system has no /proc/self/status\. Measure memory on Linux"):
        measure_memory(wide, 1)
    with pytest.raises(InputError, match=r"this system has no /proc/self/status\. Measure memory on Linux"):
        module_memory(nn.Linear(1, 1), lambda: None)
