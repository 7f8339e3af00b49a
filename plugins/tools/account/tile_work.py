"""What a block does for one tile, beside what the execution model counts: read off the kernels by a person.

Read again after a change of multiply.cuh, similarity.cuh, energy.cuh or edges.cuh: bytes of shared memory in
the sources; instructions in the machine code for compute capability 8.0 (CUDA 13.0, ``cuobjdump -sass``) on
the path of float16 in accesses of 16 bytes, of a tile off the diagonal, and of similarities below the margin.
"""

from __future__ import annotations

from dataclasses import dataclass

from pitome.plugins.tools.account.assumptions import SHARED_LATENCY
from pitome.plugins.tools.account.counts import TILE_ROWS
from pitome.plugins.tools.account.layers import ELEMENT_BYTES

PIECE_COLUMNS = 64
"""Of float16 rows, that a tile holds at a time."""
FETCHES = 2
"""Pieces that are on their way at once."""
_WARPS = 8
_STEPS = 16
"""In which four threads go through a row of similarities."""
_WARP_ACCESS = 128
"""Bytes of one access of a warp to shared memory, without conflicts."""

# For 2 x 2 products of 16 x 16 x 16 a warp loads four squares of 16 x 16.
_OPERAND_BYTES = 4 * 16 * 16 * ELEMENT_BYTES / (4 * 16**3)
# The first group of warps writes the products, the second reads them and writes the sums.
_PRODUCT_BYTES = 3 * TILE_ROWS * TILE_ROWS * 4


@dataclass(frozen=True)
class TileWork:
    """Of one kernel that computes tiles; a piece is what the tile holds of its rows at a time."""

    piece_instructions: int
    """Of a warp; likewise the next two."""
    step_instructions: int
    once_instructions: int
    step_accesses: int
    """Of a warp to shared memory."""
    step_clocks: float
    """From one step to the next where nothing else keeps the warp waiting. Steps do not overlap: there is a
    branch in each, and in add_energies a store."""

    def instructions(self, pieces: int) -> int:
        """Of all warps of a block."""
        of_warp = pieces * self.piece_instructions + _STEPS * self.step_instructions + self.once_instructions
        return _WARPS * of_warp

    def shared_bytes(self, pieces: int, multiply_adds: float) -> float:
        """That a block moves to and from shared memory: rows, operands, products, and steps."""
        rows = pieces * 2 * TILE_ROWS * PIECE_COLUMNS * ELEMENT_BYTES
        steps = _WARPS * _STEPS * self.step_accesses * _WARP_ACCESS
        return rows + multiply_adds * _OPERAND_BYTES + _PRODUCT_BYTES + steps

    def serial_clocks(self) -> float:
        """Of the steps of one warp."""
        return _STEPS * self.step_clocks


TILE_WORK = {
    # Four accesses and some thirty dependent instructions: the exponential.
    "add_energies": TileWork(185, 57, 650, 7, 4 * SHARED_LATENCY.value + 150),
    "find_edges": TileWork(185, 23, 650, 3, 3 * SHARED_LATENCY.value + 40),
}
