"""``--device``: what onnxruntime does not have is refused before long work; the CPU is the default."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnxruntime
import pytest

from pitome.bundle import BuildRecord, read_manifest, verify_bundle, write_manifest
from pitome.cli.option_names import MAKE_VARIABLES
from pitome.engine import keys
from pitome.engine.options import CheckOptions, MergeSettings, ModelOptions, ScheduleOptions
from pitome.engine.prepare import prepare
from pitome.engine.progress import Silent
from pitome.runtime import DEVICES
from pitome.runtime.plans import this_machine
from tests.cli.command_line import QUICK, pitome

without_cuda = pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="CUDA is installed here"
)
NOT_HERE = (
    f"error: --device cuda: onnxruntime {onnxruntime.__version__} here has "
    f"{', '.join(onnxruntime.get_available_providers())}, and not CUDAExecutionProvider. Install "
    "onnxruntime-gpu in place of the onnxruntime that is there (an environment holds one), or use "
    "--device cpu"
)

NO_PLAN = (
    "and no plan of the bundle can run: - model.fp16.tensorrt_rtx.function.plan can't run here: "
    f"{this_machine().why_no_gpu}. Install"
)
NO_RUNTIME = NOT_HERE.replace("CUDAExecutionProvider. Install", f"CUDAExecutionProvider, {NO_PLAN}")


@pytest.fixture(autouse=True)
def _no_make(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands are typed, and not run by make."""
    monkeypatch.delenv(MAKE_VARIABLES, raising=False)


@without_cuda
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_build_and_its_dry_run_refuse_it(clip_folder: Path, tmp_path: Path, dry: tuple[str, ...]) -> None:
    outcome = pitome("engine", clip_folder, "--out", tmp_path / "build", "--device", "cuda", *dry)
    assert (outcome.code, outcome.message) == (2, NOT_HERE), "the model is not even loaded"
    assert list(tmp_path.iterdir()) == []


@without_cuda
@pytest.mark.parametrize("command", ["validate", "bench"])
def test_so_do_the_commands_that_run_a_bundle(copied: Path, command: str) -> None:
    outcome = pitome(command, copied, "--device", "cuda")
    assert (outcome.code, outcome.message) == (2, NO_RUNTIME)


@without_cuda
@pytest.mark.parametrize("command", ["validate", "bench"])
def test_a_bundle_is_run_where_its_build_ran(copied: Path, command: str) -> None:
    set_device(copied, "cuda")
    outcome = pitome(command, copied)
    assert (outcome.code, outcome.message) == (2, NO_RUNTIME)


def set_device(bundle: Path, device: str) -> None:
    """Make a bundle one that was built with this device."""
    manifest = read_manifest(bundle)
    assert manifest.build.check is not None
    check = replace(manifest.build.check, device=device)
    build = BuildRecord.model_validate({**manifest.build.model_dump(), "check": check})
    write_manifest(bundle, manifest.model_copy(update={"build": build}))


def test_or_on_the_device_that_is_asked_for(copied: Path, clip_folder: Path) -> None:
    set_device(copied, "cuda")
    options = (
        "--device",
        "cpu",
        "--weights",
        clip_folder,
        "--batch",
        "1",
        "--latency-seconds",
        "0.1",
        "--json",
    )
    outcome = pitome("bench", copied, *options)
    assert outcome.code == 0, outcome.err
    assert outcome.document["configuration"]["device"] == "cpu"
    assert outcome.document["results"][0]["provider"] == "CPUExecutionProvider"


@pytest.mark.parametrize("command", ["engine", "validate", "bench"])
def test_a_device_of_no_name(tmp_path: Path, command: str) -> None:
    outcome = pitome(command, tmp_path, "--device", "gpu")
    names = ", ".join(repr(device.name) for device in DEVICES)
    assert outcome.code == 2
    assert "error: Invalid value for '--device': " in outcome.message
    assert f"'gpu' is not one of {names}. " in outcome.message


def test_the_cpu_is_the_default(clip_folder: Path, copied: Path) -> None:
    """A build that names it takes over everything, parity and latency too."""
    before = verify_bundle(copied)
    again = pitome("engine", clip_folder, "--out", copied.parent, "--device", "cpu", *QUICK, "--json")
    assert again.code == 0, again.err
    assert again.document["reused"][-2:] == ["parity", "latency"]
    after = verify_bundle(copied)
    assert before.build.check == after.build.check
    assert after.build.check is not None
    assert after.build.check.device == "cpu"
    assert (after.parity_key, after.latency_key) == (before.parity_key, before.latency_key)


def test_no_other_device_takes_over_what_was_found_on_the_cpu(copied: Path, clip_folder: Path) -> None:
    loaded = prepare(ModelOptions(str(clip_folder)), ScheduleOptions(), MergeSettings(), Silent()).loaded
    graphs, cpu, cuda = verify_bundle(copied).onnx, CheckOptions(), CheckOptions(device="cuda")
    assert keys.parity_key(graphs, loaded, cpu) != keys.parity_key(graphs, loaded, cuda)
    assert keys.latency_key(graphs[0], loaded, cpu) != keys.latency_key(graphs[0], loaded, cuda)


@without_cuda
def test_a_backend_of_plans_is_refused_for_its_own_reasons(copied: Path) -> None:
    outcome = pitome("bench", copied, "--device", "cuda", "--backend", "tensorrt_rtx")
    assert outcome.code == 2
    assert outcome.message == (
        "error: --backend tensorrt_rtx with --device cuda: no plan of the bundle can run here: - "
        f"model.fp16.tensorrt_rtx.function.plan can't run here: {this_machine().why_no_gpu}. Run pitome "
        f"build {copied} --backend tensorrt_rtx on this machine, or leave --backend out"
    )
    outcome = pitome("bench", copied, "--device", "cuda", "--backend", "tensorrt")
    assert f"{copied} has no plan of TensorRT; its plans are model.fp16.tensorrt_rtx" in outcome.message
    assert f"Run pitome build {copied} --backend tensorrt" in outcome.message
    outcome = pitome("bench", copied, "--device", "cuda", "--backend", "tensorrt_rtx", "--all")
    assert "--backend tensorrt_rtx with --all: that measures graphs on onnxruntime" in outcome.message
    outcome = pitome("bench", copied, "--device", "cpu", "--backend", "tensorrt_rtx")
    assert "plans run on a GPU only. Use --device cuda" in outcome.message


@without_cuda
def test_tune_refuses_a_gpu_before_its_sweep(tmp_path: Path) -> None:
    outcome = pitome("tune", "fashion-vit", "--device", "cuda", "--out", tmp_path)
    assert outcome.code == 2
    assert outcome.message.startswith("error: --device cuda: onnxruntime ")
    assert "and no plan can be built and run here: - TensorRT: " in outcome.message
    assert f"- TensorRT-RTX: {this_machine().why_no_gpu}. Install onnxruntime-gpu" in outcome.message
    assert list(tmp_path.iterdir()) == []
