"""The merge's share of its block: every model, metric and batch on every GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pitome.plugins.tools.account.assumptions import LAUNCH
from pitome.plugins.tools.account.counts import KernelCount, count_merge, usage_of
from pitome.plugins.tools.account.gpus import GPUS, Gpu
from pitome.plugins.tools.account.layers import BATCHES, ELEMENT_BYTES, LAYERS, METRICS, Layer
from pitome.plugins.tools.account.prediction import KernelTime, predict_block, predict_kernel
from pitome.plugins.tools.merge_library import HostLibrary
from pitome.plugins.tools.ptxas_log import Usage
from pitome.settings import Metric

GOALS: dict[Metric, float] = {"hidden": 0.10, "keys": 0.05}
"""Largest share of the block, from batch 8 up."""
GOAL_BATCH = 8
_L2_PART = 0.5
"""Of the L2 cache, that tensors may fill and still be there for the next launch."""


@dataclass(frozen=True)
class Merge:
    """One merge and what its kernels ask for, of one image."""

    layer: Layer
    metric: Metric
    counts: Mapping[str, KernelCount]

    def input_bytes(self, batch: int) -> int:
        """x and the metric; hidden is x."""
        keys = 0 if self.metric == "hidden" else self.layer.metric_width(self.metric)
        return batch * self.layer.num_tokens * (self.layer.width + keys) * ELEMENT_BYTES

    def output_bytes(self, batch: int) -> int:
        """y."""
        return batch * self.layer.schedule.tokens[1] * self.layer.width * ELEMENT_BYTES


def count_all(library: HostLibrary, say: Callable[[str], None]) -> list[Merge]:
    """The merges of all models and metrics; ``say`` is told which one is next."""
    merges: list[Merge] = []
    for layer in LAYERS:
        for metric in METRICS:
            say(f"Counting on the CPU: {layer.model}, {metric}")
            merges.append(Merge(layer, metric, count_merge(library, layer, metric)))
    return merges


@dataclass(frozen=True)
class Prediction:
    """Times of one merge of a batch on a GPU, in seconds."""

    merge: Merge
    gpu: Gpu
    batch: int
    in_l2: bool
    """x and the metric are in the L2 cache; else each launch fetches them from device memory."""
    kernels: tuple[KernelTime, ...]
    block_seconds: float
    """Without the merge."""

    @property
    def seconds(self) -> float:
        """Of the merge, without its launches."""
        return sum(kernel.seconds for kernel in self.kernels)

    @property
    def launch_seconds(self) -> float:
        """Of its launches."""
        return LAUNCH.value * sum(count.launches for count in self.merge.counts.values())

    @property
    def share(self) -> float:
        """Of the block without the merge, which is larger than that of the block with it."""
        return self.seconds / self.block_seconds

    @property
    def share_with_launches(self) -> float:
        """The same with the launches of the merge, and none of the block."""
        return (self.seconds + self.launch_seconds) / self.block_seconds

    @property
    def longest(self) -> KernelTime:
        """The kernel that takes most."""
        return max(self.kernels, key=lambda kernel: kernel.seconds)

    @property
    def goal(self) -> float | None:
        """Largest share that is wanted; None below the batch that it is set for."""
        return GOALS[self.merge.metric] if self.batch >= GOAL_BATCH else None

    def document(self) -> dict[str, Any]:
        """For JSON."""
        kernels = [
            {
                "kernel": kernel.kernel,
                "resident_blocks": kernel.resident_blocks,
                "bound": kernel.bound,
                "seconds": kernel.seconds,
                "bounds": kernel.bounds,
            }
            for kernel in self.kernels
        ]
        return {
            "model": self.merge.layer.model,
            "metric": self.merge.metric,
            "gpu": self.gpu.name,
            "batch": self.batch,
            "in_l2": self.in_l2,
            "block_seconds": self.block_seconds,
            "merge_seconds": self.seconds,
            "launch_seconds": self.launch_seconds,
            "share": self.share,
            "share_with_launches": self.share_with_launches,
            "goal": self.goal,
            "kernels": kernels,
        }


def predict_merge(
    merge: Merge, gpu: Gpu, batch: int, usages: Sequence[Usage], *, in_l2: bool = False
) -> Prediction:
    """The kernels one after the other, and the block."""
    layer, width = merge.layer, merge.layer.metric_width(merge.metric)
    y_fits = _fits(gpu, merge.input_bytes(batch) + merge.output_bytes(batch))
    times = []
    for kernel, of_one in merge.counts.items():
        count = of_one.of_batch(batch)
        usage = usage_of(usages, kernel, gpu.target)
        moved = count.distinct_bytes if not in_l2 else 0 if y_fits else count.stored_bytes
        times.append(predict_kernel(gpu, layer, width, count, usage, moved, in_l2=in_l2))
    block = predict_block(gpu, layer, batch, in_l2=in_l2)
    return Prediction(merge, gpu, batch, in_l2, tuple(times), block)


def predict_all(merges: Sequence[Merge], usages: Sequence[Usage]) -> Iterator[Prediction]:
    """Every batch and GPU; a second time with x and the metric in the L2 cache where they fit."""
    for merge in merges:
        for batch in BATCHES:
            for gpu in GPUS:
                yield predict_merge(merge, gpu, batch, usages)
                if _fits(gpu, merge.input_bytes(batch)):
                    yield predict_merge(merge, gpu, batch, usages, in_l2=True)


def _fits(gpu: Gpu, num_bytes: int) -> bool:
    return num_bytes <= _L2_PART * gpu.l2_bytes
