"""METHOD=paper: what the paper describes (arXiv 2405.16148)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pitome.methods import register
from pitome.methods.energy import EnergyMethod
from pitome.settings import MergeSettings

if TYPE_CHECKING:
    from pitome.models.family import Modality


@register
class Paper(EnergyMethod):
    """M = 2r: all edges are taken, so nothing but the energy decides which tokens merge."""

    name = "paper"
    takes = ("metric", "margin", "energy", "split", "proportional_attention")
    also_takes = (*EnergyMethod.takes, "candidates")

    @classmethod
    def own_settings(cls, modality: Modality) -> MergeSettings:
        """Similarity of the keys; for texts the variant that the paper uses with BERT."""
        own = replace(super().own_settings(modality), candidates="paper")
        return replace(own, energy="gaussian", split="half") if modality == "text" else own
