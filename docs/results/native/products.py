"""How fast onnxruntime multiplies n rows by the weights of an MLP: fewer rows, fewer FLOPs per second.

    python docs/results/native/products.py

Two threads. Chains of twelve MLPs (products only) on the rows of one input and of eight, the shapes in turn
in every round; with weights of their own in every layer, and with one layer's, which stay in the cache,
in all of them. Prints a Markdown table of median rates as parts of that of the first row of each width.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

LAYERS, ROUNDS = 12, 25
SHAPES = {384: (257, 150, 76), 768: (197, 120, 60)}
"""Channels -> rows: tokens of ViT-S/14 and ViT-B/16 before the first layer, in the middle, and at the end."""


def chain(width: int, own_weights: bool) -> onnxruntime.InferenceSession:
    """x [n, width] through the products of all MLPs, four times as wide inside."""
    generator = np.random.default_rng(0)
    weights, nodes, last = {}, [], "x"
    for layer in range(LAYERS):
        for part, shape in (("in", (width, 4 * width)), ("out", (4 * width, width))):
            name = f"{part}{layer if own_weights else 0}"
            if name not in weights:
                values = (generator.standard_normal(shape) * 0.02).astype(np.float32)
                weights[name] = numpy_helper.from_array(values, name)
            result = f"{part}_of_{layer}"
            nodes.append(helper.make_node("MatMul", [last, name], [result]))
            last = result
    rows = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width]) for name in ("x", last)]
    graph = helper.make_graph(nodes, "chain", rows[:1], rows[1:], list(weights.values()))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 2, 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def rates(width: int) -> dict[tuple[int, int, bool], float]:
    """FLOPs per second by rows of an input, inputs, and whether every layer has weights of its own."""
    sessions = {own: chain(width, own) for own in (True, False)}
    seconds: dict[tuple[int, int, bool], list[float]] = {}
    generator: Any = np.random.default_rng(1)
    for _ in range(ROUNDS):
        for rows in SHAPES[width]:
            for batch in (1, 8):
                x = generator.standard_normal((rows * batch, width)).astype(np.float32)
                for own, session in sessions.items():
                    start = time.perf_counter()
                    session.run(None, {"x": x})
                    seconds.setdefault((rows, batch, own), []).append(time.perf_counter() - start)
    return {
        (rows, batch, own): rows * batch / float(np.median(taken))
        for (rows, batch, own), taken in seconds.items()
    }


def main() -> None:
    """Print the table."""
    print("| channels | rows | one input | one layer's weights in all | eight inputs |")
    print("|---|---|---|---|---|")
    for width, rows_of in SHAPES.items():
        found = rates(width)
        whole = found[rows_of[0], 1, True]
        for rows in rows_of:
            cells = [found[rows, batch, own] / whole for batch, own in ((1, True), (1, False), (8, True))]
            print(f"| {width} | {rows} | {' | '.join(f'{cell:.2f}' for cell in cells)} |")


if __name__ == "__main__":
    main()
