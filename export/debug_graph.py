"""Copies of an exported graph that also return what goes on inside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pitome.export.merge_nodes import is_merge, load_graph, merge_nodes

if TYPE_CHECKING:
    import onnx_ir as ir


def write_debug_graph(path: Path, debug: Path) -> tuple[str, ...]:
    """Write ``path`` to ``debug`` with every merge's assignment [B, N] int32 as a further output.

    Nodes, initialisers and names stay the same. Weights in external files are not copied, so ``debug``
    must lie in the same folder as ``path`` where there are some.

    Returns:
        Names of the added outputs, in the order of the merges.
    """
    import onnx_ir as ir

    model = load_graph(path)
    decided = [node.outputs[2] for node in merge_nodes(model)]
    model.graph.outputs.extend(decided)
    ir.save(model, debug)
    return tuple(_name(value) for value in decided)


@dataclass(frozen=True)
class Probes:
    """Names of the outputs that ``write_probe_graph`` added."""

    assignments: tuple[str, ...]
    """Of the merges, in order: [B, N] int32."""
    metrics: tuple[str, ...]
    """What each merge decides on: [B, N, D]."""
    norms: tuple[tuple[str, str], ...]
    """Input and output of every LayerNormalization, in order: what flows from block to block."""


def write_probe_graph(path: Path, probe: Path) -> Probes:
    """Write ``path`` to ``probe``, with what goes into merges and layer norms and comes out of them.

    Runtimes fuse less of such a graph, so its rounding may be another than that of ``path``. As for
    ``write_debug_graph``, weights in external files must lie in the same folder.
    """
    import onnx_ir as ir

    model = load_graph(path)
    shown = {*model.graph.inputs, *model.graph.outputs}

    def show(value: ir.Value | None) -> str:
        assert value is not None, "merges and layer norms leave no input out"
        if value not in shown:
            shown.add(value)
            model.graph.outputs.append(value)
        return _name(value)

    assignments, metrics, norms = [], [], []
    for node in model.graph:
        if is_merge(node):
            assignments.append(show(node.outputs[2]))
            metrics.append(show(node.inputs[1]))
        elif (node.domain, node.op_type) == ("", "LayerNormalization"):
            norms.append((show(node.inputs[0]), show(node.outputs[0])))
    ir.save(model, probe)
    return Probes(tuple(assignments), tuple(metrics), tuple(norms))


def _name(value: ir.Value) -> str:
    assert value.name is not None, "a value that was read from a file has a name"
    return value.name
