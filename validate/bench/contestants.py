"""What a latency measurement compares: ONNX files on onnxruntime, plans on a GPU, and PyTorch modules."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pitome.bundle.latency_records import RuntimeKind
from pitome.errors import InputError
from pitome.runtime import Runtime
from pitome.runtime.native import NativeLibrary
from pitome.runtime.onnxruntime import OnnxRuntime
from pitome.validate.bench.settings import LatencySettings

if TYPE_CHECKING:
    from torch import nn

EAGER_PAUSE = 0.02
"""Seconds of rest after a PyTorch run: OpenMP's threads spin for some milliseconds before they sleep."""


@dataclass(frozen=True)
class Contestant:
    """A model on a runtime, not loaded yet."""

    name: str
    runtime: RuntimeKind
    digest: str
    """Of everything that the contestant is made from; part of a record's configuration."""
    load: Callable[[LatencySettings], Runtime] = field(repr=False)
    """With the settings' threads, on their device."""
    against: str | None = None
    """The contestant that its speed is a ratio to."""
    bound: float | None = None
    """FLOPs of that one / its own."""
    path: Path | None = None
    """Its ONNX file, where it has one: peak memory is measured with it."""
    native: NativeLibrary | None = None
    """What computes the file's merges in place of the function that it carries."""
    module: nn.Module | None = field(default=None, repr=False, compare=False)
    """The PyTorch module, where it is one: its memory is measured with it."""
    pause: float = 0.0
    """Seconds of rest after each run."""


def onnx_contestant(
    name: str,
    path: Path,
    *,
    against: str | None = None,
    bound: float | None = None,
    native: NativeLibrary | None = None,
) -> Contestant:
    """An ONNX file on onnxruntime, its merges by the operator library where that is given.

    Raises:
        InputError: there is no such file. Whether onnxruntime takes it is seen when it is loaded.
    """
    if not path.is_file():
        raise InputError(f"the latency of {path}", "there is no such file", "Export the model first")

    def load(settings: LatencySettings) -> Runtime:
        return OnnxRuntime(
            path,
            threads=settings.threads,
            device=settings.device,
            purpose=f"the latency of {path}",
            native=native,
        )

    digest = graph_digest(path)
    if native is not None:
        digest = f"{digest}+{native.record.sha256}"
    return Contestant(name, "onnxruntime", digest, load, against, bound, path, native)


def plan_contestant(
    name: str,
    backend: RuntimeKind,
    digest: str,
    open_plan: Callable[[], Runtime],
    *,
    against: str | None = None,
    bound: float | None = None,
) -> Contestant:
    """A plan on a GPU, opened when the measurement begins; ``digest`` is that of its file."""
    return Contestant(name, backend, digest, lambda settings: open_plan(), against, bound)


def eager_contestant(
    name: str, model: nn.Module, digest: str, *, against: str | None = None, bound: float | None = None
) -> Contestant:
    """A PyTorch module that takes its inputs by keyword; ``digest`` is that of its weights and its method."""

    def load(settings: LatencySettings) -> Runtime:
        from pitome.runtime.pytorch import PyTorchRuntime

        return PyTorchRuntime(model, (), purpose=f"the latency of {name}")

    return Contestant(name, "pytorch", digest, load, against, bound, module=model, pause=EAGER_PAUSE)


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """PyTorch with so many threads, within the ``with`` block."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def graph_digest(path: Path) -> str:
    """SHA-256 of an ONNX file, with that of the weights beside it where it has such (``NAME.onnx.data``)."""
    digests = []
    for file in (path, path.with_name(f"{path.name}.data")):
        if file.is_file():
            with file.open("rb") as content:
                digests.append(hashlib.file_digest(content, "sha256").hexdigest())
    return "+".join(digests)
