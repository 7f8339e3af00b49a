"""The NVIDIA GPU that PyTorch sees: merges on it, CUDA graphs, and the time of each kernel.

Nothing in this file has run yet: no GPU was there. All else in this folder runs in the tests.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from pitome.merge import MergeResult
from pitome.parameters import MergeParameters
from pitome.plugins.tools.merge_library import MergeLibrary
from tests.plugins.gpu_kernels.device import Launch, Run, enqueue_merge

OLDEST_CAPABILITY = (7, 5)
"""The kernels need its tensor cores."""


def missing_gpu() -> str:
    """Why PyTorch has no GPU that the kernels run on; empty where it has one."""
    if not torch.cuda.is_available():
        build = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
        return f"PyTorch {torch.__version__}, built {build}, sees no NVIDIA GPU"
    capability = torch.cuda.get_device_capability()
    if capability < OLDEST_CAPABILITY:
        return f"{torch.cuda.get_device_name()} has compute capability {capability}, below 7.5"
    return ""


class Gpu:
    """PyTorch's current GPU."""

    place = "cuda"

    def __init__(self, library: MergeLibrary) -> None:
        self.library = library

    def merge(
        self, x: Tensor, metric: Tensor, size: Tensor, parameters: MergeParameters, seed: int = 0
    ) -> MergeResult:
        """Nothing can choose a GPU's order."""
        stream = torch.cuda.current_stream().cuda_stream
        result = self.library.enqueue(x, metric, size, parameters, stream)
        torch.cuda.synchronize()
        return result

    def enqueue(self, x: Tensor, metric: Tensor, size: Tensor, parameters: MergeParameters) -> MergeResult:
        """On PyTorch's current stream, that of a capture too; its memory goes to later work of it only."""
        stream = torch.cuda.current_stream().cuda_stream
        result, _ = enqueue_merge(self.library, x, metric, size, parameters, stream)
        return result

    def capture(self, run: Run) -> Run:
        """As a CUDA graph."""
        # Once outside of it, on a stream of its own: the first launch loads kernels, which a graph may not.
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            run()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            kept = run()

        def replay(results: object = kept) -> None:  # they live as long as the graph
            graph.replay()

        return replay

    def seconds(self, run: Run, count: int) -> float:
        """By CUDA events."""
        start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        for _ in range(count):
            run()
        stop.record()
        stop.synchronize()
        return float(start.elapsed_time(stop)) / 1e3

    def launches(self, run: Run) -> list[Launch]:
        """By PyTorch's profiler; none where the driver does not let it look."""
        run()
        torch.cuda.synchronize()
        with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as found:
            run()
            torch.cuda.synchronize()
        events = [event for event in found.events() or () if event.device_type == DeviceType.CUDA]
        events.sort(key=lambda event: event.time_range.start)
        return [Launch(event.name, event.time_range.elapsed_us() / 1e6) for event in events]
