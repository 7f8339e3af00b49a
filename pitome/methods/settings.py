"""What each METHOD means: all of its settings by name (METHOD.md sections 2, 6 and 7)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from math import isfinite
from typing import Any, Literal, get_args

from pitome.errors import InputError
from pitome.models.family import Family, Modality
from pitome.parameters import Energy, Order, Split
from pitome.schedule import Candidates

Metric = Literal["hidden", "keys"]
PITOME_DEFAULTS: dict[Modality, tuple[float, float]] = {"image": (0.1, 0.05), "text": (0.2, 0.1)}
"""(protected fraction, size penalty), as `pitome sweep` found them on validation data."""
METHOD_NAMES = ("pitome", "paper", "authors", "tome", "random", "none")


@dataclass(frozen=True)
class MethodSettings:
    """Everything that decides which tokens merge, but for the schedule."""

    name: str
    metric: Metric
    margins: tuple[float, ...]
    """One per layer."""
    candidates: tuple[Candidates, ...]
    """One per layer."""
    alpha: float = 1.0
    size_penalty: float = 0.0
    order: Order = "energy"
    energy: Energy = "elu"
    split: Split = "alternate"
    proportional_attention: bool = True
    seed: int | None = None
    """Of the random method's pairs."""
    layers: tuple[int, ...] | None = None
    """Where the method merges if nobody says otherwise; None = in all layers."""

    def metric_width(self, hidden_size: int, head_width: int) -> int:
        """D of the metric; 0 where no similarity is measured."""
        if self.name in ("random", "none"):
            return 0
        return hidden_size if self.metric == "hidden" else head_width


def resolve_settings(
    method: str,
    family: Family,
    num_layers: int,
    *,
    metric: Metric | None = None,
    candidates: Candidates | None = None,
    size_penalty: float | None = None,
    margin: tuple[float, float] | None = None,
    energy: Energy | None = None,
    split: Split | None = None,
    proportional_attention: bool | None = None,
    seed: int = 0,
) -> MethodSettings:
    """The settings of a named method, with the user's choices in place of its own.

    Args:
        method: one of ``METHOD_NAMES``.
        family: of the model.
        num_layers: L.
        metric, candidates, size_penalty, energy, split, proportional_attention: None = the method's own.
        margin: (start, slope): layer i of L has the margin start - slope i / L.
        seed: of the random method.

    Raises:
        InputError: an unknown method, metric, energy or split, a margin that is not finite, a size penalty
            below 0, or ``authors`` for a family that the authors published nothing for.
    """
    settings = _named(method, family, num_layers, seed)
    changes: dict[str, Any] = {}
    if metric is not None:
        if metric not in ("hidden", "keys"):
            raise InputError(
                f"METRIC={metric}", "similarity is measured on hidden or keys", "Choose one of these"
            )
        changes["metric"] = metric
    if candidates is not None:
        changes["candidates"] = (candidates,) * num_layers
    if size_penalty is not None:
        if not 0 <= size_penalty < float("inf"):
            raise InputError(
                f"SIZE_PENALTY={size_penalty}",
                "not a number from 0 up",
                "Choose for instance SIZE_PENALTY=0.05",
            )
        changes["size_penalty"] = size_penalty
    if margin is not None:
        changes["margins"] = linear_margins(*margin, num_layers)
    for name, value, allowed in (("energy", energy, get_args(Energy)), ("split", split, get_args(Split))):
        if value is None:
            continue
        if value not in allowed:
            raise InputError(
                f"{name.upper()}={value}", f"the operator knows {', '.join(allowed)}", "Choose one of these"
            )
        changes[name] = value
    if proportional_attention is not None:
        changes["proportional_attention"] = proportional_attention
    return replace(settings, **changes)


def linear_margins(start: float, slope: float, num_layers: int) -> tuple[float, ...]:
    """start - slope i / L for each layer i of L.

    Raises:
        InputError: one of them is not finite.
    """
    if not (isfinite(start) and isfinite(slope)):
        raise InputError(
            f"MARGIN={start},{slope}",
            "a margin is a start and a slope, both finite",
            "Choose for instance MARGIN=0.9,0.9",
        )
    return tuple(start - slope * layer / num_layers for layer in range(num_layers))


def _named(method: str, family: Family, num_layers: int, seed: int) -> MethodSettings:
    margins = linear_margins(0.9, 0.9, num_layers)
    as_published: Candidates = "paper"
    everything: Candidates = "all"
    paper = (as_published,) * num_layers
    every = (everything,) * num_layers
    if method == "pitome":
        protected, size_penalty = PITOME_DEFAULTS[family.modality]
        return MethodSettings(method, "hidden", margins, (protected,) * num_layers, size_penalty=size_penalty)
    if method == "paper":
        if family.modality == "text":  # the paper's variant for BERT
            return MethodSettings(method, "keys", margins, paper, energy="gaussian", split="half")
        return MethodSettings(method, "keys", margins, paper)
    if method == "authors":
        return _authors(family, num_layers)
    if method == "tome":
        return MethodSettings(method, "keys", margins, every, order="position")
    if method == "random":
        return MethodSettings(method, "hidden", margins, paper, seed=seed)
    if method == "none":
        return MethodSettings(method, "hidden", margins, every)
    near = get_close_matches(method, METHOD_NAMES, n=1)
    raise InputError(
        f"METHOD={method}",
        f"the methods are {', '.join(METHOD_NAMES)}",
        f"Did you mean {near[0]}" if near else "Choose one of these",
    )


def _authors(family: Family, num_layers: int) -> MethodSettings:
    published = family.author_settings
    if published is None:
        raise InputError(
            "METHOD=authors",
            f"the PiToMe authors published no settings for the {family.name} family",
            "Choose METHOD=pitome or METHOD=paper",
        )
    return MethodSettings(
        "authors",
        published.metric,
        tuple(published.margin(layer, num_layers) for layer in range(num_layers)),
        tuple(published.candidates(layer, num_layers) for layer in range(num_layers)),
        energy=published.energy,
        split=published.split,
        proportional_attention=False,
        layers=None if published.first_layers is None else tuple(range(published.first_layers)),
    )
