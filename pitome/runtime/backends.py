"""The libraries that build and run plans: what their packages are called. Imports none of them."""

from __future__ import annotations

from dataclasses import dataclass

from pitome.errors import InputError
from pitome.extras import install_command


@dataclass(frozen=True)
class PlanBackend:
    """One library of NVIDIA's TensorRT family."""

    name: str
    """Value of ``BACKEND=``."""
    label: str
    """Its name in messages."""
    module: str
    """Its Python module."""
    distribution: str
    """The package that the module comes in."""
    distributions: tuple[str, ...]
    """All packages that it comes in."""
    install: str
    """The command that installs it."""
    oldest_with_plugin: tuple[int, int]
    """The first version whose parser is known to take the plugin although the file has a function too."""


TENSORRT_RTX = PlanBackend(
    name="tensorrt_rtx",
    label="TensorRT-RTX",
    module="tensorrt_rtx",
    distribution="tensorrt-rtx-cu13",
    distributions=("tensorrt-rtx-cu13", "tensorrt-rtx-cu12", "tensorrt-rtx"),
    install=install_command("rtx"),
    oldest_with_plugin=(1, 7),  # tried with 1.7.1; what was written of older ones says they have no plugins
)
TENSORRT = PlanBackend(
    name="tensorrt",
    label="TensorRT",
    module="tensorrt",
    distribution="tensorrt",
    distributions=("tensorrt", "tensorrt-cu13", "tensorrt-cu12"),
    install=install_command("gpu"),
    oldest_with_plugin=(10, 7),  # older ones prefer the function
)
PLAN_BACKENDS = (TENSORRT_RTX, TENSORRT)

AUTO, ONNXRUNTIME = "auto", "onnxruntime"
RUN_BACKENDS = (AUTO, ONNXRUNTIME, *(backend.name for backend in PLAN_BACKENDS))
"""What may be asked to run a bundle."""


def find_plan_backend(name: str) -> PlanBackend:
    """The library of that name, installed or not.

    Raises:
        InputError: there is none.
    """
    for backend in PLAN_BACKENDS:
        if backend.name == name:
            return backend
    names = [backend.name for backend in PLAN_BACKENDS]
    raise InputError(
        f"BACKEND={name}",
        "there is no such plan builder",
        f"Choose {', '.join(names[:-1])} or {names[-1]}",
    )
