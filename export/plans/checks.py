"""Refuse a request before anything long starts."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from contextlib import suppress

from pitome.errors import BackendError, InputError
from pitome.export.plans.base import Backend, PlanRequest
from pitome.export.plans.plugin_library import read_plugin_version
from pitome.export.plans.tensorrt import TensorRT
from pitome.export.plans.tensorrt_rtx import TensorRTRTX
from pitome.runtime.backends import TENSORRT, TENSORRT_RTX, find_plan_backend
from pitome.runtime.operator_version import check_operator_version
from pitome.runtime.tensorrt_plugin import check_plugin_support

BACKENDS: dict[str, Backend] = {TENSORRT_RTX.name: TensorRTRTX(), TENSORRT.name: TensorRT()}
PRECISIONS = ("fp32", "fp16", "bf16")
MERGE_PATHS = ("function", "plugin")


def check_request(request: PlanRequest) -> None:
    """Check everything that can be known before the ONNX file exists.

    Raises:
        InputError: an unknown backend, precision or merge path, a profile out of order, a target that the
            backend does not compile for, or a plugin library that is none.
        BackendError: the backend is not installed or too old for the plugin, or it needs a GPU and there is
            none.
    """
    backend = find_backend(request.backend)
    _check_profile(request.profile)
    if request.precision not in PRECISIONS:
        raise InputError(
            f"PRECISION={request.precision}", "there is no such precision", f"Choose {_choices(PRECISIONS)}"
        )
    check_plugin_choice(request)
    # Classic TensorRT asks the driver for its target, so it must be installed before its targets are checked.
    library = backend.library
    if importlib.util.find_spec(library.module) is None:
        raise BackendError(
            f"BACKEND={request.backend}",
            f"the Python module {library.module} is not installed",
            f"Run {library.install}",
        )
    if request.needs_plugin:
        # Where the version is not known, the builder process finds out.
        with suppress(importlib.metadata.PackageNotFoundError):
            check_plugin_support(library, importlib.metadata.version(library.distribution))
    backend.check_targets(request)
    if request.needs_plugin:
        assert request.plugin is not None  # check_plugin_choice
        read_plugin_version(request.plugin)


def check_plugin_choice(request: PlanRequest) -> None:
    """Refuse a merge path that there is not, and a plugin library that nothing asks for.

    The builder process asks again before it loads anything: a library is native code.

    Raises:
        InputError: as said.
    """
    asked = f"MERGE_PATH={request.merge_path} with BACKEND={request.backend}"
    if request.merge_path not in MERGE_PATHS:
        raise InputError(asked, "there is no such merge path", f"Choose {_choices(MERGE_PATHS)}")
    if request.merge_path == "plugin" and request.plugin is None:
        raise InputError(asked, "no plugin library is named", "Name one with PLUGIN=")
    if request.merge_path != "plugin" and (request.plugin is not None or request.embed_plugin):
        extra = "EMBED_PLUGIN=1" if request.plugin is None else f"PLUGIN={request.plugin}"
        raise InputError(
            f"{extra} with {asked}",
            "only MERGE_PATH=plugin loads a plugin library",
            f"Leave {extra.partition('=')[0]} out, or use MERGE_PATH=plugin",
        )


def check_files(request: PlanRequest) -> None:
    """Check that the ONNX file is there, its operator of this version, and the plan's folder can take a file.

    Raises:
        InputError: it is not, or it cannot.
    """
    if not request.onnx.is_file():
        raise InputError(f"a plan from {request.onnx}", "there is no such file", "Export the ONNX file first")
    check_operator_version(request.onnx)
    if not request.plan.parent.is_dir():
        raise InputError(
            f"writing {request.plan}",
            f"the folder {request.plan.parent} does not exist",
            "Make the folder, or choose another OUT",
        )
    if request.plan.is_dir():
        raise InputError(f"writing {request.plan}", "that is a folder", "Name a file")


def find_backend(name: str) -> Backend:
    """Return the backend of that name, or raise InputError."""
    return BACKENDS[find_plan_backend(name).name]


LARGEST_BATCH = 2**31 - 1
"""No GPU has memory for more, and beyond 64 bits the builder ends in a message about its own signature."""


def _check_profile(profile: tuple[int, ...]) -> None:
    asked = f"PROFILE={','.join(str(batch) for batch in profile)}"
    if len(profile) != 3:
        raise InputError(
            asked, f"it has {len(profile)} numbers", "Give three batch sizes: min,opt,max, such as 1,8,32"
        )
    smallest, typical, largest = profile
    if largest > LARGEST_BATCH:
        raise InputError(asked, f"a plan's batch is at most {LARGEST_BATCH}", "Choose a smaller batch")
    if not 1 <= smallest <= typical <= largest:
        raise InputError(
            asked,
            "the batch sizes are not 1 <= min <= opt <= max",
            "Give them in rising order, such as 1,8,32",
        )


def _choices(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
