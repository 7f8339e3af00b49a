"""What a merge costs on a device: in all, by kernel, and beside the block that it is in."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from tests.plugins.gpu_kernels.block import METRICS, ClipBlock, Layer, MergingBlock, Metric, make_block
from tests.plugins.gpu_kernels.device import Launch, Run, TimedDevice

BATCHES = (1, 8, 64)
COPIES = 20
"""Runs that are captured together: to start a graph may take longer than a merge does."""
ROUNDS = 31
WARMUP_ROUNDS = 5
SAMPLE_SECONDS = 0.02
"""How long one sample lasts, about."""
MOST_REPLAYS = 1000
_KERNEL = re.compile(r"\bpitome::(\w+)")


@dataclass(frozen=True)
class KernelTime:
    """One kernel in one merge."""

    name: str
    launches: float
    seconds: float
    """The launches' median, times their number."""


@dataclass(frozen=True)
class Speed:
    """One merge at one batch size; medians over rounds."""

    metric: Metric
    batch: int
    block_seconds: float
    """Of the block without a merge."""
    merge_seconds: float
    """Of the merge by itself."""
    merging_block_seconds: float
    """Of the block with the merge in it: its MLP has fewer tokens."""
    kernels: tuple[KernelTime, ...]
    """Of the merge, in their order; empty where the profiler saw none."""

    @property
    def share(self) -> float:
        """The merge's time as a part of the block's."""
        return self.merge_seconds / self.block_seconds


@torch.no_grad()
def measure_speed(
    device: TimedDevice, layer: Layer, batches: Sequence[int] = BATCHES, dtype: torch.dtype = torch.float16
) -> tuple[Speed, ...]:
    """Each metric at each batch size."""
    block = make_block(layer, device.place, dtype)
    return tuple(_measure(device, block, layer, metric, batch) for batch in batches for metric in METRICS)


def _measure(device: TimedDevice, block: ClipBlock, layer: Layer, metric: Metric, batch: int) -> Speed:
    dtype = block.qkv.weight.dtype
    generator = torch.Generator().manual_seed(0)

    def rows(width: int) -> torch.Tensor:
        values = torch.randn(batch, layer.num_tokens, width, generator=generator)
        return values.to(device.place, dtype)

    x = rows(layer.width)
    similar = x if metric == "hidden" else rows(layer.width // layer.num_heads)
    size = torch.ones(batch, layer.num_tokens, 1, device=device.place)
    merging_block = MergingBlock(block, device, layer.parameters, metric)

    def merges() -> list[object]:
        return [device.enqueue(x, similar, size, layer.parameters) for _ in range(COPIES)]

    candidates: dict[str, Run] = {
        "block": lambda: [block(x) for _ in range(COPIES)],
        "merge": merges,
        "merging block": lambda: [merging_block(x, size) for _ in range(COPIES)],
    }
    captured = {name: device.capture(run) for name, run in candidates.items()}
    seconds = measure_rounds(device, captured)
    return Speed(
        metric,
        batch,
        seconds["block"] / COPIES,
        seconds["merge"] / COPIES,
        seconds["merging block"] / COPIES,
        kernel_times(device.launches(merges), COPIES),
    )


def measure_rounds(device: TimedDevice, candidates: Mapping[str, Run]) -> dict[str, float]:
    """Median seconds of one run of each candidate, which take turns so that all meet the same clocks.

    Every other round goes backwards. The warm-up settles how many runs fill one sample.
    """
    runs = dict.fromkeys(candidates, 1)
    for _ in range(WARMUP_ROUNDS):
        for name, run in candidates.items():
            runs[name] = _runs_per_sample(device.seconds(run, runs[name]) / runs[name])
    samples: dict[str, list[float]] = {name: [] for name in candidates}
    for index in range(ROUNDS):
        for name in list(candidates)[:: -1 if index % 2 else 1]:
            samples[name].append(device.seconds(candidates[name], runs[name]) / runs[name])
    return {name: statistics.median(values) for name, values in samples.items()}


def _runs_per_sample(seconds: float) -> int:
    return min(max(1, math.ceil(SAMPLE_SECONDS / max(seconds, 1e-9))), MOST_REPLAYS)


def kernel_times(launches: Sequence[Launch], merges: int) -> tuple[KernelTime, ...]:
    """The launches of so many merges, by kernel; one that is not ours stands there with its full name."""
    by_name: dict[str, list[float]] = {}
    for launch in launches:
        found = _KERNEL.search(launch.name)
        by_name.setdefault(found[1] if found else launch.name, []).append(launch.seconds)
    return tuple(
        KernelTime(name, len(seconds) / merges, statistics.median(seconds) * len(seconds) / merges)
        for name, seconds in by_name.items()
    )
