"""What stands between a plan's file and its deserialisation, on a machine without a GPU, with a real plan."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest

from pitome.bundle.graph_records import PlanRecord
from pitome.bundle.record import NativeRecord
from pitome.child_process import module_environment
from pitome.errors import BackendError, BundleError, InputError
from pitome.export.plans import PlanRequest, build_plan
from pitome.parameters import MergeParameters
from pitome.runtime.plans import Gpu, Machine, PluginFile, open_plan, this_machine
from tests.checkout import ROOT
from tests.export.plans.plugin_files import BUILT_HOST_PLUGIN, NO_CREATORS, built, compile_library
from tests.operator_model import operator_model
from tests.pitome.runtime.plans.fake_gpu import FakeTensor, cudaError_t, fake_plan, install

RTX = "1.7.1.116"
L4 = Machine(Gpu("NVIDIA L4", "sm89"), versions={"tensorrt_rtx": RTX, "tensorrt": "10.14.1.48"})
KEY = "0" * 64
no_gpu = pytest.mark.skipif(this_machine().gpu is not None, reason="this machine has a GPU")


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of TensorRT-RTX for sm89, built here: one merge by the function."""
    folder = tmp_path_factory.mktemp("plan")
    onnx.save(operator_model(MergeParameters(3, 8, 1), 12, 6, 4), str(folder / "merge.onnx"))
    request = PlanRequest(
        folder / "merge.onnx", folder / "merge.plan", "tensorrt_rtx", ("sm89",), (1, 2, 4), "fp32", 1
    )
    return build_plan(request).plan


def record_of(content: bytes, **changes: Any) -> PlanRecord:
    values = {
        "file": "merge.plan",
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "backend": "tensorrt_rtx",
        "backend_version": RTX,
        "targets": ("sm89",),
        "profile": (1, 2, 4),
        "precision": "fp32",
        "merge_path": "function",
        "executed": False,
        "build_seconds": 1.0,
        "key": KEY,
    }
    return PlanRecord(**{**values, **changes})


def plugin_record(content: bytes, **changes: Any) -> NativeRecord:
    values = {"file": "libpitome_plugin.so", "kind": "tensorrt", "version": "0.1.0"}
    return NativeRecord(**{**values, "sha256": hashlib.sha256(content).hexdigest(), **changes})


@no_gpu
def test_on_this_machine_it_is_the_gpu_that_is_missing(plan: Path) -> None:
    pytest.importorskip("cuda.bindings.runtime")
    with pytest.raises(BackendError) as caught:
        open_plan("tensorrt_rtx", plan)
    assert str(caught.value).startswith(
        f"running merge.plan with TensorRT-RTX {RTX}: no GPU answers here (cudaGetDeviceCount: "
        "cudaErrorInsufficientDriver: there is no NVIDIA driver or GPU, or the driver is too old for this "
        "cuda-python). Check with nvidia-smi"
    )


@no_gpu
def test_behind_every_check_the_library_itself_finds_no_gpu(plan: Path) -> None:
    """The machine is made up, the library and the plan are real: the checks let it through."""
    with pytest.raises(BackendError, match=r"the runtime (does not start|refuses the plan): .*cudaError"):
        open_plan("tensorrt_rtx", plan, record=record_of(plan.read_bytes()), machine=L4)


