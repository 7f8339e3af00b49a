"""ONNX to plan: one interface for TensorRT-RTX and classic TensorRT, each in a process of its own."""

from export.engines.base import PlanRequest, PlanResult, Progress
from export.engines.checks import BACKENDS, check_request
from export.engines.plan_header import read_plan_version
from export.engines.plugin_library import read_plugin_version
from export.engines.process import build_plan

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
