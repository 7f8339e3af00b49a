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
    install: str
    """The command that installs it."""
    has_plugins: bool
    """Whether it makes plugin layers; where not, a plugin library must never be loaded into its process."""


TENSORRT_RTX = PlanBackend(
    name="tensorrt_rtx",
    label="TensorRT-RTX",
    module="tensorrt_rtx",
    distribution="tensorrt-rtx-cu13",
    install=install_command("build"),
    has_plugins=False,  # it would end in std::terminate
)
TENSORRT = PlanBackend(
    name="tensorrt",
    label="TensorRT",
    module="tensorrt",
    distribution="tensorrt",
    install=install_command("gpu"),
    has_plugins=True,
)
PLAN_BACKENDS = (TENSORRT_RTX, TENSORRT)


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
