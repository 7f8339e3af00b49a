"""Which modules of a model ran, in which order, and what flowed through its layer norms."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from pitome.observe import MergeRecord, current_observer
from pitome.runtime.pytorch import PyTorchRuntime
from pitome.validate.runs import arrays

_BLOCK = re.compile(r"\.0\.layers\.(\d+)(?=\.|$)")
"""The blocks of a compressed model lie in one module that stands in their place."""


@dataclass(frozen=True)
class NormCall:
    """One layer norm as it ran."""

    name: str
    """As in the model that was compressed: "encoder.layers.2.layer_norm1"."""
    layer: int | None
    """None outside of the blocks."""
    module: nn.LayerNorm
    input: Tensor
    output: Tensor
    merges: int
    """How many merges were done before."""
    between: tuple[str, ...]
    """Linear layers and convolutions that ran since the norm before."""


@dataclass
class _Collected:
    norms: list[NormCall] = field(default_factory=list)
    between: list[str] = field(default_factory=list)


def trace(
    model: nn.Module, inputs: Mapping[str, Tensor], forced: Sequence[Tensor] | None = None
) -> tuple[list[NormCall], list[MergeRecord]]:
    """The layer norms and the merges of one forward pass, each in order.

    Args:
        model: compressed.
        inputs: of the model; floats are cast to its precision.
        forced: assignments [B, N] int32 of the merges; None = the model's own.
    """
    own = None if forced is None else [assignment.numpy() for assignment in forced]
    with _collecting(model) as collected:
        records = PyTorchRuntime(model, ()).observe(arrays(inputs), own)
    return collected.norms, records


@contextmanager
def _collecting(model: nn.Module) -> Iterator[_Collected]:
    collected = _Collected()
    handles = []

    def norm_hook(name: str) -> Any:
        def hook(module: nn.LayerNorm, given: tuple[Tensor, ...], output: Tensor) -> None:
            observer = current_observer()
            merges = len(observer.records) if observer is not None else 0
            between, collected.between = tuple(collected.between), []
            collected.norms.append(
                NormCall(readable(name), layer_of(name), module, given[0], output, merges, between)
            )

        return hook

    def linear_hook(name: str) -> Any:
        return lambda _module, _given, _output: collected.between.append(readable(name))

    for name, module in model.named_modules():
        if isinstance(module, nn.LayerNorm):
            handles.append(module.register_forward_hook(norm_hook(name)))
        elif isinstance(module, nn.Linear | nn.Conv2d | nn.Embedding):
            handles.append(module.register_forward_hook(linear_hook(name)))
    try:
        yield collected
    finally:
        for handle in handles:
            handle.remove()


def readable(name: str) -> str:
    """The name of a module or tensor as the model has it that was compressed."""
    return _BLOCK.sub(r".\1", name)


def layer_of(name: str) -> int | None:
    """The block that a module or tensor of a compressed model belongs to."""
    found = _BLOCK.search(name)
    return int(found[1]) if found else None
