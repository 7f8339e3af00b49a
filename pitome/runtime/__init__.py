"""Run a model, a graph or a plan: one protocol, one file per runtime. Imports no torch.

The runtimes themselves are in ``onnxruntime``, ``pytorch``, which needs PyTorch, and ``plans``.
"""

from pitome.runtime.devices import (
    CPU,
    DEVICES,
    Device,
    Provider,
    check_device,
    device_names,
    installed_device,
    parse_device,
)
from pitome.runtime.protocol import Array, DeclaredInput, Inputs, RunResult, Runtime

__all__ = [
    "CPU",
    "DEVICES",
    "Array",
    "DeclaredInput",
    "Device",
    "Inputs",
    "Provider",
    "RunResult",
    "Runtime",
    "check_device",
    "device_names",
    "installed_device",
    "parse_device",
]
