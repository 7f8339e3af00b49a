"""What a block does for one tile, beside what the execution model counts: read off the kernels by a person.

Read again after a change of multiply.cuh, similarity.cuh, energy.cuh, edges.cuh or few_pairs.cuh: bytes of
shared memory in the sources; instructions in the machine code for compute capability 8.0 (CUDA 13.0,
``nvdisasm``) on the path of float16 in accesses of 16 bytes, of a tile off the diagonal, and of similarities
below the margin.
"""

from __future__ import annotations

from dataclasses import dataclass

from pitome.plugins.tools.account.assumptions import SHARED_LATENCY
from pitome.plugins.tools.account.layers import ELEMENT_BYTES

PIECE_COLUMNS = 64
"""Of float16 rows, that a tile holds at a time."""
_WARP_ACCESS = 128
"""Bytes of one access of a warp to shared memory, without conflicts."""
_SQUARE = 16
"""Rows and columns of one product of the tensor cores."""


@dataclass(frozen=True)
class TileWork:
    """Of one kernel that computes tiles; a piece is what the tile holds of its rows at a time."""

    rows: int
    """And columns."""
    warps: int
    steps: int
    """In which a row of similarities is gone through."""
    fetches: int
    """Pieces that are on their way at once."""
    warp_squares: int
    """Along each side of what a warp multiplies; it loads two sides of it for their product."""
    passes: int
    """Over the products: the tensor cores write them, a second group of warps reads and writes the sums."""
    piece_instructions: int
    """Of a warp; likewise the next two."""
    step_instructions: int
    once_instructions: int
    step_accesses: int
    """Of a warp to shared memory."""
    step_clocks: float
    """From one step to the next where nothing else keeps the warp waiting. Steps do not overlap: there is a
    branch in each, and a store where energies are added up."""

    def instructions(self, pieces: int) -> int:
        """Of all warps of a block."""
        steps = self.steps * self.step_instructions
        return self.warps * (pieces * self.piece_instructions + steps + self.once_instructions)

    def shared_bytes(self, pieces: int, multiply_adds: float) -> float:
        """That a block moves to and from shared memory: rows, operands, products, and steps."""
        rows = pieces * 2 * self.rows * PIECE_COLUMNS * ELEMENT_BYTES
        operands = 2 * ELEMENT_BYTES / (self.warp_squares * _SQUARE)
        products = self.passes * self.rows * self.rows * 4
        steps = self.warps * self.steps * self.step_accesses * _WARP_ACCESS
        return rows + multiply_adds * operands + products + steps

    def serial_clocks(self) -> float:
        """Of the steps of one warp."""
        return self.steps * self.step_clocks


TILE_WORK = {
    # Four accesses and some thirty dependent instructions: the exponential.
    "add_energies": TileWork(64, 8, 16, 2, 2, 3, 185, 57, 650, 7, 4 * SHARED_LATENCY.value + 150),
    "find_edges": TileWork(64, 8, 16, 2, 2, 3, 185, 23, 650, 3, 3 * SHARED_LATENCY.value + 40),
    # Two passes over the tile: 43 instructions with the exponential, some 25 of them dependent, and 14.
    "compare_pairs": TileWork(32, 4, 8, 4, 1, 1, 133, 57, 585, 8, 2 * SHARED_LATENCY.value + 120),
}
