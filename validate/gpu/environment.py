"""The machine of a GPU report, and why there may be nothing to run on it."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata

import torch

from pitome import __version__
from pitome.bundle.manifest import Record
from pitome.validate.bench.latency import cpu_model

OLDEST_CAPABILITY = (7, 5)
"""The plugin library holds code from SM75 on."""
NOT_INSTALLED = "not installed"

_DISTRIBUTIONS = {
    "TensorRT": ("tensorrt", "tensorrt-cu13", "tensorrt-cu12"),
    "TensorRT-RTX": ("tensorrt-rtx-cu13", "tensorrt-rtx-cu12", "tensorrt-rtx"),
    "onnx": ("onnx",),
    "transformers": ("transformers",),
}
_SMI_FIELDS = {
    "driver": "driver_version",
    "sm_clock": "clocks.sm",
    "largest_sm_clock": "clocks.max.sm",
    "memory_clock": "clocks.mem",
    "largest_memory_clock": "clocks.max.mem",
    "power_limit": "power.limit",
    "temperature": "temperature.gpu",
}


class Environment(Record):
    """What the numbers depend on. Nothing in it tells whose machine it is."""

    gpu: str | None
    capability: str | None
    """Such as "sm89"."""
    multiprocessors: int | None
    memory_gib: float | None
    driver: str | None
    pitome: str
    torch: str
    cuda: str | None
    """Of PyTorch."""
    cudnn: str | None
    packages: dict[str, str]
    python: str
    system: str
    cpu: str


class GpuState(Record):
    """Clocks in MHz, power in W, temperature in degrees Celsius, as nvidia-smi told them at one moment."""

    sm_clock: float | None = None
    largest_sm_clock: float | None = None
    memory_clock: float | None = None
    largest_memory_clock: float | None = None
    power_limit: float | None = None
    temperature: float | None = None


def missing_gpu() -> str:
    """Why nothing can run on a GPU here; empty where something can."""
    available = torch.cuda.is_available()
    capability = torch.cuda.get_device_capability() if available else None
    return why_no_gpu(str(torch.__version__), torch.version.cuda, capability)


def why_no_gpu(version: str, cuda: str | None, capability: tuple[int, int] | None) -> str:
    """``missing_gpu`` of a PyTorch ``version`` for ``cuda`` that sees a GPU of ``capability``, or none."""
    if cuda is None:
        return f"PyTorch {version} was built without CUDA. Install a CUDA build of it: https://pytorch.org"
    if capability is None:
        return (
            f"PyTorch {version} for CUDA {cuda} finds no GPU. Check with nvidia-smi that the driver runs and "
            f"is new enough for CUDA {cuda}"
        )
    if capability < OLDEST_CAPABILITY:
        oldest = "".join(map(str, OLDEST_CAPABILITY))
        return f"the GPU is an sm{capability[0]}{capability[1]}. Use one from sm{oldest} (Turing) on"
    return ""


def machine_target() -> str:
    """The architecture of PyTorch's first GPU, such as "sm89"."""
    return "sm{}{}".format(*torch.cuda.get_device_capability())


def describe_environment() -> Environment:
    """The machine as it is; what cannot be asked is None."""
    gpu = torch.cuda.get_device_properties(0) if torch.cuda.is_available() else None
    cudnn = torch.backends.cudnn.version()
    return Environment(
        gpu=gpu.name if gpu else None,
        capability=machine_target() if gpu else None,
        multiprocessors=gpu.multi_processor_count if gpu else None,
        memory_gib=round(gpu.total_memory / 2**30, 1) if gpu else None,
        driver=_ask_smi().get("driver"),
        pitome=__version__,
        torch=str(torch.__version__),
        cuda=torch.version.cuda,
        cudnn=None if cudnn is None else str(cudnn),
        packages={name: _installed(*names) for name, names in _DISTRIBUTIONS.items()},
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        cpu=cpu_model(),
    )


def read_state() -> GpuState:
    """The GPU's clocks now; empty where nvidia-smi does not tell."""
    answers = _ask_smi()
    return GpuState(**{name: _number(answers.get(name)) for name in GpuState.model_fields})


def parse_smi(line: str) -> Mapping[str, str]:
    """The fields that one line of nvidia-smi's CSV answers; those it has no answer for are left out."""
    values = [value.strip() for value in line.split(",")]
    if len(values) != len(_SMI_FIELDS):
        return {}
    # What a GPU does not tell stands in brackets, such as [N/A] and [Not Supported].
    return {
        name: value for name, value in zip(_SMI_FIELDS, values, strict=True) if value[:1] not in ("", "[")
    }


def _ask_smi() -> Mapping[str, str]:
    command = ["nvidia-smi", f"--query-gpu={','.join(_SMI_FIELDS.values())}", "--format=csv,noheader,nounits"]
    if torch.cuda.is_available():
        # Not an index: CUDA_VISIBLE_DEVICES gives PyTorch another count than nvidia-smi's.
        command.append(f"--id=GPU-{torch.cuda.get_device_properties(0).uuid}")
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return {}
    lines = answer.stdout.strip().splitlines()
    return parse_smi(lines[0]) if answer.returncode == 0 and lines else {}


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _installed(*distributions: str) -> str:
    for name in distributions:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return NOT_INSTALLED
