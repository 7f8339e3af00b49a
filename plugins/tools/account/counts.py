"""What each kernel of a merge asks for, as the execution model on the CPU counts it (plugins/host)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from pitome.plugins.tools.account.layers import Layer
from pitome.plugins.tools.merge_library import HostLibrary
from pitome.plugins.tools.ptxas_log import Usage
from pitome.settings import Metric

MANY_TOKENS = ("add_energies", "order_tokens", "find_edges", "select_edges", "merge_rows")
FEW_TOKENS = ("compare_pairs", "decide_and_merge")
KERNELS = (*MANY_TOKENS, *FEW_TOKENS)
"""A merge runs those of one of the two, in their order."""
FEW = 256
"""Tokens after the prefix, up to which two launches do."""
TILE_ROWS = 64
"""Of the tiles of many tokens."""


@dataclass(frozen=True)
class KernelCount:
    """One kernel in one merge; but for barriers, waits and threads, of all of its blocks together."""

    kernel: str
    launches: int
    blocks: int
    threads_per_block: int
    loaded_bytes: int
    """By every load of every thread, whichever cache serves it."""
    stored_bytes: int
    distinct_bytes: int
    """Sectors that the launch touched, each once: what device memory moves while the images that are worked
    on at one time stay in the L2 cache."""
    barriers: int
    """That a block comes to."""
    warp_waits: int
    """Of a block's first warp for its own lanes: shuffles, and the steps of a sort that need no barrier."""
    multiply_adds: int
    """Of whole tiles, padding included."""

    def of_batch(self, batch: int) -> KernelCount:
        """The same for a batch, from one image.

        All of it grows with the batch; merge_rows has up to batch - 1 blocks fewer than this says, where the
        last block of an image has room for rows of the next, and sectors at the ends of images are shared.
        """
        linear = ("blocks", "loaded_bytes", "stored_bytes", "distinct_bytes", "multiply_adds")
        return replace(self, **{name: batch * getattr(self, name) for name in linear})


def count_merge(
    library: HostLibrary,
    layer: Layer,
    metric: Metric,
    *,
    batch: int = 1,
    dtype: torch.dtype = torch.float16,
) -> dict[str, KernelCount]:
    """Run one merge of random tokens on the CPU, and count: its kernels, in the order in which they run.

    Other tokens give the same counts, but for sectors that rows of candidates share with others' rows.
    """
    generator = torch.Generator().manual_seed(0)

    def rows(width: int) -> torch.Tensor:
        return torch.randn(batch, layer.num_tokens, width, generator=generator).to(dtype)

    x = rows(layer.width)
    similar = x if metric == "hidden" else rows(layer.metric_width(metric))
    found = library.count(x, similar, torch.ones(batch, layer.num_tokens, 1), layer.parameters)
    return {kernel: KernelCount(kernel, **found[kernel]) for kernel in KERNELS if kernel in found}


def usage_of(usages: Sequence[Usage], kernel: str, target: int) -> Usage | None:
    """What ptxas says of a kernel for float16, with 16-byte accesses where it has a choice."""
    in_vectors = "I6__halfLb1E"
    arguments = {"order_tokens": "E", "select_edges": "E"}
    arguments |= {"merge_rows": in_vectors, "decide_and_merge": in_vectors}
    name = re.compile(rf"\d{kernel}{arguments.get(kernel, 'I6__half')}")
    found = [usage for usage in usages if usage.target == target and name.search(usage.kernel)]
    return found[0] if found else None


@dataclass(frozen=True)
class MetricReads:
    """How often a kernel asks for one row of the metric; each time it asks for the whole row once."""

    add_energies: int
    """Any unprotected token's."""
    find_edges_source: int
    find_edges_target: int


def metric_reads(num_unprotected: int, num_candidates: int) -> MetricReads:
    """Once for every tile of 64 rows that the row is compared with, its own tile included."""
    sources, targets = -(-num_candidates // 2), num_candidates // 2
    return MetricReads(*(-(-rows // TILE_ROWS) for rows in (num_unprotected, targets, sources)))
