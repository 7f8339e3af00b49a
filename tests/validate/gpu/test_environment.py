from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest
import torch

from pitome.validate.gpu.environment import (
    NOT_INSTALLED,
    GpuState,
    describe_environment,
    missing_gpu,
    parse_smi,
    read_state,
    why_no_gpu,
)

LINE = "580.82.09, 1980, 2520, 10501, [N/A], 450.00, 61"


@pytest.mark.parametrize(
    ("cuda", "capability", "reason"),
    [
        (
            None,
            None,
            "PyTorch 2.13.0 was built without CUDA. Install a CUDA build of it: https://pytorch.org",
        ),
        (
            "13.0",
            None,
            "PyTorch 2.13.0 for CUDA 13.0 finds no GPU. Check with nvidia-smi that the driver runs",
        ),
        ("13.0", (7, 0), "the GPU is an sm70. Use one from sm75 (Turing) on"),
    ],
)
def test_why_no_gpu(cuda: str | None, capability: tuple[int, int] | None, reason: str) -> None:
    assert why_no_gpu("2.13.0", cuda, capability).startswith(reason)


@pytest.mark.parametrize("capability", [(7, 5), (8, 9), (12, 0)])
def test_a_gpu_that_will_do(capability: tuple[int, int]) -> None:
    assert why_no_gpu("2.13.0", "13.0", capability) == ""


def test_what_this_machine_lacks() -> None:
    assert (missing_gpu() == "") == (
        torch.cuda.is_available() and torch.cuda.get_device_capability() >= (7, 5)
    )


def test_a_line_of_nvidia_smi() -> None:
    assert parse_smi(LINE) == {
        "driver": "580.82.09",
        "sm_clock": "1980",
        "largest_sm_clock": "2520",
        "memory_clock": "10501",
        "power_limit": "450.00",
        "temperature": "61",
    }
    assert parse_smi("No devices were found") == {}
    assert "power_limit" not in parse_smi(LINE.replace("450.00", "[Not Supported]"))


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in place of nvidia-smi, first on the path."""
    program = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return program


def write_program(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_clocks_come_from_nvidia_smi(smi: Path) -> None:
    write_program(smi, f'echo "$1" > {smi.parent}/asked; echo "{LINE}"')
    assert read_state() == GpuState(
        sm_clock=1980, largest_sm_clock=2520, memory_clock=10501, power_limit=450, temperature=61
    )
    asked = (smi.parent / "asked").read_text().strip()
    assert asked == (
        "--query-gpu=driver_version,clocks.sm,clocks.max.sm,clocks.mem,clocks.max.mem,power.limit,temperature.gpu"
    )
    assert describe_environment().driver == "580.82.09"


@pytest.mark.parametrize(
    "body", ["exit 9", "echo 'Failed to initialize NVML'", "true", f'echo "{LINE}"; exit 1']
)
def test_an_nvidia_smi_that_does_not_tell(smi: Path, body: str) -> None:
    write_program(smi, body)
    assert read_state() == GpuState()


def test_the_environment_names_versions_and_nobody() -> None:
    found = describe_environment()
    assert found.torch == torch.__version__
    assert found.packages["onnx"] != NOT_INSTALLED
    text = found.model_dump_json()
    assert platform.node() not in text
    assert str(Path.home()) not in text
