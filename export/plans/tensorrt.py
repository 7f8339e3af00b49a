"""Classic TensorRT: compiles for the GPU in the machine, so it needs one, and takes the merge as a plugin.

No classic TensorRT has run this yet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pitome.errors import BackendError, InputError
from pitome.export.plans.base import PlanRequest
from pitome.runtime.backends import TENSORRT
from pitome.runtime.plans.machine import first_gpu


class TensorRT:
    """The builder of package ``tensorrt``."""

    library = TENSORRT

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

    def named_libraries(self) -> dict[str, Path]:
        """Return nothing: its parser is linked with what it needs."""
        return {}

    def set_targets(self, trt: Any, config: Any, targets: tuple[str, ...]) -> None:
        """Do nothing: the builder asks the driver."""


def machine_target() -> str:
    """Name the architecture of the first GPU, such as ``"sm89"``.

    Raises:
        BackendError: cuda-python is not installed, or there is no NVIDIA driver or GPU.
    """
    try:
        return first_gpu("BACKEND=tensorrt").target
    except BackendError as error:
        if error.found.startswith("cuda-python"):
            raise
        raise BackendError(
            error.asked,
            f"TensorRT builds on the GPU it builds for, and {error.found}",
            "Run this on a machine with an NVIDIA GPU and driver, or use BACKEND=tensorrt_rtx",
        ) from error
