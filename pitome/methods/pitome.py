"""METHOD=pitome: energy order, few tokens protected, similarity of the hidden state, a size penalty."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pitome.methods import register
from pitome.methods.energy import EnergyMethod
from pitome.settings import MergeSettings

if TYPE_CHECKING:
    from pitome.models.family import Modality


@register
class Pitome(EnergyMethod):
    """The default. Its values were found by ``pitome sweep`` on validation data."""

    name = "pitome"
    takes = (*EnergyMethod.takes, "candidates", "margin", "energy", "split")

    @classmethod
    def own_settings(cls, modality: Modality) -> MergeSettings:
        """A tenth of an image's tokens is protected, a fifth of a text's."""
        own = replace(super().own_settings(modality), metric="hidden")
        if modality == "text":
            return replace(own, candidates=0.2, size_penalty=0.1)
        return replace(own, candidates=0.1, size_penalty=0.05)
