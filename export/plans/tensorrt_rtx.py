"""TensorRT-RTX: compiles for several named architectures at once, on a machine without a GPU."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from pitome.errors import InputError
from pitome.export.plans.base import PlanRequest
from pitome.runtime.backends import TENSORRT_RTX
from pitome.runtime.plans.fit import RTX_TARGETS

TARGETS = RTX_TARGETS

_LIBRARIES, _UNVERSIONED = "tensorrt_rtx_libs", "libtensorrt_rtx.so"

DATACENTER_TARGETS = ("sm90", "sm100", "sm103", "sm110")
"""Architectures that exist but that only classic TensorRT compiles for."""


class TensorRTRTX:
    """The builder of package ``tensorrt-rtx-cu13``."""

    library = TENSORRT_RTX

    def check_targets(self, request: PlanRequest) -> None:
        """Refuse no target, unknown ones, classic TensorRT's, and SM75 with what Turing does not multiply."""
        asked = f"TARGETS={','.join(request.targets)}"
        if not request.targets:
            raise InputError(
                "TARGETS is empty",
                "TensorRT-RTX compiles for named GPU architectures",
                f"Name at least one of {', '.join(TARGETS)}",
            )
        for target in request.targets:
            if target in DATACENTER_TARGETS:
                raise InputError(
                    asked,
                    f"TensorRT-RTX does not compile for {target}, only for {', '.join(TARGETS)}",
                    f"Leave {target} out, or use BACKEND=tensorrt on a machine with that GPU",
                )
            if target not in TARGETS:
                raise InputError(
                    asked,
                    f"{target!r} is not a GPU architecture that TensorRT-RTX knows",
                    f"Choose from {', '.join(TARGETS)}",
                )
        if "sm75" in request.targets:
            _check_sm75(asked, request)

    def resolve_targets(self, request: PlanRequest) -> tuple[str, ...]:
        """Return the targets as asked."""
        return request.targets

    def named_libraries(self) -> dict[str, Path]:
        """Return the library by its unversioned name.

        With the first plugin of a file, the parser of 1.7.1 opens the library by that name and ends the
        process (std::terminate) where it is not found; NVIDIA's package has the versioned name only.
        """
        package = importlib.util.find_spec(_LIBRARIES)
        folders = (package and package.submodule_search_locations) or ()
        found = [path for folder in folders for path in sorted(Path(folder).glob(f"{_UNVERSIONED}.*"))]
        # Installed another way, the library is where the system's loader looks.
        return {_UNVERSIONED: found[0]} if found else {}

    def set_targets(self, trt: Any, config: Any, targets: tuple[str, ...]) -> None:
        """Ask for every target; one plan holds them all."""
        config.num_compute_capabilities = len(targets)
        for index, target in enumerate(targets):
            capability = getattr(trt.ComputeCapability, target.upper(), None)
            if capability is None or not config.set_compute_capability(capability, index):
                raise InputError(
                    f"TARGETS={','.join(targets)}",
                    f"TensorRT-RTX {trt.__version__} does not compile for {target}",
                    f"Leave {target} out",
                )


def _check_sm75(asked: str, request: PlanRequest) -> None:
    """Turing's tensor cores multiply float16 only. Each sentence in quotes is the builder's own."""
    float32 = "on sm75 TensorRT-RTX stops with 'FP32 GEMM is not supported'"
    if request.num_merges > 0 and request.merge_path == "function":
        raise InputError(
            f"{asked} with MERGE_PATH=function",
            f"the function compares tokens in float32 whatever the precision is, and {float32}",
            "Leave sm75 out, use MERGE_PATH=plugin, or build without merging (METHOD=none)",
        )
    if request.precision != "fp16":
        found = {"fp32": float32, "bf16": "sm75 has no bfloat16"}[request.precision]
        raise InputError(
            f"{asked} with PRECISION={request.precision}", found, "Leave sm75 out, or use PRECISION=fp16"
        )
