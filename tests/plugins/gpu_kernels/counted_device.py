"""The CPU execution of the kernels beside a clock that only counts: what measures a GPU can run with it."""

from __future__ import annotations

import json

from torch import Tensor

from pitome.merge import MergeResult
from pitome.parameters import MergeParameters
from tests.plugins.gpu_kernels.device import HostDevice, Launch, Run, enqueue_merge

KERNEL_SECONDS = 2e-6


class CountedDevice(HostDevice):
    """The first work that was captured takes 1 ms, the next 2 ms, and so on."""

    def __init__(self, library) -> None:  # type: ignore[no-untyped-def]
        super().__init__(library)
        self.captured: list[Run] = []
        self.results: list[object] = []
        self.measured: list[tuple[int, int]] = []
        """(place in ``captured``, how many runs), call by call."""

    def enqueue(self, x: Tensor, metric: Tensor, size: Tensor, parameters: MergeParameters) -> MergeResult:
        """Complete when it returns: PyTorch does not wait for the stream of the CPU execution."""
        result, _workspace = enqueue_merge(self.library, x, metric, size, parameters)
        self.library.handle.pitome_host_stream_synchronize(None)
        return result

    def capture(self, run: Run) -> Run:
        """Runs it once, as a capture does."""
        self.results.append(run())
        self.captured.append(run)
        return run

    def seconds(self, run: Run, count: int) -> float:
        place = self.captured.index(run)
        self.measured.append((place, count))
        return count * 1e-3 * (place + 1)

    def launches(self, run: Run) -> list[Launch]:
        """By the counters of the CPU execution, under names as CUDA's tools show them."""
        self.library.handle.pitome_host_count(1)
        run()
        found = json.loads(self.library.handle.pitome_host_counters())
        self.library.handle.pitome_host_count(0)
        return [
            Launch(f"void pitome::{kernel}<__half>(pitome::Problem, pitome::Workspace)", KERNEL_SECONDS)
            for kernel, counter in found.items()
            for _ in range(counter["launches"])
        ]
