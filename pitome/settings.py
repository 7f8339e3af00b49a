"""What a user may choose about merging: one record for library, command line, files and results.

Imports no torch. A new setting is written here; the methods that take it say so in their own files.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from typing import Annotated, Literal, get_args

from pydantic import AliasChoices, Field

from pitome.energies import Energy, Margin
from pitome.errors import InputError
from pitome.option import Alias, Option, check_fields, named
from pitome.parameters import LARGEST_AMOUNT, Split

Metric = Literal["hidden", "keys"]
Candidates = float | int | Literal["paper", "all"]
"""A protected fraction (float in [0, 1)), M itself (int), "paper" (M = 2r) or "all" (M = T)."""
USUAL_MARGIN: Margin = (0.9, 0.9)
MIN_SEED, MAX_SEED = -(2**63), 2**63 - 1
"""A seed is a signed number of 64 bits, which torch's generators take."""
Shape = Literal["ratio", "constant", "decreasing", "increasing"]
"""How a FLOPs target is spread over the layers: the same keep ratio in each, the same r in each (the first
may merge one more, so that the target is met), or an r that falls or rises linearly from the first layer to
the last."""


def parse_candidates(text: str) -> Candidates:
    """``"all"``, ``"paper"``, M as a whole number, or a protected fraction with a decimal point."""
    if text in ("all", "paper"):
        return "all" if text == "all" else "paper"
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        raise ValueError("not all, paper or a number") from None


def parse_protected(text: str) -> float:
    """The fraction of the tokens that never merge."""
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None


def parse_margin(text: str) -> Margin:
    """``"0.9,0.9"`` or ``"0.9:0.9"`` as (start, slope); one number is a constant margin."""
    try:
        numbers = tuple(float(part) for part in text.replace(":", ",").split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 2):
        raise ValueError("not a start and a slope, such as 0.9,0.9, nor one number")
    return numbers[0], numbers[1] if len(numbers) == 2 else 0.0


def parse_switch(text: str) -> bool:
    """``"1"`` or ``"0"``."""
    if text not in ("0", "1"):
        raise ValueError("not 1 or 0")
    return text == "1"


def parse_integers(text: str) -> tuple[int, ...]:
    """``"3,4,5"`` as numbers."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError("not numbers with commas between them") from None


def parse_counts(text: str) -> int | tuple[int, ...]:
    """One number for all layers, or a list with one for each; ``"3,"`` is a list of one."""
    numbers = parse_integers(text.removesuffix(","))
    return numbers[0] if "," not in text else numbers


def counts_text(counts: object) -> str:
    """A number or a list as ``parse_counts`` takes it."""
    text = commas(counts)
    return f"{text}," if isinstance(counts, tuple | list) and len(counts) == 1 else text


def commas(value: object) -> str:
    """A number, or numbers with commas between them: what ``parse_margin`` and ``parse_counts`` take."""
    return ",".join(map(repr, value)) if isinstance(value, tuple | list) else str(value)


def margin_text(margin: object) -> str:
    """A margin as ``parse_margin`` takes it; one that is the same in all layers is one number."""
    return repr(margin[0]) if isinstance(margin, tuple | list) and not margin[1] else commas(margin)


def _switch_text(value: object) -> str:
    return str(int(bool(value)))


def _method_names() -> tuple[str, ...]:
    from pitome.methods import method_names

    return method_names()


def _candidates_label(value: object) -> str:
    return f"protect {value:g}" if isinstance(value, float) else f"M={value}"


def _margin_label(value: object) -> str:
    return "margin {:g}-{:g}i/L".format(*value) if isinstance(value, tuple) else ""


@dataclass(frozen=True)
class MergeSettings:
    """Which tokens merge. None stands for the method's own value.

    Raises:
        InputError: a value that no method takes.
    """

    method: Annotated[
        str,
        Option("Which tokens merge.", choices=_method_names, plural="methods"),
        Field(validation_alias=AliasChoices("method", "name"), serialization_alias="name"),
    ] = "pitome"
    metric: Annotated[
        Metric | None,
        Option(
            "What similarity is measured on; the method's own by default.",
            choices=get_args(Metric),
            plural="metrics",
        ),
    ] = None
    candidates: Annotated[
        Candidates | None,
        Option(
            "Tokens that may merge: all, paper (2r) or a number.",
            parse=parse_candidates,
            plural="candidates",
            label=_candidates_label,
            aliases=(
                Alias(
                    "protect",
                    "Fraction of tokens with the lowest energy that never merge.",
                    parse_protected,
                    says=lambda value: isinstance(value, float),
                ),
            ),
        ),
    ] = None
    margin: Annotated[
        Margin | None,
        Option(
            "start,slope (start:slope in a list): layer i of L has start - slope i/L; one number: the "
            "same in all layers.",
            parse=parse_margin,
            format=margin_text,
            plural="margins",
            label=_margin_label,
            label_own=False,
        ),
    ] = None
    energy: Annotated[
        Energy | None,
        Option(
            "What redundancy is measured by.",
            choices=get_args(Energy),
            plural="energies",
            label_own=False,
        ),
    ] = None
    split: Annotated[
        Split | None,
        Option(
            "How candidates are divided into sources and targets.",
            choices=get_args(Split),
            plural="splits",
            label_own=False,
        ),
    ] = None
    size_penalty: Annotated[
        float | None,
        Option(
            "How much large tokens resist merging.",
            minimum=0,
            maximum=LARGEST_AMOUNT,
            plural="size_penalties",
            label=lambda value: f"penalty {value:g}",
        ),
    ] = None
    proportional_attention: Annotated[
        bool | None,
        Option(
            "Proportional attention: 1 or 0.",
            name="prop_attn",
            parse=parse_switch,
            format=_switch_text,
            label=lambda value: "" if value else "plain attention",
        ),
    ] = None
    seed: Annotated[
        int,
        Option(
            "Of random weights and random pairs.",
            minimum=MIN_SEED,
            maximum=MAX_SEED,
            label=lambda _: "",
        ),
    ] = 0

    def __post_init__(self) -> None:
        check_fields(self)
        if self.margin is not None and not all(map(math.isfinite, self.margin)):
            raise InputError(
                f"MARGIN={margin_text(self.margin)}",
                "a margin is a start and a slope, both finite",
                "Choose for instance MARGIN=0.9,0.9",
            )

    def given(self) -> tuple[str, ...]:
        """The settings that were chosen, by field name: those that differ from the field's default."""
        return tuple(each.name for each in fields(self) if getattr(self, each.name) != each.default)

    def over(self, below: MergeSettings, chosen: Collection[str] | None = None) -> MergeSettings:
        """These settings where one was chosen, else those of ``below``.

        Args:
            below: the others.
            chosen: field names; None = those that are not at their default.
        """
        names = self.given() if chosen is None else chosen
        return replace(below, **{name: getattr(self, name) for name in names})

    def only(self, names: Collection[str]) -> MergeSettings:
        """The method, the seed and the named settings; the others are left to the method."""
        return replace(
            MergeSettings(self.method, seed=self.seed), **{name: getattr(self, name) for name in names}
        )