@pytest.mark.parametrize(
    ("machine", "kind", "text"),
    [
        (
            replace(L4, versions={}),
            BackendError,
            "merge.plan with TensorRT-RTX: TensorRT-RTX is not installed. Run pip install '.[rtx]'",
        ),
        (
            Machine(None, "cuda-python is not installed (No module)", "Run pip", {"tensorrt_rtx": RTX}),
            BackendError,
            "cuda-python is not installed (No module). Run pip",
        ),
        (
            replace(L4, versions={"tensorrt_rtx": "1.8.0.5"}),
            BundleError,
            f"it was built by TensorRT-RTX {RTX}, and 1.8.0.5 is installed. Install TensorRT-RTX {RTX}, or "
            "run `pitome build` again",
        ),
        (
            replace(L4, gpu=Gpu("NVIDIA H100 80GB HBM3", "sm90")),
            BundleError,
            "it is for sm89, and this GPU (NVIDIA H100 80GB HBM3) is sm90. Run on one of sm89, or run "
            "`pitome build` for this GPU: --backend tensorrt, on this machine",
        ),
        (
            replace(L4, gpu=Gpu("NVIDIA A100-SXM4-80GB", "sm80")),
            BundleError,
            "Run on one of sm89, or run `pitome build` for this GPU: --backend tensorrt_rtx --targets sm80",
        ),
    ],
)
def test_each_mismatch_has_its_own_error(
    monkeypatch: pytest.MonkeyPatch, machine: Machine, kind: type[Exception], text: str
) -> None:
    fake = install(monkeypatch, dict, "tensorrt_rtx", RTX)
    content = fake_plan((FakeTensor("x", "FLOAT", (-1, 2)),), tag=b"vtrt", version=(1, 7, 1, 116))
    with pytest.raises(kind) as caught:
        open_plan("tensorrt_rtx", content, record=record_of(content), machine=machine)
    assert text in str(caught.value)
    assert fake.trt.deserialised == 0


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "the file is not a TensorRT plan"),
        (b"PK\x03\x04" + bytes(100), "the file is not a TensorRT plan"),
        (b"vtrt" + bytes(10), "the file is cut short: 14 bytes"),
        (
            fake_plan((), tag=b"vtrt", version=(1, 7, 1, 116))[:-1],
            "bytes and its header says",
        ),
        (
            fake_plan((), tag=b"vtrt", version=(1, 6, 0, 35)),
            f"it was built by TensorRT-RTX 1.6.0.35, and {RTX} is installed",
        ),
        (fake_plan(()), "the file was written by TensorRT, not TensorRT-RTX. Use BACKEND=tensorrt"),
    ],
)
def test_the_plan_itself_says_who_wrote_it(
    monkeypatch: pytest.MonkeyPatch, content: bytes, text: str
) -> None:
    """Whatever a manifest says: this is of the bytes that would be deserialised."""
    fake = install(monkeypatch, dict, "tensorrt_rtx", RTX)
    with pytest.raises((BackendError, BundleError)) as caught:
        open_plan("tensorrt_rtx", content, record=record_of(content), machine=L4)
    assert text in str(caught.value)
    assert fake.trt.deserialised == 0


def test_a_missing_file_and_another_backend(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"running absent\.plan .*: there is no such file\. Build the plan"):
        open_plan("tensorrt_rtx", tmp_path / "absent.plan", machine=L4)
    with pytest.raises(InputError, match="can't be read"):
        open_plan("tensorrt_rtx", tmp_path, machine=L4)
    with pytest.raises(BundleError, match=r"it is a plan of tensorrt_rtx\. Use BACKEND=tensorrt_rtx"):
        open_plan("tensorrt", b"", record=record_of(b""), machine=L4)
    with pytest.raises(InputError, match="BACKEND=tensorflow: there is no such plan builder"):
        open_plan("tensorflow", b"", machine=L4)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"sha256": KEY}, "is not the recorded one of version 0.1.0: expected sha256 000000000000, found"),
        ({"arch": "aarch64"}, "its plugin library can't be loaded: it is for aarch64, this machine is"),
        (
            {"glibc": "2.99"},
            "its plugin library can't be loaded: it needs glibc 2.99, this machine has glibc",
        ),
    ],
)
def test_a_plugin_library_that_does_not_fit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, changes: dict[str, str], text: str
) -> None:
    fake = install(monkeypatch, dict, "tensorrt_rtx", RTX)
    library = tmp_path / "libpitome_plugin.so"
    library.write_bytes(b"a plugin")
    content = fake_plan((), tag=b"vtrt", version=(1, 7, 1, 116))
    record = record_of(content, merge_path="plugin", plugin_layers=1)
    plugin = PluginFile(library, plugin_record(b"a plugin", **changes))
    with pytest.raises(BundleError) as caught:
        open_plan("tensorrt_rtx", content, record=record, plugin=plugin, machine=L4)
    assert text in str(caught.value)
    assert fake.trt.deserialised == 0


def test_a_plugin_library_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(monkeypatch, dict, "tensorrt_rtx", RTX)
    content = fake_plan((), tag=b"vtrt", version=(1, 7, 1, 116))
    record = record_of(content, merge_path="plugin", plugin_layers=1)
    with pytest.raises(BundleError, match="it needs the plugin library, and the bundle has none"):
        open_plan("tensorrt_rtx", content, record=record, machine=L4)
    plugin = PluginFile(tmp_path / "absent.so", plugin_record(b""))
    with pytest.raises(InputError, match=r"there is no plugin library .*absent\.so. Get the bundle again"):
        open_plan("tensorrt_rtx", content, record=record, plugin=plugin, machine=L4)


