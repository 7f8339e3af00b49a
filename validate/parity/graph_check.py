"""Does a graph say what the model says? Epsilons, the merges, every weight, every node: read, not run.

This explains a difference that was measured, and sees what measuring can't: an epsilon that is far below the
variance, or a graph in a precision that nothing here can run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from pitome.export.function import energy_merge_function
from pitome.export.merge_nodes import attribute_value, load_graph, merge_nodes
from pitome.export.onnx import TORCH_TYPES
from pitome.op import ONNX_NAME, node_attributes
from pitome.parameters import MergeParameters
from pitome.validate.parity.graph_structure import first_difference
from pitome.validate.parity.graph_weights import check_weights
from pitome.validate.parity.module_trace import NormCall
from pitome.validate.parity.records import GraphFinding


def check_graph(
    path: Path,
    merged: nn.Module,
    precision: str,
    norms: Sequence[NormCall],
    layers: Mapping[int, MergeParameters],
    *,
    used: Collection[str] = (),
    judged: Path | None = None,
    runs: bool = True,
) -> tuple[GraphFinding, ...]:
    """What an exported graph holds in another way than the model.

    Args:
        path: of the graph.
        merged: the model that it was made from, float32.
        precision: of the graph.
        norms: the model's layer norms in the order in which they run.
        layers: layer -> parameters of its merge, in order.
        used: names of the weights that the outputs depend on, as ``graph_weights.used_weights`` finds them.
        judged: the graph whose decisions are judged, where they are not this one's; None = they are.
        runs: whether a runtime runs it and measuring decides what reading can't. Where none does, everything
            that differs fails, and every node is compared with ``judged``.
    """
    model = load_graph(path)
    findings = [
        *_epsilons(model, norms, used, decides=not runs),
        *_merges(model, layers),
        *_bodies(model, layers, precision, decides=judged is not None),
        *check_weights(model, merged, TORCH_TYPES[precision], used, decides=not runs),
    ]
    if not runs and judged is not None:
        findings += _nodes(path, judged, precision)
    return tuple(findings)


def _nodes(path: Path, judged: Path, precision: str) -> Iterator[GraphFinding]:
    difference = first_difference(path, judged, precision)
    if difference is not None:
        text = f"the graph computes something else than that of fp32, which was measured: {difference}"
        yield GraphFinding(kind="structure", layer=None, text=text, decides=True)


def _epsilons(
    model: Any, norms: Sequence[NormCall], used: Collection[str], decides: bool
) -> Iterator[GraphFinding]:
    nodes = [node for node in model.graph if (node.domain, node.op_type) == ("", "LayerNormalization")]
    live = [norm for norm in norms if _is_used(norm, used)]
    if len(nodes) == len(live) < len(norms):
        yield _left_out([norm.name for norm in norms if norm not in live], len(norms))
        norms = live
    if len(nodes) != len(norms):
        text = f"the graph has {len(nodes)} LayerNormalization nodes, the model runs {len(norms)} layer norms"
        # A runtime-neutral rewrite may have taken them apart: measuring decides, where there is any.
        yield GraphFinding(kind="structure", layer=None, text=text, decides=decides)
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


def _is_used(norm: NormCall, used: Collection[str]) -> bool:
    """Whether an output depends on a layer norm; one without weights, or where none are known, may."""
    weights = [f"{norm.name}.{name}" for name, _ in norm.module.named_parameters()]
    return not used or not weights or any(name in used for name in weights)


def _left_out(names: Sequence[str], count: int) -> GraphFinding:
    one = len(names) == 1
    return GraphFinding(
        kind="structure",
        layer=None,
        text=f"the graph has {count - len(names)} of the model's {count} layer norms, without "
        f"{', '.join(names)}",
        explanation=f"no output depends on {'it' if one else 'them'}, so the export leaves "
        f"{'it' if one else 'them'} out",
        decides=False,
    )


def _merges(model: Any, layers: Mapping[int, MergeParameters]) -> Iterator[GraphFinding]:
    nodes = merge_nodes(model)
    if len(nodes) != len(layers):
        text = f"the graph has {len(nodes)} {ONNX_NAME} nodes, the model merges in {len(layers)} layers"
        yield GraphFinding(kind="structure", layer=None, text=text, decides=True)
        return
    for node, (layer, parameters) in zip(nodes, layers.items(), strict=True):
        for name, wanted in node_attributes(parameters).items():
            found = attribute_value(node, name)
            same = np.float32(found) == np.float32(wanted) if isinstance(wanted, float) else found == wanted
            if not same:
                text = (
                    f"{name} of the merge in layer {layer} is {_shown(found)}, the model has {_shown(wanted)}"
                )
                yield GraphFinding(kind="merge", layer=layer, text=text, decides=True)


def _shown(value: Any) -> str:
    """A float in the fewest digits that float32 needs."""
    return str(np.float32(value)) if isinstance(value, float) else str(value)


def _bodies(
    model: Any, layers: Mapping[int, MergeParameters], precision: str, *, decides: bool
) -> Iterator[GraphFinding]:
    """A body that is not this version's."""
    if not layers:
        return
    import onnx_ir

    expected: Any = onnx_ir.from_proto(energy_merge_function(layers.values(), narrow=precision != "fp32"))
    if _bodies_of(model) <= {_described(expected)}:
        return
    # Other versions of this project may write it in another way: measuring decides, where it can.
    text = "the body of EnergyMerge is not the one that this version writes"
    if decides:
        text += f", and nothing that was measured judges the decisions of {precision}"
    yield GraphFinding(kind="body", layer=None, text=text, decides=decides)


def _bodies_of(model: Any) -> set[bytes]:
    """What the nodes of the merges compute; empty for a node that has no body."""
    functions = [model.functions.get(node.op_identifier()) for node in merge_nodes(model)]
    return {b"" if function is None else _described(function) for function in functions}


def _described(function: Any) -> bytes:
    """Nodes and attributes of a body, whatever its values are called, without nodes that nothing reads."""
    numbers: dict[str, int] = {}

    def number(value: Any) -> int:
        return -1 if value is None else numbers.setdefault(value.name, len(numbers))

    lines = []
    for value in function.inputs:
        number(value)
    needed = set(function.outputs)
    read = []
    for node in reversed(list(function)):
        if needed.intersection(node.outputs):
            needed.update(node.inputs)
            read.append(node)
    for node in reversed(read):
        attributes = sorted((name, str(attribute)) for name, attribute in node.attributes.items())
        given, made = [number(value) for value in node.inputs], [number(value) for value in node.outputs]
        lines.append(f"{node.domain} {node.op_type} {given} {made} {attributes}")
    lines.append(f"{[number(value) for value in function.outputs]}")
    return "\n".join(lines).encode()