@dataclass(frozen=True)
class ScheduleOptions:
    """How many tokens merge in each layer; where nothing is chosen, the method's own keep ratio.

    Raises:
        InputError: two options that say the same thing.
    """

    ratio: Annotated[
        float | None,
        Option(
            "Keep ratio per layer, in (0, 1]; 0.9 by default, 0.8 for texts by the method paper.",
            plural="ratios",
        ),
        Field(gt=0, le=1),
    ] = None
    r: Annotated[
        int | tuple[int, ...] | None,
        Option(
            "Tokens merged per layer: a number, or one per layer.", parse=parse_counts, format=counts_text
        ),
        Field(validation_alias=AliasChoices("r", "num_merged"), serialization_alias="num_merged"),
    ] = None
    flops: Annotated[
        float | None,
        Option("Wanted fraction of the FLOPs, in (0, 1].", plural="flops"),
        Field(gt=0, le=1),
    ] = None
    shape: Annotated[
        Shape | None,
        Option(
            "How --flops is spread over the layers; ratio by default.",
            choices=get_args(Shape),
            plural="shapes",
        ),
    ] = None
    layers: Annotated[
        tuple[int, ...] | None,
        Option(
            "Merge only in these layers, counted from 0: 0,1,2.",
            parse=parse_integers,
            format=commas,
            plural="layers",
        ),
    ] = None

    def __post_init__(self) -> None:
        check_fields(self)
        targets = [
            f"{name.upper()}={commas(getattr(self, name))}"
            for name in ("ratio", "r", "flops")
            if getattr(self, name) is not None
        ]
        if len(targets) > 1:
            raise InputError(
                named(targets), "each of them sets the whole schedule", "Give only one of RATIO, R and FLOPS"
            )
        if self.shape is not None and self.flops is None:
            raise InputError(
                f"SHAPE={self.shape} without FLOPS",
                "a shape says how a FLOPs target is spread over the layers",
                "Give FLOPS too, for instance FLOPS=0.6",
            )
        if isinstance(self.r, tuple) and self.layers is not None:
            raise InputError(
                "R as a list together with LAYERS",
                "the list already says which layers merge",
                "Leave LAYERS out",
            )

    @property
    def merges_nothing(self) -> bool:
        """Whether no model merges anything by these options; known before there is a model."""
        counts = self.r if isinstance(self.r, tuple) else (self.r,)
        return self.ratio == 1 or self.flops == 1 or self.layers == () or not any(c != 0 for c in counts)

    def given(self) -> tuple[str, ...]:
        """The options that were chosen, by field name."""
        return tuple(each.name for each in fields(self) if getattr(self, each.name) is not None)
