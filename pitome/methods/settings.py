"""What each METHOD means: all of its settings by name (METHOD.md sections 2, 6 and 7)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Literal

from pitome.errors import InputError
from pitome.models.family import Family
from pitome.parameters import Energy, Order, Split
from pitome.schedule import Candidates

Metric = Literal["hidden", "keys"]
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
    proportional_attention: bool | None = None,
    seed: int = 0,
) -> MethodSettings:
    """The settings of a named method, with the user's choices in place of its own.

    Raises:
        InputError: an unknown method or metric, a size penalty below 0, or ``authors`` for a family
            that the authors published nothing for.
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
    if proportional_attention is not None:
        changes["proportional_attention"] = proportional_attention
    return replace(settings, **changes)


def _named(method: str, family: Family, num_layers: int, seed: int) -> MethodSettings:
    margins = tuple(0.9 - 0.9 * layer / num_layers for layer in range(num_layers))
    as_published: Candidates = "paper"
    everything: Candidates = "all"
    paper = (as_published,) * num_layers
    every = (everything,) * num_layers
    if method == "pitome":
        return MethodSettings(method, "hidden", margins, (0.1,) * num_layers, size_penalty=0.05)
    if method == "paper":
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
        proportional_attention=False,
    )
