"""What the speed of the kernels alone is measured on: all merges of one forward pass of a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from pitome.merge import MergeResult
from pitome.methods import make_method
from pitome.models.families.clip import Clip
from pitome.parameters import MergeParameters
from pitome.plugins.tools.merge_library import ALIGNMENT, DTYPES, MergeLibrary, Parameters, Shape, Tensors
from pitome.schedule import TokenSchedule
from pitome.settings import MergeSettings, Metric


@dataclass(frozen=True)
class MergedModel:
    """The sizes of a vision transformer that the default method merges."""

    name: str
    num_layers: int
    num_tokens: int
    width: int
    head_width: int

    def merges(self, metric: Metric) -> list[tuple[int, MergeParameters]]:
        """(N, parameters) of every merge."""
        method = make_method(MergeSettings(metric=metric), Clip(), self.num_layers)
        schedule = TokenSchedule.from_ratio(0.9, self.num_layers, self.num_tokens, 1)
        layers = zip(schedule.tokens, method.parameters(schedule), strict=False)
        return [(tokens, parameters) for tokens, parameters in layers if parameters is not None]


@dataclass(frozen=True)
class Call:
    """One merge and its tensors."""

    x: torch.Tensor
    metric: torch.Tensor
    size: torch.Tensor
    result: MergeResult
    workspace: torch.Tensor
    parameters: Parameters
    shape: Shape

    def enqueue(self, library: MergeLibrary, stream: int) -> None:
        memory = self.workspace.data_ptr()
        tensors = (self.x, self.metric, self.size, *self.result)
        addresses = [tensor.data_ptr() for tensor in tensors]
        arguments = Tensors(*addresses, memory + -memory % ALIGNMENT)
        library.enqueue_raw(self.parameters, self.shape, arguments, stream)


class AllMerges:
    """Every merge of a model, each on tensors of its own.

    Args:
        library: whose kernels run where ``device`` is.
        model: that the merges are of.
        metric: "hidden" takes x itself, "keys" rows of one head's width.
        batch: B.
        dtype: of x and the metric.
        device: "cuda", or "cpu" with the host library.
    """

    def __init__(
        self,
        library: MergeLibrary,
        model: MergedModel,
        metric: Metric,
        batch: int,
        dtype: torch.dtype,
        device: str = "cuda",
    ) -> None:
        self.library = library
        self.calls: list[Call] = []
        for tokens, parameters in model.merges(metric):
            kept = tokens - parameters.num_merged
            x = torch.randn(batch, tokens, model.width, device=device).to(dtype)
            keys = torch.randn(batch, tokens, model.head_width, device=device).to(dtype)
            rows = x if metric == "hidden" else keys
            asked = Parameters.of(parameters)
            shape = Shape(batch, tokens, model.width, rows.shape[2], DTYPES[dtype])
            num_bytes = library.workspace_size(asked, shape) + ALIGNMENT
            result = MergeResult(
                torch.empty(batch, kept, model.width, dtype=dtype, device=device),
                torch.empty(batch, kept, 1, device=device),
                torch.empty(batch, tokens, dtype=torch.int32, device=device),
            )
            size = torch.ones(batch, tokens, 1, device=device)
            workspace = torch.empty(num_bytes, dtype=torch.uint8, device=device)
            self.calls.append(Call(x, rows, size, result, workspace, asked, shape))

    def enqueue(self, stream: int) -> None:
        """Enqueue all merges."""
        for call in self.calls:
            call.enqueue(self.library, stream)

    def capture(self) -> Callable[[], None]:
        """A function that replays all merges from a CUDA graph."""
        # Once outside of the graph: the first launch loads the kernels.
        self.enqueue(torch.cuda.current_stream().cuda_stream)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.enqueue(torch.cuda.current_stream().cuda_stream)

        def replay(owner: AllMerges = self) -> None:  # the tensors live as long as the graph
            graph.replay()

        return replay
