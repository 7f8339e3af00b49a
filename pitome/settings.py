"""What a user may choose about merging: one record for library, command line, files and results.

Imports no torch. A new setting is written here; the methods that take it say so in their own files.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Annotated, Literal, get_args

from pitome.option import Option
from pitome.parameters import Energy, Split

Metric = Literal["hidden", "keys"]
Candidates = float | int | Literal["paper", "all"]
"""A protected fraction (float in [0, 1)), M itself (int), "paper" (M = 2r) or "all" (M = T)."""
Margin = tuple[float, float]
"""(start, slope): layer i of L has the margin start - slope i / L."""


def parse_candidates(text: str) -> Candidates:
    """``"all"``, ``"paper"``, M as a whole number, or a protected fraction with a decimal point."""
    if text in ("all", "paper"):
        return "all" if text == "all" else "paper"
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        raise ValueError("not all, paper or a number") from None


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


@dataclass(frozen=True)
class MergeSettings:
    """Which tokens merge. None stands for the method's own value."""

    method: Annotated[str, Option("Which tokens merge.", plural="methods")] = "pitome"
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
            "Tokens that may merge: all, paper (2r) or a number.", parse=parse_candidates, plural="candidates"
        ),
    ] = None
    size_penalty: Annotated[
        float | None,
        Option(
            "How much large tokens resist merging.", minimum=0, plural="size_penalties", label="penalty {}"
        ),
    ] = None
    margin: Annotated[
        Margin | None,
        Option(
            "start,slope: layer i of L has start - slope i/L; one number: the same in all layers.",
            parse=parse_margin,
            plural="margins",
            label="margin {}",
        ),
    ] = None
    energy: Annotated[
        Energy | None,
        Option("What redundancy is measured by.", choices=get_args(Energy), plural="energies"),
    ] = None
    split: Annotated[
        Split | None,
        Option(
            "How candidates are divided into sources and targets.", choices=get_args(Split), plural="splits"
        ),
    ] = None
    proportional_attention: Annotated[
        bool | None, Option("Proportional attention: 1 or 0.", name="prop_attn", parse=parse_switch)
    ] = None
    seed: Annotated[int, Option("Of random weights and random pairs.")] = 0

    def given(self) -> tuple[str, ...]:
        """The settings that were chosen, by field name: those that differ from the field's default."""
        return tuple(each.name for each in fields(self) if getattr(self, each.name) != each.default)

    def over(self, below: MergeSettings) -> MergeSettings:
        """These settings where one was chosen, else those of ``below``."""
        return replace(below, **{name: getattr(self, name) for name in self.given()})
