"""The library that holds the operator for CUDA too, in an onnxruntime that has no such provider."""

from __future__ import annotations

import subprocess
from pathlib import Path

import onnx
import pytest
import torch

from pitome.runtime.native import count_native_merges, describe_native
from pitome.runtime.onnxruntime import OnnxRuntime
from tests.operator_cases import CASES, make_inputs
from tests.plugins.kernel_runs import INPUTS, assert_same_bits
from tests.plugins.onnxruntime.cuda_library import CUDA_LIBRARY
from tests.plugins.onnxruntime.one_merge import TYPES, model_of, open_model, run

pytestmark = pytest.mark.full  # it is compiled by nvcc


def test_what_it_says_of_itself() -> None:
    record = describe_native(CUDA_LIBRARY).record
    assert record.providers == ("CPUExecutionProvider", "CUDAExecutionProvider")
    assert record.onnxruntime_api == 18


@pytest.mark.parametrize("dtype", TYPES)
def test_its_operator_for_the_cpu_runs(dtype: torch.dtype) -> None:
    case = CASES[0]
    x, metric, size = make_inputs(case, dtype)
    model = model_of(case.parameters, x, metric)
    session = open_model(model, library=CUDA_LIBRARY)
    assert count_native_merges(session) == 1
    expected = run(open_model(model), x, metric, size)
    assert_same_bits(run(session, x, metric, size), expected)


def test_the_runtime_takes_it(tmp_path: Path) -> None:
    x, metric, _, parameters = INPUTS
    path = tmp_path / "merge.onnx"
    onnx.save(model_of(parameters, x, metric), path)
    assert OnnxRuntime(path, native=describe_native(CUDA_LIBRARY)).name == "onnxruntime native"


def test_it_needs_no_library_of_cuda_and_shows_none_of_its_own() -> None:
    def lines_of(*command: str) -> list[str]:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    dynamic = [line.split() for line in lines_of("readelf", "--dynamic", "--wide", str(CUDA_LIBRARY))]
    needed = [words[-1] for words in dynamic if words[1:2] == ["(NEEDED)"]]
    assert set(needed) <= {"[libm.so.6]", "[libc.so.6]", "[ld-linux-x86-64.so.2]"}
    symbols = lines_of("nm", "--dynamic", "--defined-only", "--format=posix", str(CUDA_LIBRARY))
    shown = {line.split()[0] for line in symbols}
    assert {name for name in shown if not name.startswith("pitome_onnxruntime_")} == {"RegisterCustomOps"}
