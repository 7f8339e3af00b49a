"""Does a graph hold the model's weights, all of them and no others?

Every weight that the outputs depend on must lie in the graph, rounded to nearest in its precision: as it is,
transposed, or its first rows (a table of positions that is longer than the inputs). Where the exporter
computes with a weight, the result is rounded once more. Such errors are independent of each other, so their
share in the direction of the weight averages out over its elements; a factor of 1.01 does not.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pitome.merged_layers import merged_layers_of
from pitome.validate.parity.module_trace import layer_of
from pitome.validate.parity.records import GraphFinding

Floats = NDArray[np.float32]
SMALLEST_COSINE = 0.98
"""To a weight, from which on a tensor is taken for a changed one, and not for another one."""
CHANCE = 1e-12
"""That rounding alone moves one tensor by more than is allowed."""
_SMALLEST_WEIGHT = 2
"""Elements; a scale of the arithmetic is a single number."""
_MOST_NAMED = 3


@dataclass(frozen=True)
class Deviation:
    """How far a tensor f is from a weight w, and how far rounding to nearest can carry it."""

    difference: float
    """|f - w| / |w|."""
    difference_limit: float
    along: float
    """<f, w> / <w, w> - 1: what is common to all elements, such as 0.01 for a factor of 1.01."""
    along_limit: float

    @property
    def is_rounding(self) -> bool:
        """Nothing but one more rounding."""
        return self.difference <= self.difference_limit and abs(self.along) <= self.along_limit


def deviation(found: Floats, wanted: Floats, dtype: torch.dtype) -> Deviation:
    """Compare a tensor with the weight that it was meant to be.

    One rounding moves element i by at most b_i, half a unit in the last place, with a mean of zero and
    whatever the others do. So |f - w| <= |b|, and by Hoeffding's inequality <f - w, w> exceeds
    sqrt(2 ln(2 / chance)) |b w| with no more than that chance; it never exceeds the sum of all b_i |w_i|.

    Args:
        found: f, of the shape of ``wanted``.
        wanted: w in the precision, not zero everywhere.
        dtype: the precision.
    """
    ours, weight = found.astype(np.float64).ravel(), wanted.astype(np.float64).ravel()
    limits = torch.finfo(dtype)
    bound = np.maximum(np.abs(weight), limits.smallest_normal) * (limits.eps / 2)
    square = float(weight @ weight)
    by_chance = sqrt(2 * log(2 / CHANCE)) * float(np.linalg.norm(bound * weight))
    return Deviation(
        difference=float(np.linalg.norm(ours - weight)) / sqrt(square),
        difference_limit=float(np.linalg.norm(bound)) / sqrt(square),
        along=float((ours - weight) @ weight) / square,
        along_limit=min(by_chance, float(bound @ np.abs(weight))) / square,
    )


def used_weights(model: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str]) -> frozenset[str]:
    """Names of the parameters and buffers that the named outputs depend on, found by their gradients.

    Args:
        model: compressed, float32; not changed.
        inputs: one example, as the model takes them.
        outputs: fields of the model's output.
    """
    copies = {name: value.detach().requires_grad_() for name, value in _tensors(model).items()}
    with torch.enable_grad():
        output = torch.func.functional_call(model, copies, kwargs=dict(inputs))
        total = torch.stack([getattr(output, name).sum() for name in outputs]).sum()
    gradients = torch.autograd.grad(total, list(copies.values()), allow_unused=True)
    return frozenset(name for name, each in zip(copies, gradients, strict=True) if each is not None)


def check_weights(
    model: Any, merged: nn.Module, dtype: torch.dtype, used: Collection[str], decides: bool
) -> Iterator[GraphFinding]:
    """Weights that a graph holds changed, weights that it lacks, and tensors that are no weights.

    A weight whose elements are all equal may be missing: an exporter leaves a bias of zeros out.

    Args:
        model: the graph, an ``onnx_ir.Model``.
        merged: the model that it was made from, float32.
        dtype: of the graph.
        used: names of the weights that must be there.
        decides: whether missing weights and other tensors fail by themselves. Where the graph is measured
            they do not: a rewrite may fold weights together and be right. A changed weight always does.
    """
    blocks, _ = merged_layers_of(merged)
    known = {
        name: _Weight(name, layer_of(name, blocks), tensor.detach(), dtype)
        for name, tensor in _tensors(merged).items()
    }
    names: defaultdict[bytes, list[str]] = defaultdict(list)
    for name, weight in known.items():
        for digest in weight.digests():
            names[digest].append(name)
    others: dict[str, Floats] = {}
    unseen = set(known)
    for name, values in _graph_tensors(model):
        if matches := names.get(_digest(values)):
            unseen.difference_update(matches)
        else:
            others[name] = values
    changed: defaultdict[int | None, list[str]] = defaultdict(list)
    foreign: list[str] = []
    for name, values in others.items():
        match = _nearest(name, values, known, unseen)
        if match is None:
            foreign.append(f"{name} {list(values.shape)}")
            continue
        weight, found = match
        unseen.discard(weight.name)
        if not found.is_rounding:
            changed[weight.layer].append(f"{weight.name} by {_percent(found.difference)}")
    for layer, told in changed.items():
        text = f"{_where(layer)} differ from the model's: {_listed(told)}"
        yield GraphFinding(kind="weights", layer=layer, text=text, decides=True)
    lacking: defaultdict[int | None, list[str]] = defaultdict(list)
    for name, weight in known.items():
        if name in unseen and name in used and not weight.is_constant:
            lacking[weight.layer].append(name)
    for layer, told in lacking.items():
        text = f"{_where(layer)} are nowhere in the graph: {_listed(told)}"
        yield GraphFinding(kind="weights", layer=layer, text=text, decides=decides)
    if foreign:
        text = f"the graph holds tensors that are no weights of the model: {_listed(foreign)}"
        yield GraphFinding(kind="weights", layer=None, text=text, decides=decides)


@dataclass(frozen=True)
class _Weight:
    name: str
    layer: int | None
    tensor: Tensor
    dtype: torch.dtype

    @property
    def values(self) -> Floats:
        """As the graph's precision has it, without dimensions of 1."""
        return _squeezed(self.tensor.to(self.dtype).float().numpy())

    @property
    def is_constant(self) -> bool:
        return bool((self.tensor == self.tensor.flatten()[0]).all())

    def digests(self) -> list[bytes]:
        return [_digest(values) for values in _orientations(self.values)]

    def like(self, values: Floats) -> Iterator[Floats]:
        """The ways of writing this weight that have the shape of ``values``."""
        shape = tuple(size for size in self.tensor.shape if size > 1)
        if sorted(shape) == sorted(values.shape):
            yield from (each for each in _orientations(self.values) if each.shape == values.shape)
        elif len(shape) == values.ndim == 2 and shape[1] == values.shape[1] and shape[0] > values.shape[0]:
            yield self.values[: len(values)]


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """Name -> parameter or buffer of floats; tied ones under each of their names."""
    found = (
        *model.named_parameters(remove_duplicate=False),
        *model.named_buffers(remove_duplicate=False),
    )
    return {
        name: tensor
        for name, tensor in found
        if tensor.is_floating_point() and tensor.numel() >= _SMALLEST_WEIGHT
    }


