"""Refuse a request before anything long starts."""

from __future__ import annotations

import importlib.util

from export.engines.base import Backend, PlanRequest
from export.engines.tensorrt import TensorRT
from export.engines.tensorrt_rtx import TensorRTRTX
from pitome.errors import BackendError, InputError

BACKENDS: dict[str, Backend] = {"tensorrt_rtx": TensorRTRTX(), "tensorrt": TensorRT()}
PRECISIONS = ("fp32", "fp16", "bf16")


def check_request(request: PlanRequest) -> None:
    """Check everything that can be known before the ONNX file exists.

    Raises:
        InputError: an unknown backend, precision or merge path, a profile out of order, or a target that the
            backend does not compile for.
        BackendError: the backend is not installed, or it needs a GPU and there is none.
    """
    backend = find_backend(request.backend)
    _check_profile(request.profile)
    if request.precision not in PRECISIONS:
        raise InputError(
            f"PRECISION={request.precision}", "there is no such precision", f"Choose {_choices(PRECISIONS)}"
        )
    _check_merge_path(request)
    # Classic TensorRT asks the driver for its target, so it must be installed before its targets are checked.
    if importlib.util.find_spec(backend.module) is None:
        raise BackendError(
            f"BACKEND={request.backend}",
            f"the Python module {backend.module} is not installed",
            f"Run {backend.install}",
        )
    backend.check_targets(request)


def check_files(request: PlanRequest) -> None:
    """Check that the ONNX file is there and the plan's folder can take a file.

    Raises:
        InputError: it is not, or it cannot.
    """
    if not request.onnx.is_file():
        raise InputError(f"a plan from {request.onnx}", "there is no such file", "Export the ONNX file first")
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
    if name not in BACKENDS:
        raise InputError(
            f"BACKEND={name}", "there is no such plan builder", f"Choose {_choices(tuple(BACKENDS))}"
        )
    return BACKENDS[name]


def _check_profile(profile: tuple[int, ...]) -> None:
    asked = f"PROFILE={','.join(str(batch) for batch in profile)}"
    if len(profile) != 3:
        raise InputError(
            asked, f"it has {len(profile)} numbers", "Give three batch sizes: min,opt,max, such as 1,8,32"
        )
    smallest, typical, largest = profile
    if not 1 <= smallest <= typical <= largest:
        raise InputError(
            asked,
            "the batch sizes are not 1 <= min <= opt <= max",
            "Give them in rising order, such as 1,8,32",
        )


def _check_merge_path(request: PlanRequest) -> None:
    asked = f"merge path {request.merge_path!r} with BACKEND={request.backend}"
    if request.merge_path == "plugin" and request.backend == "tensorrt_rtx":
        raise InputError(asked, "TensorRT-RTX has no plugin layers", "Use the merge path 'function'")
    if request.merge_path == "plugin":
        raise InputError(asked, "the plugin is not built yet", "Use the merge path 'function'")
    if request.merge_path != "function":
        raise InputError(asked, "there is no such merge path", "Use the merge path 'function'")


def _choices(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
