"""The merge's plugin library and TensorRT's registry: which TensorRT takes it, and how it is put in.

No classic TensorRT has run this yet; ``load_plugin`` ran with the registry of TensorRT 11.4's lean runtime.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pitome.errors import BackendError

MERGE_OPERATOR = "EnergyMerge"
"""The ONNX operator, and the plugin's name. Not from pitome.op, which imports torch."""
OLDEST_FOR_PLUGIN = (10, 7)
"""Older parsers take an ONNX function although a plugin of its name is registered."""
CREATOR = (MERGE_OPERATOR, "1", "pitome")
"""Name, version and namespace of the plugin's creator: those that the ONNX nodes carry."""


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
        reasons = [f"- {line.strip()}" for line in errors[heard:]]
        raise BackendError(asked, f"TensorRT did not load the plugin library {library}", remedy, reasons)
    if registry.get_creator(*CREATOR) is None:
        name, version, namespace = CREATOR
        raise BackendError(
            asked, f"{library} has no creator of {namespace}::{name} version {version}", remedy
        )
