"""Copies of an exported graph that also return what goes on inside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pitome.op import ONNX_DOMAIN, ONNX_NAME


def write_debug_graph(path: Path, debug: Path) -> tuple[str, ...]:
    """Write ``path`` to ``debug`` with every merge's assignment [B, N] int32 as a further output.

    Nodes, initialisers and names stay the same. Weights in external files are not copied, so ``debug``
    must lie in the same folder as ``path`` where there are some.

    Returns:
        Names of the added outputs, in the order of the merges.
    """
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    known = {value.name: value for value in model.graph.value_info}
    names = []
    for node in model.graph.node:
        if (node.domain, node.op_type) == (ONNX_DOMAIN, ONNX_NAME):
            names.append(node.output[2])
            model.graph.output.append(known[node.output[2]])
    onnx.save(model, str(debug))
    return tuple(names)


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
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    known = {value.name: value for value in model.graph.value_info}
    there = {value.name for value in (*model.graph.input, *model.graph.output)}

    def show(name: str) -> str:
        if name not in there:
            there.add(name)
            model.graph.output.append(known.get(name) or onnx.ValueInfoProto(name=name))
        return name

    assignments, metrics, norms = [], [], []
    for node in model.graph.node:
        if (node.domain, node.op_type) == (ONNX_DOMAIN, ONNX_NAME):
            assignments.append(show(node.output[2]))
            metrics.append(show(node.input[1]))
        elif (node.domain, node.op_type) == ("", "LayerNormalization"):
            norms.append((show(node.input[0]), show(node.output[0])))
    onnx.save(model, str(probe))
    return Probes(tuple(assignments), tuple(metrics), tuple(norms))
