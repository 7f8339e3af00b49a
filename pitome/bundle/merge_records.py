"""Records of how tokens merge: the method's settings, the numbers of each layer, the schedule, the work."""

from __future__ import annotations

import math
from typing import Self

from pydantic import Field, model_validator

from pitome.bundle.record import Count, Positive, Record, Text
from pitome.parameters import Energy, Order, Split
from pitome.settings import Metric


class LayerNumbers(Record):
    """What the operator of one layer is given beside its counts."""

    margin: float = Field(description="Similarity from which a neighbour counts in full")
    alpha: float = Field(description="Weight of the energy below the margin")
    offset: float | None = Field(None, description="Moves the energy's argument, where the energy has one")
    width: float | None = Field(None, description="Scales the energy's argument, where the energy has one")


class MethodRecord(Record):
    """How tokens are merged: every setting, defaults included."""

    name: Text = Field(description="The method: pitome, paper, authors, tome, random or none")
    order: Order = Field(description="What the tokens are ordered by")
    energy: Energy = Field(description="The function that energy averages")
    split: Split = Field(description="How candidates are split into A and B")
    metric: Metric = Field(description="What similarity is measured on")
    size_penalty: float = Field(ge=0, description="An edge loses this times ln(size of its source)")
    num_protected: Count = Field(description="Prefix tokens (CLS, distillation, registers), never merged")
    proportional_attention: bool = Field(description="Attention counts a merged token by its size")
    seed: int | None = Field(None, description="Seed of a method that draws at random")
    layers: tuple[LayerNumbers, ...] = Field(description="The numbers of every layer")

    @property
    def margins(self) -> tuple[float, ...]:
        """The margin of every layer."""
        return tuple(layer.margin for layer in self.layers)


class ScheduleRecord(Record):
    """The static number of tokens of every layer."""

    tokens: tuple[Positive, ...] = Field(description="Tokens in front of each layer, and after the last")
    num_merged: tuple[Count, ...] = Field(description="Tokens that each layer merges away; 0: no merge")
    num_candidates: tuple[Count, ...] = Field(description="Tokens that each layer may merge")

    @model_validator(mode="after")
    def _tokens_fall_by_what_is_merged(self) -> Self:
        layers = len(self.num_merged)
        if len(self.tokens) != layers + 1 or len(self.num_candidates) != layers:
            raise ValueError(
                f"{layers} layers need {layers + 1} tokens and {layers} num_candidates, "
                f"not {len(self.tokens)} and {len(self.num_candidates)}"
            )
        for layer, merged in enumerate(self.num_merged):
            before, after = self.tokens[layer : layer + 2]
            if before - merged != after:
                raise ValueError(f"layer {layer} merges {merged} of {before} tokens: not {after} are left")
        return self


class FlopsRecord(Record):
    """Work per input, in multiply-adds."""

    base: Positive = Field(description="Multiply-adds of the unmerged model")
    merged: Positive = Field(description="Multiply-adds of the merged model, merging included")
    ratio: float = Field(description="merged / base")
    bound: float = Field(description="base / merged: the speed-up if time were proportional to FLOPs")

    @model_validator(mode="after")
    def _ratio_and_bound_follow(self) -> Self:
        if not math.isclose(self.ratio, self.merged / self.base, rel_tol=1e-9):
            raise ValueError(f"ratio is {self.ratio}, but merged / base is {self.merged / self.base}")
        if not math.isclose(self.bound, self.base / self.merged, rel_tol=1e-9):
            raise ValueError(f"bound is {self.bound}, but base / merged is {self.base / self.merged}")
        return self
