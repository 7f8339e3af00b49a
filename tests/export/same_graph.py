"""Are two ONNX files one graph under two sets of names? A yardstick for changes that may only rename.

    python -m tests.export.same_graph ONE.onnx OTHER.onnx

prints what is different, and "the same" where nothing is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from pitome.export.onnx import valid_inputs

_MOST_NAMED = 5


def same_graph(one: Path, other: Path) -> list[str]:
    """The differences once initializers and values are renamed by the order of their first use.

    Compared are nodes with their attributes, shapes and types of all values, bytes of the weights, bodies of
    functions, and bit for bit the outputs on onnxruntime. Names, and the files' metadata, are not.
    """
    first, second = (onnx.load(str(path)) for path in (one, other))
    for model in (first, second):
        _rename(model.graph)
    differences: list[str] = []
    for what, ours, theirs in (
        ("opset", _texts(first.opset_import), _texts(second.opset_import)),
        ("function", _texts(first.functions), _texts(second.functions)),
        ("input", _texts(first.graph.input), _texts(second.graph.input)),
        ("output", _texts(first.graph.output), _texts(second.graph.output)),
        ("node", _texts(first.graph.node), _texts(second.graph.node)),
        ("value", _by_name(first.graph.value_info), _by_name(second.graph.value_info)),
        ("weight", _weights(first.graph), _weights(second.graph)),
    ):
        if len(ours) != len(theirs):
            differences.append(f"{len(ours)} and {len(theirs)} {what}s")
        found = [name for name, text in ours.items() if theirs.get(name) != text]
        differences += [f"{what} {name} is another" for name in found[:_MOST_NAMED]]
        differences += [f"{len(found) - _MOST_NAMED} more {what}s"] * (len(found) > _MOST_NAMED)
    return differences + list(_different_outputs(one, other))


def _rename(graph: onnx.GraphProto) -> None:
    """Values 0, 1, ... by first use; inputs and outputs of the graph keep their names."""
    fixed = {value.name for value in (*graph.input, *graph.output)}
    numbers, names = count(), {"": ""}

    def renamed(name: str) -> str:
        if name not in names:
            names[name] = name if name in fixed else f"value {next(numbers)}"
        return names[name]

    for index, node in enumerate(graph.node):
        node.name = f"node {index}"
        for values in (node.input, node.output):
            values[:] = [renamed(name) for name in values]
    for named in (*graph.initializer, *graph.value_info):
        named.name = renamed(named.name)


def _texts(messages: object) -> dict[str, bytes]:
    return {
        str(index): message.SerializeToString(deterministic=True) for index, message in enumerate(messages)
    }  # type: ignore[arg-type, var-annotated]


def _by_name(values: object) -> dict[str, bytes]:
    return {value.name: value.type.SerializeToString(deterministic=True) for value in values}  # type: ignore[attr-defined]


def _weights(graph: onnx.GraphProto) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    return {name: (str(array.dtype), array.shape, array.tobytes()) for name, array in found.items()}


def _different_outputs(one: Path, other: Path) -> Iterator[str]:
    """Outputs that differ in a bit, each file run once with noise, or texts of token 1, in a batch of two."""
    sessions = [
        onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]) for path in (one, other)
    ]
    taken = [(value.name, _dtype(value.type), tuple(value.shape)) for value in sessions[0].get_inputs()]
    generator, inputs = np.random.default_rng(0), valid_inputs(taken, 2)
    for name, value in inputs.items():
        if np.issubdtype(value.dtype, np.floating):
            inputs[name] = generator.standard_normal(value.shape).astype(value.dtype)
    names = [output.name for output in sessions[0].get_outputs()]
    for name, ours, theirs in zip(names, *(session.run(names, inputs) for session in sessions), strict=True):
        if ours.tobytes() != theirs.tobytes():
            yield f"output {name} is another on onnxruntime, by {np.abs(ours - theirs).max():.3g}"


def _dtype(kind: str) -> str:
    name = kind.removeprefix("tensor(").removesuffix(")")
    return {"float": "float32", "double": "float64"}.get(name, name)


if __name__ == "__main__":
    found = same_graph(Path(sys.argv[1]), Path(sys.argv[2]))
    print("\n".join(found) or "the same")
    sys.exit(bool(found))
