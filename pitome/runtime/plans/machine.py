"""What of the machine decides whether a plan runs: its GPU, its driver, and the libraries. Imports numpy only
where cuda-python is there."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from types import MappingProxyType

from pitome.errors import BackendError
from pitome.extras import install_command
from pitome.runtime.backends import PLAN_BACKENDS, PlanBackend

NO_DRIVER = ("cudaErrorInsufficientDriver", "cudaErrorNoDevice", "cudaErrorStubLibrary")
"""What CUDA says where there is no driver, none that is new enough, or no GPU."""


@dataclass(frozen=True)
class Gpu:
    """The first GPU that CUDA shows this process."""

    name: str
    """Such as "NVIDIA L4"."""
    target: str
    """Its architecture, such as "sm89"."""
    driver: str = ""
    """The CUDA version that its driver serves, such as "13.0"."""


@dataclass(frozen=True)
class Machine:
    """One machine, or a made-up one in a test."""

    gpu: Gpu | None = None
    why_no_gpu: str = "no GPU was looked for"
    """Where ``gpu`` is None."""
    remedy: str = "Run it on a machine with an NVIDIA GPU and driver"
    versions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Backend -> version of the library that is installed; those that are not are not in it."""


def this_machine() -> Machine:
    """The machine as it is. Never raises: what is missing is in it."""
    versions = {each.name: found for each in PLAN_BACKENDS if (found := installed_version(each)) is not None}
    try:
        return Machine(first_gpu(), "", "", MappingProxyType(versions))
    except BackendError as error:
        return Machine(None, error.found, error.remedy, MappingProxyType(versions))


def installed_version(backend: PlanBackend) -> str | None:
    """The version of a backend's library, imported only where no package says it; None: not installed."""
    if importlib.util.find_spec(backend.module) is None:
        return None
    for distribution in backend.distributions:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    try:  # installed another way, such as from NVIDIA's archive
        return str(importlib.import_module(backend.module).__version__)
    except (ImportError, OSError, AttributeError):
        return None


def first_gpu(asked: str = "a plan on a GPU") -> Gpu:
    """The first GPU that CUDA shows this process.

    Raises:
        BackendError: cuda-python is not installed, or no driver or no GPU answers.
    """
    try:
        from pitome.runtime.plans.cuda import CudaError, call, cuda_runtime

        runtime = cuda_runtime()
    except ImportError as error:
        raise BackendError(
            asked, f"cuda-python is not installed ({error})", f"Run {install_command('gpu')}"
        ) from error
    attribute = runtime.cudaDeviceAttr
    try:
        if not call("cudaGetDeviceCount"):
            raise BackendError(asked, "CUDA shows this process no GPU", _REMEDY)
        major = call("cudaDeviceGetAttribute", attribute.cudaDevAttrComputeCapabilityMajor, 0)
        minor = call("cudaDeviceGetAttribute", attribute.cudaDevAttrComputeCapabilityMinor, 0)
        name = call("cudaGetDeviceProperties", 0).name
        driver = int(call("cudaDriverGetVersion"))
    except (CudaError, RuntimeError) as error:  # cuda-python raises RuntimeError where it finds no library
        told = str(error)
        if getattr(error, "name", "") in NO_DRIVER:
            told = f"{error}: there is no NVIDIA driver or GPU, or the driver is too old for this cuda-python"
        raise BackendError(asked, f"no GPU answers here ({told})", _REMEDY) from error
    told_name = name.decode(errors="replace").rstrip("\0") if isinstance(name, bytes) else str(name)
    return Gpu(told_name, f"sm{major}{minor}", f"{driver // 1000}.{driver % 1000 // 10}")


_REMEDY = (
    "Check with nvidia-smi that the driver runs and shows a GPU, and that CUDA_VISIBLE_DEVICES hides none"
)
