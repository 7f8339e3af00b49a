"""Where the kernels run, as the table of cases and the stopwatch see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from pitome.merge import MergeResult
from pitome.parameters import MergeParameters
from pitome.plugins.tools.merge_library import (
    ALIGNMENT,
    DTYPES,
    HostLibrary,
    MergeLibrary,
    Parameters,
    Shape,
    Tensors,
)

Run = Callable[[], object]
"""Enqueues some work."""


@dataclass(frozen=True)
class Launch:
    """One run of one kernel."""

    name: str
    """As C++ has it, with its template arguments."""
    seconds: float


class Device(Protocol):
    """What runs merges."""

    place: str
    """PyTorch's name of where tensors lie."""

    def merge(
        self, x: Tensor, metric: Tensor, size: Tensor, parameters: MergeParameters, seed: int = 0
    ) -> MergeResult:
        """One complete merge of tensors where the device is; the seed is for what has an order to choose."""


class TimedDevice(Device, Protocol):
    """A device whose time means something."""

    def enqueue(self, x: Tensor, metric: Tensor, size: Tensor, parameters: MergeParameters) -> MergeResult:
        """A merge among other work; what it returns is filled when its turn has come."""

    def capture(self, run: Run) -> Run:
        """The same work, enqueued without the host's own time for each launch."""

    def seconds(self, run: Run, count: int) -> float:
        """How long so many runs take, back to back."""

    def launches(self, run: Run) -> list[Launch]:
        """Every kernel of one run, in their order."""


class HostDevice:
    """The CPU execution of the kernels (plugins/host). It says nothing of time."""

    place = "cpu"

    def __init__(self, library: HostLibrary) -> None:
        self.library = library

    def merge(
        self, x: Tensor, metric: Tensor, size: Tensor, parameters: MergeParameters, seed: int = 0
    ) -> MergeResult:
        """The seed chooses the order of threads and blocks."""
        return self.library.merge(x, metric, size, parameters, seed)


def enqueue_merge(
    library: MergeLibrary,
    x: Tensor,
    metric: Tensor,
    size: Tensor,
    parameters: MergeParameters,
    stream: int = 0,
) -> tuple[MergeResult, Tensor]:
    """Enqueue one merge and nothing else: unlike ``MergeLibrary.enqueue``, it fills no memory first.

    Returns:
        What the merge will fill, and the workspace, which must live until it has.
    """
    batch, num_tokens, width = x.shape
    kept = num_tokens - parameters.num_merged
    result = MergeResult(
        x.new_empty(batch, kept, width),
        size.new_empty(batch, kept, 1),
        torch.empty(batch, num_tokens, dtype=torch.int32, device=x.device),
    )
    asked = Parameters.of(parameters)
    shape = Shape(batch, num_tokens, width, metric.shape[2], DTYPES[x.dtype])
    num_bytes = library.workspace_size(asked, shape) + ALIGNMENT
    workspace = torch.empty(num_bytes, dtype=torch.uint8, device=x.device)
    address = workspace.data_ptr() + -workspace.data_ptr() % ALIGNMENT
    addresses = [tensor.data_ptr() for tensor in (x, metric, size, *result)]
    library.enqueue_raw(asked, shape, Tensors(*addresses, address), stream)
    return result, workspace
