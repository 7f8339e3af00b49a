"""Records of how tokens merge: the method's settings, the numbers of each layer, the schedule, the work."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import Field, model_validator

from pitome.bundle.record import Count, Positive, Record
from pitome.energies import EnergyNumbers, check_numbers
from pitome.parameters import MergeParameters
from pitome.settings import MergeSettings


class MethodRecord(Record):
    """How tokens are merged: every setting, the method's own included, and what each layer's operator got."""

    settings: MergeSettings = Field(description="The settings, with the method's own where none was chosen")
    restore: Literal["exact", "groups", "approximate", "none"] = Field(
        description="What an original position gets back: its own vector, its group's, that of the most "
        "similar kept token, or nothing"
    )
    num_protected: Count = Field(description="Prefix tokens (CLS, distillation, registers), never merged")
    layers: tuple[MergeParameters | None, ...] = Field(
        description="The operator's attributes in every layer; null where it has no operator. Function, "
        "margin, offset, width and alpha follow from the settings' energy and margin"
    )

    @model_validator(mode="after")
    def _numbers_follow_from_the_settings(self) -> Self:
        energy, margin = self.settings.energy, self.settings.margin
        for layer, each in enumerate(self.layers):
            if each is None:
                continue
            measured = each.order == "energy"
            if margin is None or (measured and energy is None):
                raise ValueError(
                    f"layer {layer} has numbers of an energy and a margin, and the settings name not both"
                )
            found = EnergyNumbers(each.function, each.margin, each.offset, each.width, each.alpha)
            check_numbers(found, layer, energy if measured else None, margin, len(self.layers))
        return self

    @property
    def name(self) -> str:
        """Of the method."""
        return self.settings.method

    @property
    def margins(self) -> tuple[float | None, ...]:
        """The margin of every layer; None where it has no operator."""
        return tuple(None if layer is None else layer.margin for layer in self.layers)


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
