"""How long a merge and its block take on a GPU, from counts and datasheets. Predicted, never measured.

A kernel takes the longest of six bounds, as if it overlapped perfectly all that it does:

- device memory: the sectors that it touches, at the bandwidth of the datasheet; where x and the metric stay
  in the L2 cache from one launch to the next, only what it stores, and nothing where y stays there too;
- L2: all that its threads ask for, as if the first-level cache kept nothing;
- tensor cores: its multiply-adds;
- shared memory: the tile's rows as they come, operands of the tensor cores, products and similarities;
- instructions: what its warps issue;
- latency: the accesses and barriers of one block that wait for each other, as often as blocks take turns.

The four in the middle fall to single multiprocessors, and the busiest one counts: the one with the number of
blocks over the number of multiprocessors, rounded up. Shared memory is counted only where a tile is computed,
instructions there and where every block decides for itself: the other kernels wait for memory and barriers.
"""

from __future__ import annotations

from dataclasses import dataclass

from pitome.plugins.tools.account.assumptions import (
    BARRIER,
    COMPARE,
    DEVICE_LATENCY,
    ISSUE,
    L2_BYTES,
    L2_LATENCY,
    SHARED_BYTES,
    SHARED_LATENCY,
)
from pitome.plugins.tools.account.counts import KernelCount
from pitome.plugins.tools.account.decision_work import block_instructions, block_latency
from pitome.plugins.tools.account.gpus import Gpu
from pitome.plugins.tools.account.layers import ELEMENT_BYTES, Layer
from pitome.plugins.tools.account.tile_work import PIECE_COLUMNS, TILE_WORK
from pitome.plugins.tools.ptxas_log import Usage

_WARP_BYTES = 32 * 16
"""Of a row of x, that a warp reads at a time."""


@dataclass(frozen=True)
class KernelTime:
    """The prediction for one kernel, in seconds."""

    kernel: str
    resident_blocks: int
    """On one multiprocessor."""
    bounds: dict[str, float]

    @property
    def bound(self) -> str:
        """The name of the longest."""
        return max(self.bounds, key=lambda name: self.bounds[name])

    @property
    def seconds(self) -> float:
        """The longest."""
        return self.bounds[self.bound]


def predict_kernel(
    gpu: Gpu,
    layer: Layer,
    metric_width: int,
    count: KernelCount,
    usage: Usage | None,
    moved: int,
    *,
    in_l2: bool,
) -> KernelTime:
    """One launch.

    Args:
        gpu: what runs it.
        layer: whose merge it belongs to.
        metric_width: D.
        count: that of the whole batch.
        usage: registers and shared memory for this GPU; one block to a multiprocessor where unknown.
        moved: bytes from and to device memory.
        in_l2: x and the metric are in the L2 cache.
    """
    busiest = -(-count.blocks // gpu.multiprocessors)
    resident = gpu.resident_blocks(usage, count.threads_per_block)
    turns = -(-count.blocks // (gpu.multiprocessors * resident))
    asked = (count.loaded_bytes + count.stored_bytes) / count.blocks
    multiply_adds = count.multiply_adds / count.blocks
    pieces = -(-metric_width // PIECE_COLUMNS)
    clocks = {
        "L2": busiest * asked / L2_BYTES.value,
        "tensor cores": busiest * multiply_adds / (gpu.multiply_adds_per_clock * gpu.mma_share),
        "latency": turns * _latency(layer, count, pieces, in_l2),
    }
    work = TILE_WORK.get(count.kernel)
    if work is not None:
        clocks["shared memory"] = busiest * work.shared_bytes(pieces, multiply_adds) / SHARED_BYTES.value
        clocks["instructions"] = busiest * work.instructions(pieces) / ISSUE.value
    if count.kernel == "decide_and_merge":
        clocks["instructions"] = busiest * block_instructions(layer) / ISSUE.value
    bounds = {name: number / gpu.clock for name, number in clocks.items()}
    return KernelTime(count.kernel, resident, {"device memory": moved / gpu.bandwidth, **bounds})


def _latency(layer: Layer, count: KernelCount, pieces: int, in_l2: bool) -> float:
    """Clocks of what waits for each other in one block. The workspace is in the L2 cache in any case."""
    l2 = L2_LATENCY.value
    device = l2 if in_l2 else DEVICE_LATENCY.value
    if count.kernel in TILE_WORK:
        # Ranks or sizes, and the pieces of the rows, some of which are fetched while one is multiplied.
        work = TILE_WORK[count.kernel]
        waits = l2 + -(-pieces // work.fetches) * device + count.barriers * BARRIER.value
        return waits + work.serial_clocks()
    if count.kernel == "decide_and_merge":
        return block_latency(layer, count, l2, device)
    if count.kernel == "merge_rows":
        # The slot, its token's size, a source and its size; then a piece of x, and that of the source.
        pieces_of_x = -(-layer.width * ELEMENT_BYTES // _WARP_BYTES)
        return 2 * l2 + 2 * device + pieces_of_x * (2 * device + l2)
    steps = count.barriers * BARRIER.value
    steps += (count.barriers + count.warp_waits) * (SHARED_LATENCY.value + COMPARE.value)
    if count.kernel == "order_tokens":
        # Size and norm for the count, then the parts of the energies, for each token of a thread.
        rounds = -(-(layer.num_tokens - layer.prefix) // count.threads_per_block)
        return rounds * (device + 2 * l2) + steps
    # Edges, ranks and sizes of the sources, then the ranks of those that are taken.
    return device + 3 * l2 + steps


def predict_block(gpu: Gpu, layer: Layer, batch: int, *, in_l2: bool) -> float:
    """Seconds of attention and MLP, each product as fast as the datasheet's peak or bandwidth allows.

    No real block is that fast, so that the merge's share of it comes out too large. With ``in_l2`` only the
    weights come from device memory.
    """
    seconds = 0.0
    for product in layer.products():
        num_bytes = product.weight_bytes + (0 if in_l2 else batch * product.activation_bytes)
        arithmetic = 2 * batch * product.multiply_adds / gpu.tensor_flops
        seconds += max(arithmetic, num_bytes / gpu.bandwidth)
    return seconds
