"""What a latency measurement compares: ONNX files on onnxruntime, and PyTorch modules."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pitome.bundle.latency_records import Runtime
from pitome.errors import BackendError, InputError
from pitome.validate.bench.rounds import Run
from pitome.validate.bench.sessions import first_line, open_session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from torch import nn

    from pitome.validate.samples import Samples

Feeds = Mapping[str, npt.NDArray[Any]]
"""Input name -> [batch, ...]."""
EAGER_PAUSE = 0.02
"""Seconds of rest after a PyTorch run: OpenMP's threads spin for some milliseconds before they sleep."""


@dataclass(frozen=True)
class Loaded:
    """A contestant in memory."""

    prepare: Callable[[Feeds], Run]
    """Inputs -> a function that runs the model on them once."""
    session: InferenceSession | None = None


@dataclass(frozen=True)
class Contestant:
    """A model on a runtime, not loaded yet."""

    name: str
    runtime: Runtime
    digest: str
    """Of everything that the contestant is made from; part of a record's configuration."""
    load: Callable[[int], Loaded] = field(repr=False)
    """Takes the number of threads."""
    against: str | None = None
    """The contestant that its speed is a ratio to."""
    bound: float | None = None
    """FLOPs of that one / its own."""
    path: Path | None = None
    """Its ONNX file, where it has one: peak memory is measured with it."""
    module: nn.Module | None = field(default=None, repr=False, compare=False)
    """The PyTorch module, where it is one: its memory is measured with it."""
    pause: float = 0.0
    """Seconds of rest after each run."""


def onnx_contestant(
    name: str, path: Path, *, against: str | None = None, bound: float | None = None
) -> Contestant:
    """An ONNX file on onnxruntime's CPU provider.

    Raises:
        InputError: there is no such file. Whether onnxruntime takes it is seen when it is loaded.
    """
    if not path.is_file():
        raise InputError(f"the latency of {path}", "there is no such file", "Export the model first")

    def load(threads: int) -> Loaded:
        session = open_session(path, threads)
        return Loaded(lambda feeds: _session_run(session, path, feeds), session)

    return Contestant(name, "onnxruntime", graph_digest(path), load, against, bound, path)


def eager_contestant(
    name: str, model: nn.Module, digest: str, *, against: str | None = None, bound: float | None = None
) -> Contestant:
    """A PyTorch module that takes its inputs by keyword; ``digest`` is that of its weights and its method."""

    def load(threads: int) -> Loaded:
        return Loaded(lambda feeds: _module_run(name, model, feeds))

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


def sample_feeds(samples: Samples) -> Callable[[int], Feeds]:
    """``inputs`` of a measurement from real samples: the first ones, over again where a batch has more."""

    def feeds(batch: int) -> Feeds:
        chosen = samples.rows([index % len(samples) for index in range(batch)])
        return {name: value.numpy() for name, value in chosen.inputs.items()}

    return feeds


def graph_digest(path: Path) -> str:
    """SHA-256 of an ONNX file, with that of the weights beside it where it has such (``NAME.onnx.data``)."""
    digests = []
    for file in (path, path.with_name(f"{path.name}.data")):
        if file.is_file():
            with file.open("rb") as content:
                digests.append(hashlib.file_digest(content, "sha256").hexdigest())
    return "+".join(digests)


def _session_run(session: InferenceSession, path: Path, feeds: Feeds) -> Run:
    def run() -> object:
        try:
            return session.run(None, feeds)
        except Exception as error:  # onnxruntime's exceptions share no base class but Exception
            raise BackendError(
                f"the latency of {path}",
                f"onnxruntime could not run it ({first_line(error)})",
                "Check the file with `pitome validate`, or choose a smaller batch",
            ) from error

    return run


def _module_run(name: str, model: nn.Module, feeds: Feeds) -> Run:
    import torch

    inputs = {key: torch.from_numpy(np.ascontiguousarray(value)) for key, value in feeds.items()}

    def run() -> object:
        try:
            with torch.inference_mode():
                return model(**inputs)
        except (RuntimeError, TypeError) as error:
            raise BackendError(
                f"the latency of {name}",
                f"PyTorch could not run it ({first_line(error)})",
                "Check the model's inputs, or choose a smaller batch",
            ) from error

    return run
