"""The settings of the PiToMe authors for each family of models (METHOD.md section 6). Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from pitome.energies import Energy, Margin
from pitome.parameters import Split


@dataclass(frozen=True)
class AuthorSettings:
    """What their code of 2025 does for a family; layers i of L are counted from 0.

    Families that this project does not have yet have their rows here too. What only those need is at its
    default in the others, and no method looks at it so far.
    """

    metric: Literal["hidden", "keys"]
    margin: Margin
    all_candidates: Literal["never", "first half", "second half"] = "never"
    """In which layers M = T; in the others M = 2r."""
    energy: Energy = "elu"
    split: Split = "alternate"
    first_layers: int | None = None
    """Merge only in so many layers, from the first; None = in all."""
    proportional_attention: bool = False
    mean: Literal["by size", "by size within the layer", "plain"] = "by size"
    """Within the layer: every token's size is 1 again in the next one, and padding's 0."""
    tome_layers: int = 0
    """So many layers, from the first, are plain ToMe."""
    merges_after: Literal["attention", "layer"] = "attention"
    last_layer_merges: bool = True
    num_layers: int | None = None
    """L, where the row is one model's."""

    def candidates(self, layer: int, num_layers: int) -> Literal["paper", "all"]:
        """M = T ("all") in one half of the layers where the authors do so, else M = 2r ("paper")."""
        in_first_half = layer < num_layers / 2
        if self.all_candidates == "first half":
            return "all" if in_first_half else "paper"
        if self.all_candidates == "second half":
            return "paper" if in_first_half else "all"
        return "paper"


_BLIP = AuthorSettings("hidden", (0.9, 0.9), last_layer_merges=False)
_TEXT = AuthorSettings(
    "keys", (0.9, 0.25), energy="gaussian", split="half", first_layers=3, mean="by size within the layer"
)
AUTHOR_SETTINGS: Mapping[str, AuthorSettings] = MappingProxyType(
    {
        "deit": AuthorSettings("keys", (0.75, 0.75), "first half"),
        "mae": AuthorSettings("keys", (0.75, 0.75), "second half"),
        "clip": AuthorSettings("hidden", (0.95, 0.95)),
        "blip": _BLIP,
        "albef": _BLIP,
        "blip-2": AuthorSettings("keys", (0.75, 0.4), proportional_attention=True, num_layers=39),
        "llava-1.5": AuthorSettings("hidden", (0.9, 0.9), mean="plain", tome_layers=13, merges_after="layer"),
        "bert": _TEXT,
        "distilbert": _TEXT,
    }
)
"""By the names of METHOD.md; the key of a row is not always the name of a family here."""
