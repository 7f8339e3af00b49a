"""Plans of the fake library that run an ONNX file with onnxruntime on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pitome.runtime.onnxruntime import OnnxRuntime
from tests.pitome.runtime.plans.fake_gpu import FakeTensor, fake_plan

KINDS = {"float32": "FLOAT", "float16": "HALF", "int32": "INT32", "int64": "INT64"}


def write_plan(graph: Path, plan: Path, profile: tuple[int, int, int]) -> None:
    """A plan of the fake library that runs an ONNX file, and takes 20 ms of the GPU's clock for it."""
    runtime = OnnxRuntime(graph)
    given = {each.name: np.zeros((1, *each.shape[1:]), each.dtype) for each in runtime.inputs}  # type: ignore[misc]
    found = runtime.run(given).outputs
    tensors = [
        FakeTensor(name, KINDS[str(value.dtype)], (-1, *value.shape[1:])) for name, value in given.items()
    ]
    tensors += [
        FakeTensor(name, KINDS[str(value.dtype)], (-1, *value.shape[1:]), output=True)
        for name, value in found.items()
    ]
    content = fake_plan(
        tuple(tensors), profile, tag=b"vtrt", version=(1, 7, 1, 116), seconds=0.02, key=str(graph)
    )
    plan.write_bytes(content)


def computing(change: Callable[[dict[str, Any]], dict[str, Any]] = dict) -> Callable[..., dict[str, Any]]:
    """What the fake library computes: the graph by onnxruntime, with a change planted in its outputs."""
    runtimes: dict[str, OnnxRuntime] = {}

    def compute(key: str, inputs: dict[str, Any]) -> dict[str, Any]:
        if key not in runtimes:
            runtimes[key] = OnnxRuntime(Path(key))
        return change({**runtimes[key].run(inputs).outputs})

    return compute
