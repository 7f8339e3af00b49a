"""What a block of decide_and_merge does, beside what the execution model counts: read off by a person.

Read again after a change of few_merge.cuh or row.cuh: instructions of a warp in the machine code for compute
capability 8.0 (CUDA 13.0, ``nvdisasm``), float16 in accesses of 16 bytes, order by energy. Between its
barriers a block waits for memory or computes, and seldom both: the two are added up.
"""

from __future__ import annotations

from pitome.plugins.tools.account.assumptions import BARRIER, ISSUE, SHARED_LATENCY
from pitome.plugins.tools.account.counts import KernelCount
from pitome.plugins.tools.account.layers import ELEMENT_BYTES, Layer

_WARPS = 8
_SLOTS = 16
"""Rows that a block writes: a warp two of them, one after the other."""
_SOURCE_LANES = 2
_STRETCH = 15
"""Similarities that a lane has on their way at once."""
_CHUNK_BYTES = 3 * 32 * 16
"""Of a row of x, that a warp has on its way at once."""

_ONCE = 420
_FOUR_KEYS = 18
_RANK = 45
_ROUND = 139
_ROW = 85
_CHUNK = 44
_MERGED_CHUNK = 510
"""More where the row has a source: products, sums, and a division for each element."""


def block_instructions(layer: Layer) -> float:
    """Of all warps of a block."""
    parameters = layer.parameters
    unprotected = layer.num_tokens - layer.prefix
    sources = _sources(layer)
    ranks = 3 * _RANK + _FOUR_KEYS * (-(-unprotected // 4) + 2 * -(-sources // (4 * _SOURCE_LANES)))
    similarities = _rounds(layer) * _ROUND
    merged = parameters.num_merged / (layer.num_tokens - parameters.num_merged)
    rows = _SLOTS // _WARPS * (_ROW + _chunks(layer) * (_CHUNK + merged * _MERGED_CHUNK))
    return _WARPS * (_ONCE + ranks + similarities + rows)


def block_latency(layer: Layer, count: KernelCount, l2: float, device: float) -> float:
    """Clocks of one block that waits for nothing but memory, its own lanes, and itself.

    Sizes, with norms and parts of energies; the similarities, round by round; each row's pieces, with those
    of its first source.
    """
    waits = device + _rounds(layer) * l2 + _SLOTS // _WARPS * _chunks(layer) * device
    waits += count.barriers * BARRIER.value + count.warp_waits * SHARED_LATENCY.value
    return waits + block_instructions(layer) / ISSUE.value


def _sources(layer: Layer) -> int:
    return -(-layer.parameters.num_candidates // 2)


def _rounds(layer: Layer) -> int:
    targets = layer.parameters.num_candidates // 2
    return -(-targets // (_STRETCH * _SOURCE_LANES))


def _chunks(layer: Layer) -> int:
    return -(-layer.width * ELEMENT_BYTES // _CHUNK_BYTES)