REGISTER = """
import shutil, sys
from pathlib import Path
from pitome.errors import PitomeError
from pitome.runtime.plans import Gpu, Machine, open_plan
import tensorrt_rtx
plan, library, another = map(Path, sys.argv[1:])
machine = Machine(Gpu("made up", "sm89"), versions={"tensorrt_rtx": tensorrt_rtx.__version__})
copy = Path(shutil.copy(library, plan.with_name("copy.so")))
for plugin in (library, copy, another, plan.with_name("absent.so")):
    try:
        open_plan("tensorrt_rtx", plan, plugin=plugin, machine=machine)
    except PitomeError as error:
        print("refused:", error)
from pitome.runtime.tensorrt_plugin import CREATOR
print("registered:", tensorrt_rtx.get_plugin_registry().get_creator(*CREATOR).name)
print("torch:", "torch" in sys.modules)
"""


@no_gpu
def test_a_process_registers_the_plugin_once(plan: Path, tmp_path: Path) -> None:
    """Two bundles have a copy each. What is loaded is a copy in memory, and the real registry takes it."""
    library = built(BUILT_HOST_PLUGIN)
    another = compile_library(tmp_path, NO_CREATORS)
    command = [sys.executable, "-c", REGISTER, str(plan), str(library), str(another)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=module_environment())
    refused = [line for line in done.stdout.splitlines() if line.startswith("refused: ")]
    asked = "refused: running merge.plan with TensorRT-RTX 1."
    assert all(line.startswith(asked) for line in refused), done.stdout
    assert ["cudaError" in line for line in refused] == [True, True, False, False]
    assert f"with the plugin library {another}: this process has loaded another one, {library}" in refused[2]
    assert "Run it in a process of its own, or build both plans with one library" in refused[2]
    assert f"there is no plugin library {plan.with_name('absent.so')}. Get the bundle again" in refused[3]
    assert done.stdout.splitlines()[-2:] == ["registered: EnergyMerge", "torch: False"]


def test_a_runtime_that_is_not_installed(plan: Path) -> None:
    if importlib.util.find_spec("tensorrt") is not None:
        pytest.skip("TensorRT is installed")
    with pytest.raises(BackendError, match=r"TensorRT is not installed.* Run pip install '\.\[gpu\]'"):
        open_plan("tensorrt", plan)


@pytest.mark.parametrize(
    ("status", "devices", "text"),
    [
        (100, 0, "no GPU answers here (cudaGetDeviceCount: cudaErrorNoDevice: there is no NVIDIA driver or"),
        (35, 0, "cudaErrorInsufficientDriver: there is no NVIDIA driver or GPU, or the driver is too old"),
        (0, 0, "CUDA shows this process no GPU"),
        (700, 1, "no GPU answers here (cudaGetDeviceCount: cudaErrorIllegalAddress)"),
    ],
)
def test_why_a_machine_has_no_gpu(
    monkeypatch: pytest.MonkeyPatch, status: int, devices: int, text: str
) -> None:
    fake = install(monkeypatch, dict)
    fake.cuda.status, fake.cuda.devices = cudaError_t(status), devices
    machine = this_machine()
    assert machine.gpu is None
    assert text in machine.why_no_gpu
    assert "CUDA_VISIBLE_DEVICES" in machine.remedy


def test_a_machine_with_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, dict)
    assert this_machine().gpu == Gpu("NVIDIA L4", "sm89", "13.0")


def test_without_cuda_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", None)
    machine = this_machine()
    assert machine.why_no_gpu.startswith("cuda-python is not installed (")
    assert machine.remedy == "Run pip install '.[gpu]'"


def test_production_needs_no_torch() -> None:
    script = (
        "import sys, pitome.runtime.plans, pitome.runtime.plans.engine; from pitome.runtime.plans import *\n"
        "this_machine()\n"
        "sys.exit(({'torch', 'transformers', 'onnx', 'tensorrt_rtx'} & set(sys.modules) or 0))"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
