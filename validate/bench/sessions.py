"""onnxruntime sessions on the CPU for timing, and inputs to feed them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pitome.errors import InputError
from pitome.runtime import onnxruntime as runtime

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


_NUMPY_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}


def open_session(path: Path, threads: int) -> InferenceSession:
    """A session to be measured; errors as ``pitome.runtime.onnxruntime.open_session``."""
    return runtime.open_session(path, threads, f"the latency of {path}")


def check_signatures(
    merged: Path, unmerged: Path, merged_session: InferenceSession, unmerged_session: InferenceSession
) -> None:
    """Refuse (InputError) inputs that no batch size can be chosen for, or that one feed can't serve both."""
    signatures = []
    for path, session in ((merged, merged_session), (unmerged, unmerged_session)):
        signature = {}
        for value in session.get_inputs():
            _check_input(path, value.name, value.type, value.shape)
            signature[value.name] = (value.type, tuple(value.shape[1:]))
        signatures.append(signature)
    if signatures[0] != signatures[1]:
        raise InputError(
            f"the latency of {merged} against {unmerged}",
            f"their inputs differ: {_describe(signatures[0])} against {_describe(signatures[1])}",
            "Compare a compressed model with its own unmerged twin",
        )


def _check_input(path: Path, name: str, kind: str, shape: Sequence[int | str | None]) -> None:
    asked = f"the latency of {path}"
    if not shape or isinstance(shape[0], int):
        raise InputError(
            asked,
            f"the batch dimension of input {name!r} is not dynamic (its shape is {list(shape)})",
            "Export the model with a dynamic batch dimension",
        )
    if any(not isinstance(size, int) for size in shape[1:]):
        raise InputError(
            asked,
            f"input {name!r} has a dynamic dimension beside the batch (its shape is {list(shape)})",
            "Export the model with a fixed image size or sequence length",
        )
    if kind not in _NUMPY_TYPES:
        raise InputError(
            asked,
            f"input {name!r} is a {kind}, which is not among {', '.join(_NUMPY_TYPES)}",
            "Export the model with one of these types",
        )


def seeded_inputs(session: InferenceSession, batch: int, seed: int) -> dict[str, npt.NDArray[Any]]:
    """Inputs of a session: name -> [batch, ...] in the type that it declares.

    Floats are standard normal; integers and booleans are 1, a token id and a mask value that is always valid.
    """
    generator = np.random.default_rng(seed)
    feeds: dict[str, npt.NDArray[Any]] = {}
    for value in session.get_inputs():
        dtype = _NUMPY_TYPES[value.type]
        shape = (batch, *value.shape[1:])
        floating = np.issubdtype(dtype, np.floating)
        feeds[value.name] = (generator.standard_normal(shape) if floating else np.ones(shape)).astype(dtype)
    return feeds


def _describe(signature: Mapping[str, tuple[str, tuple[int, ...]]]) -> str:
    return ", ".join(
        f"{name} {kind} [batch, {', '.join(map(str, shape))}]" for name, (kind, shape) in signature.items()
    )


def first_line(error: Exception) -> str:
    """What onnxruntime said, without the lines below that repeat the graph."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
