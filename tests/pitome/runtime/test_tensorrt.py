"""What can be known of running an engine without a GPU."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from pitome.child_process import module_environment
from pitome.errors import BackendError, InputError
from pitome.export.plans import PlanRequest, build_plan
from pitome.parameters import MergeParameters
from pitome.runtime.tensorrt import Engine
from pitome.validate.gpu.environment import missing_gpu
from tests.export.plans.plugin_files import BUILT_HOST_PLUGIN, NO_CREATORS, built, compile_library
from tests.operator_model import operator_model

USED = {
    "Runtime": ("engine_host_code_allowed", "deserialize_cuda_engine"),
    "ICudaEngine": (
        "create_execution_context",
        "num_io_tensors",
        "get_tensor_name",
        "get_tensor_mode",
        "get_tensor_dtype",
        "get_tensor_shape",
        "get_tensor_profile_shape",
    ),
    "IExecutionContext": (
        "set_input_shape",
        "set_tensor_address",
        "get_tensor_shape",
        "execute_async_v3",
    ),
    "TensorIOMode": ("INPUT",),
    "DataType": ("FLOAT", "HALF", "BF16", "INT32", "INT64", "BOOL", "INT8", "UINT8"),
    "ILogger": ("ERROR", "WARNING"),
}
USED_OF_RTX = {
    "ICudaEngine": ("create_runtime_config",),
    "IRuntimeConfig": ("cuda_graph_strategy", "dynamic_shapes_kernel_specialization_strategy"),
    "CudaGraphStrategy": ("WHOLE_GRAPH_CAPTURE",),
    "DynamicShapesKernelSpecializationStrategy": ("EAGER",),
}


@pytest.mark.parametrize("module", ["tensorrt_lean", "tensorrt_rtx"])
def test_the_runtimes_have_what_is_called(module: str) -> None:
    """The lean runtime of TensorRT 11.4 has the interface of the whole one."""
    trt = pytest.importorskip(module)
    for owner, names in USED.items():
        assert [name for name in names if not hasattr(getattr(trt, owner), name)] == [], owner


def test_only_rtx_captures_graphs_by_itself() -> None:
    trt = importlib.import_module("tensorrt_rtx")
    for owner, names in USED_OF_RTX.items():
        assert [name for name in names if not hasattr(getattr(trt, owner), name)] == [], owner
    assert not hasattr(pytest.importorskip("tensorrt_lean"), "CudaGraphStrategy")


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plan")
    onnx.save(operator_model(MergeParameters(3, 8, 1), 12, 6, 4), str(folder / "merge.onnx"))
    request = PlanRequest(
        folder / "merge.onnx", folder / "merge.plan", "tensorrt_rtx", ("sm89",), (1, 2, 4), "fp32", 1
    )
    return build_plan(request).plan


@pytest.mark.skipif(not missing_gpu(), reason="this machine has a GPU")
def test_without_a_driver_the_runtimes_own_words_are_shown(plan: Path) -> None:
    with pytest.raises(BackendError, match=r"(?s)running merge\.plan with TensorRT-RTX 1\..*cudaError"):
        Engine("tensorrt_rtx", plan)


REGISTER = """
import shutil, sys
from pathlib import Path
from pitome.errors import PitomeError
from pitome.runtime.tensorrt import Engine
plan, library, another = map(Path, sys.argv[1:])
copy = Path(shutil.copy(library, plan.with_name("copy.so")))
for plugin in (library, copy, another, plan.with_name("absent.so")):
    try:
        Engine("tensorrt_rtx", plan, plugin=plugin)
    except PitomeError as error:
        print("refused:", error)
import tensorrt_rtx
from pitome.runtime.tensorrt_plugin import CREATOR
print("registered:", tensorrt_rtx.get_plugin_registry().get_creator(*CREATOR).name)
"""


@pytest.mark.skipif(not missing_gpu(), reason="this machine has a GPU")
def test_a_process_registers_the_plugin_once(plan: Path, tmp_path: Path) -> None:
    """Two bundles have a copy each. Without a GPU the runtime ends just behind that."""
    library = built(BUILT_HOST_PLUGIN)
    another = compile_library(tmp_path, NO_CREATORS)
    command = [sys.executable, "-c", REGISTER, str(plan), str(library), str(another)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=module_environment())
    refused = [line for line in done.stdout.splitlines() if line.startswith("refused: ")]
    asked = "refused: running merge.plan with TensorRT-RTX 1."
    assert all(line.startswith(asked) for line in refused)
    assert ["cudaError" in line for line in refused] == [True, True, False, False]
    assert f"with the plugin library {another}: this process has loaded another one, {library}" in refused[2]
    assert "Run it in a process of its own, or build both plans with one library" in refused[2]
    assert f"there is no plugin library {plan.with_name('absent.so')}. Get the bundle again" in refused[3]
    assert done.stdout.splitlines()[-1] == "registered: EnergyMerge"


def test_a_missing_plan(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"running absent\.plan .*: there is no such file\. Build the plan"):
        Engine("tensorrt_rtx", tmp_path / "absent.plan")


def test_a_runtime_that_is_not_installed(plan: Path) -> None:
    try:
        importlib.import_module("tensorrt")
    except ImportError:
        with pytest.raises(BackendError, match=r"TensorRT is not installed .*Run pip install '\.\[gpu\]'"):
            Engine("tensorrt", plan)
    else:
        pytest.skip("TensorRT is installed")
