"""A copy of an exported graph that also returns what its merges decided."""

from __future__ import annotations

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
