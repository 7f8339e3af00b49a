"""Run an exported graph over the checked inputs and keep its outputs and decisions."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pitome.errors import ParityError
from pitome.export.debug_graph import write_debug_graph
from pitome.runtime.onnxruntime import open_session
from pitome.validate.samples import Samples


@dataclass(frozen=True)
class RuntimePass:
    """What one runtime computed."""

    outputs: dict[str, Tensor]
    """Output name -> [inputs, ...] float32."""
    assignments: tuple[Tensor, ...]
    """For each merge [inputs, N] int32."""


def run_graph(
    path: Path, samples: Samples, batch: int, threads: int, advance: Callable[[], None] | None = None
) -> RuntimePass:
    """Run ``path`` on onnxruntime, free-running, with its decisions looked at in a debug copy.

    Args:
        path: exported graph.
        samples: what to run; floats are float32.
        batch: samples at a time.
        threads: of onnxruntime.
        advance: called after each batch.

    Raises:
        ParityError: the debug copy computes something else than the graph itself.
    """
    with tempfile.TemporaryDirectory(prefix=".debug-", dir=path.parent) as folder:
        debug = path.with_name(f"{Path(folder).name}.onnx")
        try:
            assignments = write_debug_graph(path, debug)
            session = open_session(debug, threads)
        finally:
            debug.unlink(missing_ok=True)
    outputs = [output.name for output in session.get_outputs() if output.name not in assignments]
    collected: list[list[Tensor]] = []
    for part in samples.batches(batch):
        values = session.run([*outputs, *assignments], feed(part))
        collected.append([torch.from_numpy(value) for value in values])
        if advance is not None:
            advance()
    del session
    joined = [torch.cat(parts) for parts in zip(*collected, strict=True)]
    first = samples.rows(slice(0, batch))
    _check_published_graph(path, first, dict(zip(outputs, joined, strict=False)), threads)
    return RuntimePass(dict(zip(outputs, joined, strict=False)), tuple(joined[len(outputs) :]))


def feed(inputs: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    """Inputs as onnxruntime takes them."""
    return {name: value.numpy() for name, value in inputs.items()}


def _check_published_graph(path: Path, samples: Samples, debugged: dict[str, Tensor], threads: int) -> None:
    """The graph that users get must compute what its debug copy computed, bit for bit."""
    session = open_session(path, threads)
    values = session.run(list(debugged), feed(samples.inputs))
    for (name, expected), value in zip(debugged.items(), values, strict=True):
        if not np.array_equal(value, expected[: len(samples)].numpy(), equal_nan=True):
            raise ParityError(
                f"looking into {path.name}",
                f"its output {name} changes when the decisions are returned too",
                "Report this with the model's name and the version of onnxruntime",
            )
