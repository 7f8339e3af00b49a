"""Does a graph say what the model says? Epsilons, the merges' attributes, every weight: read, not run.

This explains a difference that was measured, and sees what measuring can't: an epsilon that is far below the
variance, or a graph in a precision that nothing here can run.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from export.function import energy_merge_function
from export.onnx import TORCH_TYPES
from pitome.op import ONNX_DOMAIN, ONNX_NAME, node_attributes
from pitome.parameters import MergeParameters
from validate.module_trace import NormCall, layer_of, readable
from validate.parity_report import GraphFinding

Floats = NDArray[np.float32]
LARGEST_LIKENESS = 0.2
"""Relative difference up to which a nameless tensor is taken for a changed weight, not for something else."""
FOLDING = 8
"""Units in the last place that a tensor may be off which the exporter computed from a weight."""
_SMALLEST_WEIGHT = 8
"""Elements; shapes and scales that a graph holds as constants are smaller."""


def check_graph(
    path: Path,
    merged: nn.Module,
    precision: str,
    norms: Sequence[NormCall],
    layers: Mapping[int, MergeParameters],
) -> tuple[GraphFinding, ...]:
    """What an exported graph holds in another way than the model.

    Args:
        path: of the graph.
        merged: the model that it was made from, float32.
        precision: of the graph.
        norms: the model's layer norms in the order in which they run.
        layers: layer -> parameters of its merge, in order.
    """
    import onnx_ir

    model = onnx_ir.load(path)
    return (
        *_epsilons(model, norms),
        *_merges(model, layers),
        *_weights(model, merged, precision),
    )


def _epsilons(model: Any, norms: Sequence[NormCall]) -> Iterator[GraphFinding]:
    nodes = [node for node in model.graph if (node.domain, node.op_type) == ("", "LayerNormalization")]
    if len(nodes) != len(norms):
        text = f"the graph has {len(nodes)} LayerNormalization nodes, the model runs {len(norms)} layer norms"
        # A runtime-neutral rewrite may have taken them apart: measuring decides.
        yield GraphFinding(kind="structure", layer=None, text=text, decides=False)
        return
    for node, norm in zip(nodes, norms, strict=True):
        attribute = node.attributes.get("epsilon")
        found = np.float32(1e-5 if attribute is None else attribute.as_float())
        if found != np.float32(norm.module.eps):
            where = norm.name if norm.layer is None else f"layer {norm.layer} ({norm.name})"
            text = (
                f"the LayerNormalization epsilon of {where} is {found:g}, the model has {norm.module.eps:g}"
            )
            yield GraphFinding(kind="epsilon", layer=norm.layer, text=text, decides=True)


def _merges(model: Any, layers: Mapping[int, MergeParameters]) -> Iterator[GraphFinding]:
    nodes = [node for node in model.graph if (node.domain, node.op_type) == (ONNX_DOMAIN, ONNX_NAME)]
    for node, (layer, parameters) in zip(nodes, layers.items(), strict=False):
        for name, wanted in node_attributes(parameters).items():
            attribute = node.attributes.get(name)
            found = None if attribute is None else attribute.value
            same = np.float32(found) == np.float32(wanted) if isinstance(wanted, float) else found == wanted
            if not same:
                shown = f"{found:g}" if isinstance(found, float) else str(found)
                text = f"{name} of the merge in layer {layer} is {shown}, the model has {wanted}"
                yield GraphFinding(kind="merge", layer=layer, text=text, decides=True)
    kinds = {(parameters.order, parameters.energy, parameters.split) for parameters in layers.values()}
    for kind in kinds if len(kinds) == 1 else ():
        import onnx_ir

        expected: Any = onnx_ir.from_proto(energy_merge_function(*kind))
        body = model.functions.get(expected.identifier())
        if body is None or _described(body) != _described(expected):
            # Other versions of this project may write it in another way: measuring decides.
            text = "the body of EnergyMerge is not the one that this version writes"
            yield GraphFinding(kind="body", layer=None, text=text, decides=False)


def _described(function: Any) -> bytes:
    """Nodes and attributes of a body, whatever its values are called."""
    numbers: dict[str, int] = {}

    def number(value: Any) -> int:
        return -1 if value is None else numbers.setdefault(value.name, len(numbers))

    lines = []
    for value in function.inputs:
        number(value)
    for node in function:
        attributes = sorted((name, str(attribute)) for name, attribute in node.attributes.items())
        given, made = [number(value) for value in node.inputs], [number(value) for value in node.outputs]
        lines.append(f"{node.domain} {node.op_type} {given} {made} {attributes}")
    return "\n".join(lines).encode()


@dataclass(frozen=True)
class _Weight:
    name: str
    layer: int | None
    values: Floats


def _weights(model: Any, merged: nn.Module, precision: str) -> Iterator[GraphFinding]:
    dtype = TORCH_TYPES[precision]
    known = {
        name: _Weight(readable(name), layer_of(name), tensor.detach().to(dtype).float().numpy())
        for name, tensor in merged.state_dict().items()
        if tensor.is_floating_point() and tensor.numel() >= _SMALLEST_WEIGHT
    }
    by_digest = {
        _digest(values): name for name, weight in known.items() for values in _orientations(weight.values)
    }
    unknown: list[tuple[str, Floats]] = []
    seen: set[str] = set()
    for name, value in model.graph.initializers.items():
        content = value.const_value
        if content is None or content.size < _SMALLEST_WEIGHT or not content.dtype.is_floating_point():
            continue
        values = np.asarray(content.numpy(), dtype=np.float32)
        match = by_digest.get(_digest(values))
        if match is None:
            unknown.append((name, values))
        else:
            seen.add(match)
    limit = FOLDING * torch.finfo(dtype).eps
    changed: defaultdict[int | None, list[str]] = defaultdict(list)
    for name, values in unknown:
        found = _nearest(name, values, known, seen)
        if found is not None and found[1] > limit:
            weight, difference = found
            changed[weight.layer].append(f"{weight.name} by {_percent(difference)}")
    for layer, names in changed.items():
        where = "weights outside of the layers" if layer is None else f"weights of layer {layer}"
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        text = f"{where} differ from the model's: {', '.join(names[:3])}{more}"
        yield GraphFinding(kind="weights", layer=layer, text=text, decides=True)


def _nearest(
    name: str, values: Floats, known: Mapping[str, _Weight], seen: set[str]
) -> tuple[_Weight, float] | None:
    """The weight that a tensor was meant to be, and the relative difference to it."""
    named = known.get(name.removeprefix("model."))
    if named is not None and named.values.shape == values.shape:
        return named, _difference(values, named.values)
    nearest: tuple[_Weight, float] | None = None
    for key, weight in known.items():
        if key in seen or sorted(weight.values.shape) != sorted(values.shape):
            continue
        for candidate in _orientations(weight.values):
            if candidate.shape == values.shape:
                difference = _difference(values, candidate)
                if difference <= LARGEST_LIKENESS and (nearest is None or difference < nearest[1]):
                    nearest = weight, difference
    return nearest


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 1 else f"{100 * share:.2g} %"


def _orientations(values: Floats) -> tuple[Floats, ...]:
    return (values, np.ascontiguousarray(values.T)) if values.ndim == 2 else (values,)


def _digest(values: Floats) -> bytes:
    return hashlib.sha256(f"{values.shape}".encode() + np.ascontiguousarray(values).tobytes()).digest()


def _difference(found: Floats, wanted: Floats) -> float:
    scale = float(np.linalg.norm(wanted))
    return float(np.linalg.norm(found - wanted)) / scale if scale else float(np.abs(found).max())