def _graph_tensors(model: Any) -> Iterator[tuple[str, Floats]]:
    """Names and values, without dimensions of 1, of the float tensors in a graph."""
    for name, value in model.graph.initializers.items():
        content = value.const_value
        if content is None or content.size < _SMALLEST_WEIGHT or not content.dtype.is_floating_point():
            continue
        yield name, _squeezed(np.asarray(content.numpy(), dtype=np.float32))


def _nearest(
    name: str, values: Floats, known: Mapping[str, _Weight], unseen: Collection[str]
) -> tuple[_Weight, Deviation] | None:
    """The weight that a tensor was meant to be: that of its name, or the one most like it of those unseen."""
    named = known.get(name)
    nearest: tuple[_Weight, Deviation] | None = None
    for weight in [named] if named is not None else [known[each] for each in sorted(unseen)]:
        for candidate in weight.like(values):
            if not candidate.any() or (named is None and not _is_like(values, candidate)):
                continue
            found = deviation(values, candidate, weight.dtype)
            if nearest is None or found.difference < nearest[1].difference:
                nearest = weight, found
    return nearest


def _is_like(values: Floats, weight: Floats) -> bool:
    return float(np.vdot(values, weight)) >= SMALLEST_COSINE * float(
        np.linalg.norm(values) * np.linalg.norm(weight)
    )


def _where(layer: int | None) -> str:
    return "weights outside of the layers" if layer is None else f"weights of layer {layer}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 1 else f"{100 * share:.2g} %"


def _orientations(values: Floats) -> tuple[Floats, ...]:
    return (values, np.ascontiguousarray(values.T)) if values.ndim == 2 else (values,)


def _squeezed(values: Floats) -> Floats:
    return values.reshape([size for size in values.shape if size > 1])


def _digest(values: Floats) -> bytes:
    return hashlib.sha256(f"{values.shape}".encode() + np.ascontiguousarray(values).tobytes()).digest()
