"""What one merge is told: the attributes of the operator ``pitome::EnergyMerge``, version 2."""

from __future__ import annotations

import math
from ctypes import c_float
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

from pitome.errors import InputError

Order = Literal["energy", "position"]
Function = Literal["piecewise", "gaussian"]
Split = Literal["alternate", "alternate_second", "half"]
AMOUNTS = ("margin", "offset", "width", "alpha", "size_penalty")
"""The attributes that change what a merge decides, but not how much work it is. All are float32."""
LARGEST_AMOUNT = 2.0**10
SMALLEST_WIDTH = 2.0**-10


class RankSlices(NamedTuple):
    """A split as slices of the M ranks, which a graph can follow where it can't read the split's name."""

    source_start: int
    source_stop: int
    target_start: int
    target_stop: int
    split_step: int


def rank_slices(split: Split, num_candidates: int) -> RankSlices:
    """Which of the M ranks are sources and which are targets (METHOD.md section 2 step 5)."""
    if split == "half":
        half = (num_candidates + 1) // 2
        return RankSlices(0, half, half, num_candidates, 1)
    first, second = (0, 1) if split == "alternate" else (1, 0)
    return RankSlices(first, num_candidates, second, num_candidates, 2)


def to_float32(value: float) -> float:
    """The nearest float32; infinite where it is beyond the largest."""
    return c_float(value).value


@dataclass(frozen=True)
class MergeParameters:
    """The static attributes of one merge (METHOD.md section 2). Its floats are rounded to float32.

    The defaults are those of the energy "elu" at a margin of 0.9; ``pitome.energies`` has the others.

    Args:
        num_merged: r, how many tokens disappear.
        num_candidates: M, the first M tokens of the order may merge; the others are protected.
        num_protected: leading tokens (class token, registers) that are never scored or merged.
        margin: similarity at and above which a token adds to the energy linearly ("piecewise"), or 1 - sigma
            of the bell ("gaussian").
        offset: the similarity that adds nothing, of the line ("piecewise" only).
        width: the similarity that adds 1, counted from the offset ("piecewise" only).
        alpha: weight of similarities below the margin ("piecewise" only).
        size_penalty: how much the edge of a token loses per unit of the logarithm of its size.
        order: "energy" (PiToMe) or "position" (ToMe).
        function: of the similarity; its mean is the energy.
        split: how the candidates are divided into sources and targets by rank.

    Raises:
        InputError: a value that the operator does not take, judged after rounding.
    """

    num_merged: int
    num_candidates: int
    num_protected: int = 1
    margin: float = 0.9
    offset: float = 0.9
    width: float = 1.0
    alpha: float = 1.0
    size_penalty: float = 0.0
    order: Order = "energy"
    function: Function = "piecewise"
    split: Split = "alternate"

    def __post_init__(self) -> None:
        for name, kind in (("order", Order), ("function", Function), ("split", Split)):
            if getattr(self, name) not in get_args(kind):
                raise InputError(
                    f"{name}={getattr(self, name)!r}",
                    f"the operator knows {', '.join(get_args(kind))}",
                    "Choose one of these",
                )
        for name in AMOUNTS:
            self._round(name)
        if self.function == "gaussian" and self.margin >= 1:
            raise InputError(
                f"margin={self.margin} with the gaussian energy",
                "its width is 1 - margin in float32, which must be positive",
                "Give a margin below 1",
            )
        if self.num_protected < 0:
            raise InputError(f"num_protected={self.num_protected}", "negative", "Give zero or more")

    def _round(self, name: str) -> None:
        given: float = getattr(self, name)
        if not math.isfinite(given):
            raise InputError(f"{name}={given}", "not a finite number", "Give a finite number")
        rounded = to_float32(given)
        object.__setattr__(self, name, rounded)
        if name == "size_penalty" and rounded < 0:
            raise InputError(f"{name}={given}", "negative", "Give zero or a positive number")
        if name == "width" and rounded < SMALLEST_WIDTH:
            raise InputError(
                f"{name}={given}", f"below 2^-10 = {SMALLEST_WIDTH}", "Give a number from 2^-10 to 2^10"
            )
        if abs(rounded) > LARGEST_AMOUNT:
            raise InputError(
                f"{name}={given}",
                f"beyond 2^10 = {LARGEST_AMOUNT:g}, which is the operator's limit",
                "Give a smaller number",
            )

    @property
    def jump(self) -> float:
        """By how much the energy's function jumps at the margin; 0 where it is continuous."""
        if self.function == "gaussian":
            return 0.0
        return abs(self.margin - self.offset) / self.width

    @property
    def rank_slices(self) -> RankSlices:
        """Which of the M ranks are sources and which are targets."""
        return rank_slices(self.split, self.num_candidates)

    def meaning(self, equal_sizes: bool) -> MergeParameters:
        """The same decisions, with whatever has no part in them at one value (METHOD.md section 2).

        Args:
            equal_sizes: whether all tokens that are no padding stand for equally many.
        """
        found = self
        if equal_sizes or self.num_candidates == 2 * self.num_merged:  # or all edges are taken
            found = replace(found, size_penalty=0.0)
        if self.order == "position":
            found = replace(found, margin=0.0, function="piecewise")
        if self.order == "position" or self.function == "gaussian":
            found = replace(found, offset=0.0, width=1.0, alpha=1.0)
        return found

    def check(self, num_tokens: int) -> None:
        """Raise InputError unless 0 < 2r <= M <= N - num_protected (DESIGN.md, the operator)."""
        unprotected = num_tokens - self.num_protected
        if not 0 < 2 * self.num_merged <= self.num_candidates <= unprotected:
            raise InputError(
                f"num_merged={self.num_merged} with num_candidates={self.num_candidates} "
                f"for {num_tokens} tokens, {self.num_protected} of them protected",
                f"the operator needs 0 < 2 num_merged <= num_candidates <= {unprotected}",
                f"Merge at most {max(unprotected, 0) // 2} tokens here and allow 2 num_merged to "
                f"{max(unprotected, 0)} candidates",
            )
