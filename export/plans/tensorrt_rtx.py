"""TensorRT-RTX: compiles for several named architectures at once, on a machine without a GPU."""

from __future__ import annotations

from typing import Any

from pitome.errors import InputError
from pitome.export.plans.base import PlanRequest
from pitome.runtime.backends import TENSORRT_RTX

TARGETS = ("sm75", "sm80", "sm86", "sm89", "sm120", "sm121")
"""What TensorRT-RTX 1.7 compiles for. Written down here so that a check needs no import of the library."""

DATACENTER_TARGETS = ("sm90", "sm100", "sm103", "sm110")
"""Architectures that exist but that only classic TensorRT compiles for."""


class TensorRTRTX:
    """The builder of package ``tensorrt-rtx-cu13``."""

    label = TENSORRT_RTX.label
    module = TENSORRT_RTX.module
    distribution = TENSORRT_RTX.distribution
    install = TENSORRT_RTX.install
    has_plugins = TENSORRT_RTX.has_plugins

    def check_targets(self, request: PlanRequest) -> None:
        """Refuse no target, unknown ones, classic TensorRT's, and SM75 with float32 matrix products."""
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
        if "sm75" in request.targets and request.num_merges > 0:
            raise InputError(
                asked,
                "a merge compares tokens in float32 whatever the precision is, and on sm75 TensorRT-RTX "
                "stops with 'FP32 GEMM is not supported'",
                "Leave sm75 out, or build without merging (METHOD=none)",
            )
        if "sm75" in request.targets and request.precision == "fp32":
            raise InputError(
                f"{asked} with PRECISION=fp32",
                "on sm75 TensorRT-RTX stops with 'FP32 GEMM is not supported'",
                "Leave sm75 out, or use PRECISION=fp16",
            )

    def resolve_targets(self, request: PlanRequest) -> tuple[str, ...]:
        """Return the targets as asked."""
        return request.targets

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
