"""METHOD=paper: the text of the paper (arXiv 2405.16148) and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pitome.methods import register
from pitome.methods.energy import EnergyMethod
from pitome.settings import MergeSettings

if TYPE_CHECKING:
    from pitome.models.family import Modality

_TEXT_LAYERS = 3
_TEXT_RATIO = 0.8


@register
class Paper(EnergyMethod):
    """M = 2r: all edges are taken, so nothing but the energy, equation (4), decides which tokens merge."""

    name = "paper"
    takes = ("metric", "margin", "energy", "split", "proportional_attention")
    also_takes = (*EnergyMethod.takes, "candidates")

    @classmethod
    def own_settings(cls, modality: Modality) -> MergeSettings:
        """Similarity of the keys. What the authors' code does with texts is METHOD=authors."""
        return replace(super().own_settings(modality), candidates="paper", energy="eq4")

    @property
    def default_layers(self) -> tuple[int, ...] | None:
        """Texts merge in the first three."""
        if self.family.modality != "text":
            return None
        return tuple(range(min(_TEXT_LAYERS, self.num_layers)))

    @property
    def default_ratio(self) -> float:
        """Texts keep less than images, as there are fewer layers to merge in."""
        return _TEXT_RATIO if self.family.modality == "text" else super().default_ratio
