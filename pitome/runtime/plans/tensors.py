"""The types of a plan's tensors as NumPy has them. It has no bfloat16: that lies in memory as its 16 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

BFLOAT16 = "BF16"
STORED: dict[str, np.dtype[Any]] = {
    "FLOAT": np.dtype(np.float32),
    "HALF": np.dtype(np.float16),
    BFLOAT16: np.dtype(np.uint16),
    "INT64": np.dtype(np.int64),
    "INT32": np.dtype(np.int32),
    "INT8": np.dtype(np.int8),
    "UINT8": np.dtype(np.uint8),
    "BOOL": np.dtype(np.bool_),
}
"""TensorRT's name of a type -> what an array of it is in memory."""


def declared_type(kind: str) -> str:
    """As `pitome.runtime.protocol.DeclaredInput` calls it."""
    return "bfloat16" if kind == BFLOAT16 else STORED[kind].name if kind in STORED else kind


def store(kind: str, target: npt.NDArray[Any], values: npt.NDArray[Any]) -> None:
    """Write values into memory of a type. TypeError where they would have to be cut, such as 0.5 to int64."""
    if kind == BFLOAT16:
        np.copyto(target, bfloat16_bits(values.astype(np.float32, casting="same_kind")))
    else:
        np.copyto(target, values, casting="same_kind")


def loaded(kind: str, stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A copy of what lies in memory; bfloat16 as float32, which holds it exactly."""
    if kind != BFLOAT16:
        return stored.copy()
    return (stored.astype(np.uint32) << 16).view(np.float32)


def bfloat16_bits(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """The nearest bfloat16 of each float32, the even one of two; a NaN stays one."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    rounded = (bits + (0x7FFF + ((bits >> 16) & 1)).astype(np.uint32)) >> 16
    return np.where(np.isnan(values), (bits >> 16) | 0x40, rounded).astype(np.uint16)
