"""ONNX to plan: one interface for TensorRT-RTX and classic TensorRT, each in a process of its own."""

from pitome.export.plans.base import PlanRequest, PlanResult, Progress
from pitome.export.plans.checks import BACKENDS, check_request
from pitome.export.plans.plugin_library import read_plugin_version
from pitome.export.plans.process import build_plan
from pitome.runtime.plans.plan_header import read_plan_version

__all__ = [
    "BACKENDS",
    "PlanRequest",
    "PlanResult",
    "Progress",
    "build_plan",
    "check_request",
    "read_plan_version",
    "read_plugin_version",
]
