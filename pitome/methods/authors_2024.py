"""METHOD=authors-2024: the authors' code behind the published tables (METHOD.md section 6)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pitome.errors import InputError
from pitome.methods import register
from pitome.methods.authors import Authors
from pitome.methods.tome import tome_split
from pitome.parameters import Order, Split, to_float32
from pitome.settings import Candidates, MergeSettings

if TYPE_CHECKING:
    from pitome.models.author_settings import AuthorSettings
    from pitome.models.family import Family

_TOME_MARGIN = 0.45
"""Layers whose margin is this or more are plain ToMe."""


@register
class Authors2024(Authors):
    """The rows of METHOD=authors with the sharp energy, and ToMe where the margin is high."""

    name = "authors-2024"

    def order(self, layer: int) -> Order:
        """By position in the layers that are ToMe."""
        return "position" if to_float32(self.margins[layer]) >= to_float32(_TOME_MARGIN) else "energy"

    def candidates(self, layer: int) -> Candidates:
        """All tokens in the layers that are ToMe, else those of the row."""
        if self.settings.candidates is None and self.order(layer) == "position":
            return "all"
        return super().candidates(layer)

    def split(self, layer: int, num_protected: int) -> Split:
        """As METHOD=tome in the layers that are ToMe, else that of the row."""
        own = self._published(self.family).split
        if self.order(layer) == "position":
            own = tome_split(num_protected)
        return self.settings.split or own

    def _own(self, family: Family) -> MergeSettings:
        # Neither M nor the split is one for all layers.
        return replace(super()._own(family), candidates=None, energy="sharp", split=None)

    def _published(self, family: Family) -> AuthorSettings:
        if family.modality == "text":
            raise InputError(
                f"METHOD={self.name}",
                f"it stands for the tables of images, and the {family.name} family takes texts",
                "Choose METHOD=authors or METHOD=paper",
            )
        return super()._published(family)
