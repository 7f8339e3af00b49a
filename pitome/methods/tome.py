"""METHOD=tome: ToMe (arXiv 2210.09461), bipartite matching of the tokens as they come."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pitome.methods import register
from pitome.methods.energy import EnergyMethod
from pitome.parameters import Order, Split
from pitome.settings import MergeSettings

if TYPE_CHECKING:
    from pitome.models.family import Modality


def tome_split(num_protected: int) -> Split:
    """The original's: its sources are the tokens at even places, the prefix counted."""
    return "alternate_second" if num_protected % 2 else "alternate"


@register
class Tome(EnergyMethod):
    """Every token may merge, split by position; no energy is looked at."""

    name = "tome"
    also_takes = ("candidates", "split")
    baseline = True

    @classmethod
    def own_settings(cls, modality: Modality) -> MergeSettings:
        """The split is the prefix's."""
        return replace(super().own_settings(modality), split=None)

    def order(self, layer: int) -> Order:
        """As they come."""
        return "position"

    def split(self, layer: int, num_protected: int) -> Split:
        """As the original's, unless a split was chosen."""
        return self.settings.split or tome_split(num_protected)
