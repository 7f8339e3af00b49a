"""Which modules of a model ran, in which order, and what flowed through its layer norms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from pitome.merged_layers import merged_layers_of
from pitome.observe import MergeRecord, current_observer
from pitome.runtime.pytorch import PyTorchRuntime
from pitome.validate.runs import arrays


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
    blocks, _ = merged_layers_of(model)

    def norm_hook(name: str) -> Any:
        def hook(module: nn.LayerNorm, given: tuple[Tensor, ...], output: Tensor) -> None:
            observer = current_observer()
            merges = len(observer.records) if observer is not None else 0
            between, collected.between = tuple(collected.between), []
            collected.norms.append(
                NormCall(name, layer_of(name, blocks), module, given[0], output, merges, between)
            )

        return hook

    def linear_hook(name: str) -> Any:
        return lambda _module, _given, _output: collected.between.append(name)

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


def layer_of(name: str, blocks: str) -> int | None:
    """The block that a module or tensor belongs to, if any; ``blocks`` is the name of their list."""
    within = name.removeprefix(f"{blocks}.")
    return None if within == name else int(within.partition(".")[0])
