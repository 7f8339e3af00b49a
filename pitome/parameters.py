"""What one merge is told: the attributes of the operator ``pitome::EnergyMerge``, version 1."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

from pitome.errors import InputError

Order = Literal["energy", "position"]
Energy = Literal["elu", "gaussian"]
Split = Literal["alternate", "half"]
AMOUNTS = ("margin", "alpha", "size_penalty")
"""The attributes that change what a merge decides, but not how much work it is."""


@dataclass(frozen=True)
class MergeParameters:
    """The static attributes of one merge (METHOD.md section 2).

    Args:
        num_merged: r, how many tokens disappear.
        num_candidates: M, the first M tokens of the order may merge; the others are protected.
        num_protected: leading tokens (class token, registers) that are never scored or merged.
        margin: similarity above which a token adds to the energy linearly.
        alpha: weight of similarities below the margin ("elu" only).
        size_penalty: how much the edge of a token loses per unit of the logarithm of its size.
        order: "energy" (PiToMe) or "position" (ToMe).
        energy: the function of the similarity whose mean is the energy.
        split: how the candidates are divided into sources and targets by rank.
    """

    num_merged: int
    num_candidates: int
    num_protected: int = 1
    margin: float = 0.9
    alpha: float = 1.0
    size_penalty: float = 0.0
    order: Order = "energy"
    energy: Energy = "elu"
    split: Split = "alternate"

    def __post_init__(self) -> None:
        for name, kind in (("order", Order), ("energy", Energy), ("split", Split)):
            if getattr(self, name) not in get_args(kind):
                raise InputError(
                    f"{name}={getattr(self, name)!r}",
                    f"the operator knows {', '.join(get_args(kind))}",
                    "Choose one of these",
                )
        for name in AMOUNTS:
            if not math.isfinite(getattr(self, name)):
                raise InputError(
                    f"{name}={getattr(self, name)}", "not a finite number", "Give a finite number"
                )
        if self.size_penalty < 0:
            raise InputError(
                f"size_penalty={self.size_penalty}", "negative", "Give zero or a positive number"
            )
        if self.energy == "gaussian" and self.margin >= 1:
            raise InputError(
                f"margin={self.margin} with the gaussian energy",
                "its width is 1 - margin, which must be positive",
                "Give a margin below 1",
            )
        if self.num_protected < 0:
            raise InputError(f"num_protected={self.num_protected}", "negative", "Give zero or more")

    def meaning(self, equal_sizes: bool) -> MergeParameters:
        """The same decisions, with whatever has no part in them at one value (METHOD.md section 2).

        Args:
            equal_sizes: whether all tokens that are no padding stand for equally many.
        """
        found = self
        if equal_sizes or self.num_candidates == 2 * self.num_merged:  # or all edges are taken
            found = replace(found, size_penalty=0.0)
        if self.order == "position":
            found = replace(found, margin=0.0, energy="elu")
        if self.order == "position" or self.energy == "gaussian":
            found = replace(found, alpha=1.0)
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
