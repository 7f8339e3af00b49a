"""The merge's plugin library and the plugin registry: which TensorRT takes it, and how it is put in.

TensorRT-RTX has a registry of its own with the same interface, and takes the same library. ``load_plugin``
ran with it and with the registry of TensorRT 11.4's lean runtime; no classic TensorRT has run it yet.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pitome.errors import BackendError
from pitome.runtime.backends import PlanBackend

MERGE_OPERATOR = "EnergyMerge"
"""The ONNX operator, and the plugin's name. Not from pitome.op, which imports torch."""
CREATOR = (MERGE_OPERATOR, "2", "pitome")
"""Name, version and namespace of the plugin's creator: those that the ONNX nodes carry."""


def knows_plugins(backend: PlanBackend, version: str) -> bool:
    """Whether a version is new enough to prefer the plugin to the function."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    return numbers >= backend.oldest_with_plugin


def check_plugin_support(backend: PlanBackend, version: str) -> None:
    """Refuse a version that is too old to prefer the plugin to the function.

    Raises:
        BackendError: as said.
    """
    if not knows_plugins(backend, version):
        oldest = ".".join(map(str, backend.oldest_with_plugin))
        raise BackendError(
            f"MERGE_PATH=plugin with BACKEND={backend.name}",
            f"{backend.label} {version} is not known to prefer the plugin to the function's body; {oldest} "
            "is the first that is",
            f"Install {backend.label} {oldest} or newer, or use MERGE_PATH=function",
        )


def load_plugin(
    trt: Any,
    backend: PlanBackend,
    asked: str,
    library: Path,
    errors: Sequence[str],
    *,
    shown: Path | None = None,
) -> None:
    """Put the creator of a plugin library into the registry, for as long as this process lives.

    Args:
        trt: the imported module.
        backend: which it is.
        asked: what an error begins with.
        library: the plugin library.
        errors: what the logger has heard, and goes on hearing.
        shown: the file that a user knows, where ``library`` is a copy of it.

    Raises:
        BackendError: this version is too old, it did not load the library, or the merge is not in it.
    """
    check_plugin_support(backend, trt.__version__)
    registry, shown = trt.get_plugin_registry(), shown or library
    remedy = "Run `make plugin` or `pitome plugin`, or use MERGE_PATH=function"
    heard = len(errors)
    if registry.load_library(str(library)) is None:
        reasons = [f"- {line.strip()}" for line in errors[heard:]]
        raise BackendError(asked, f"{backend.label} did not load the plugin library {shown}", remedy, reasons)
    if registry.get_creator(*CREATOR) is None:
        name, version, namespace = CREATOR
        raise BackendError(asked, f"{shown} has no creator of {namespace}::{name} version {version}", remedy)
