"""Inputs to measure models with, and whether the same can serve several of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pitome.errors import InputError
from pitome.runtime import Array, DeclaredInput, Inputs
from pitome.text_inputs import TOKEN_TYPE_IDS

Feeds = Callable[[int], Inputs]
"""Batch size -> inputs of that batch."""
_TYPES = ("float32", "float16", "float64", "int64", "int32", "bool")


def check_signatures(
    merged: Path,
    unmerged: Path,
    merged_inputs: Sequence[DeclaredInput],
    unmerged_inputs: Sequence[DeclaredInput],
) -> None:
    """Refuse (InputError) inputs that no batch size can be chosen for, or that one feed can't serve both."""
    for path, inputs in ((merged, merged_inputs), (unmerged, unmerged_inputs)):
        for value in inputs:
            _check_input(path, value)
    ours, theirs = _described(merged_inputs), _described(unmerged_inputs)
    if ours != theirs:
        raise InputError(
            f"the latency of {merged} against {unmerged}",
            f"their inputs differ: {', '.join(ours)} against {', '.join(theirs)}",
            "Compare a compressed model with its own unmerged twin",
        )


def _check_input(path: Path, value: DeclaredInput) -> None:
    asked, shape = f"the latency of {path}", list(value.shape)
    if not shape or isinstance(shape[0], int):
        raise InputError(
            asked,
            f"the batch dimension of input {value.name!r} is not dynamic (its shape is {shape})",
            "Export the model with a dynamic batch dimension",
        )
    if any(not isinstance(size, int) for size in shape[1:]):
        raise InputError(
            asked,
            f"input {value.name!r} has a dynamic dimension beside the batch (its shape is {shape})",
            "Export the model with a fixed image size or sequence length",
        )
    if value.dtype not in _TYPES:
        raise InputError(
            asked,
            f"input {value.name!r} is a {value.dtype}, which is not among {', '.join(_TYPES)}",
            "Export the model with one of these types",
        )


def seeded_inputs(inputs: Sequence[DeclaredInput], batch: int, seed: int) -> dict[str, Array]:
    """Inputs of a graph: name -> [batch, ...] in the type that it declares.

    Floats are standard normal; integers and booleans are 1, a token id and a mask value that is always valid,
    and token types 0.
    """
    generator = np.random.default_rng(seed)
    feeds: dict[str, Array] = {}
    for value in inputs:
        dtype = np.dtype(value.dtype)
        shape = (batch, *(int(size) for size in value.shape[1:] if size is not None))
        floating = np.issubdtype(dtype, np.floating)
        constant = np.zeros(shape) if value.name == TOKEN_TYPE_IDS else np.ones(shape)
        feeds[value.name] = (generator.standard_normal(shape) if floating else constant).astype(dtype)
    return feeds


def _described(inputs: Sequence[DeclaredInput]) -> list[str]:
    return [f"{value.name} {value.dtype} [batch, {', '.join(map(str, value.shape[1:]))}]" for value in inputs]
