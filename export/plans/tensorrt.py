"""Classic TensorRT: compiles for the GPU in the machine, so it needs one, and takes the merge as a plugin.

No classic TensorRT has run this yet; ``load_plugin`` ran with the registry of TensorRT 11.4's lean runtime.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pitome.errors import BackendError, InputError
from pitome.export.plans.base import MERGE_OPERATOR, PlanRequest
from pitome.extras import install_command

OLDEST_FOR_PLUGIN = (10, 7)
"""Older parsers take an ONNX function although a plugin of its name is registered."""
CREATOR = (MERGE_OPERATOR, "1", "pitome")
"""Name, version and namespace of the plugin's creator: those that the ONNX nodes carry."""


class TensorRT:
    """The builder of package ``tensorrt``."""

    label = "TensorRT"
    module = "tensorrt"
    distribution = "tensorrt"
    install = install_command("gpu")
    has_plugins = True

    def check_targets(self, request: PlanRequest) -> None:
        """Refuse any target but the machine's own GPU."""
        machine = machine_target()
        if request.targets not in ((), (machine,)):
            raise InputError(
                f"TARGETS={','.join(request.targets)} with BACKEND=tensorrt",
                f"TensorRT compiles for the GPU in the machine only, and that is {machine}",
                f"Use TARGETS={machine}, leave TARGETS empty, or use BACKEND=tensorrt_rtx",
            )

    def resolve_targets(self, request: PlanRequest) -> tuple[str, ...]:
        """Return the machine's own GPU."""
        return (machine_target(),)

    def set_targets(self, trt: Any, config: Any, targets: tuple[str, ...]) -> None:
        """Do nothing: the builder asks the driver."""


def check_plugin_support(version: str) -> None:
    """Refuse a TensorRT that is too old to prefer the plugin.

    Raises:
        BackendError: it is older than 10.7.
    """
    if tuple(int(number) for number in re.findall(r"\d+", version)[:2]) < OLDEST_FOR_PLUGIN:
        oldest = ".".join(map(str, OLDEST_FOR_PLUGIN))
        raise BackendError(
            "MERGE_PATH=plugin with BACKEND=tensorrt",
            f"TensorRT {version} prefers the function's body to the plugin; {oldest} is the first not to",
            f"Install TensorRT {oldest} or newer, or use MERGE_PATH=function",
        )


def load_plugin(trt: Any, asked: str, library: Path, errors: Sequence[str]) -> None:
    """Put the creator of a plugin library into TensorRT's registry, for as long as this process lives.

    Args:
        trt: the imported module.
        asked: what an error begins with.
        library: the plugin library.
        errors: what the logger has heard, and goes on hearing.

    Raises:
        BackendError: this TensorRT is too old, it did not load the library, or the merge is not in it.
    """
    check_plugin_support(trt.__version__)
    registry = trt.get_plugin_registry()
    remedy = "Run `make plugin` or `pitome plugin`, or use MERGE_PATH=function"
    heard = len(errors)
    if registry.load_library(str(library)) is None:
        reasons = "".join(f"\n  - {line.strip()}" for line in errors[heard:])
        raise BackendError(asked, f"TensorRT did not load the plugin library {library}{reasons}", remedy)
    if registry.get_creator(*CREATOR) is None:
        name, version, namespace = CREATOR
        raise BackendError(
            asked, f"{library} has no creator of {namespace}::{name} version {version}", remedy
        )


def machine_target() -> str:
    """Name the architecture of the first GPU, such as ``"sm89"``.

    Raises:
        BackendError: cuda-python is not installed, or there is no NVIDIA driver or GPU.
    """
    try:
        driver: Any = importlib.import_module("cuda.bindings.driver")
    except ImportError as error:
        raise BackendError(
            "BACKEND=tensorrt", f"cuda-python is not installed ({error})", f"Run {TensorRT.install}"
        ) from error
    capability = driver.CUdevice_attribute
    try:
        _ask(driver.cuInit(0))
        device = _ask(driver.cuDeviceGet(0))
        major = _ask(
            driver.cuDeviceGetAttribute(capability.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device)
        )
        minor = _ask(
            driver.cuDeviceGetAttribute(capability.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device)
        )
    except RuntimeError as error:  # cuda-python raises it too, where libcuda cannot be loaded
        raise BackendError(
            "BACKEND=tensorrt",
            f"TensorRT builds on the GPU it builds for, and none answers here ({error})",
            "Run this on a machine with an NVIDIA GPU and driver, or use BACKEND=tensorrt_rtx",
        ) from error
    return f"sm{major}{minor}"


def _ask(answer: tuple[Any, ...]) -> Any:
    """Return the value of one driver call, which comes as ``(status, value)``."""
    status, *values = answer
    if int(status) != 0:
        raise RuntimeError(str(status))
    return values[0] if values else None
