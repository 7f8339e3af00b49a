"""METHOD=authors: what the PiToMe authors' code does for a family (METHOD.md section 6)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pitome.errors import InputError
from pitome.methods import register
from pitome.methods.energy import EnergyMethod
from pitome.settings import Candidates, MergeSettings

if TYPE_CHECKING:
    from pitome.models.author_settings import AuthorSettings
    from pitome.models.family import Family


@register
class Authors(EnergyMethod):
    """A row of their table as the code of 2025 has it; what a user chooses replaces that of the row."""

    name = "authors"
    takes = ()
    also_takes = (*EnergyMethod.takes, "candidates", "margin", "energy", "split")

    @property
    def default_layers(self) -> tuple[int, ...] | None:
        """The first few, where they merge only there."""
        first = self._published(self.family).first_layers
        return None if first is None else tuple(range(min(first, self.num_layers)))

    def candidates(self, layer: int) -> Candidates:
        """M = T in one half of the layers of some families, else M = 2r."""
        chosen = self.settings.candidates
        return self._published(self.family).candidates(layer, self.num_layers) if chosen is None else chosen

    def _own(self, family: Family) -> MergeSettings:
        published = self._published(family)
        return replace(
            self.own_settings(family.modality),
            metric=published.metric,
            candidates="paper" if published.all_candidates == "never" else None,
            margin=published.margin,
            energy=published.energy,
            split=published.split,
            proportional_attention=published.proportional_attention,
        )

    def _published(self, family: Family) -> AuthorSettings:
        if family.author_settings is None:
            raise InputError(
                f"METHOD={self.name}",
                f"the PiToMe authors published no settings for the {family.name} family",
                "Choose METHOD=pitome or METHOD=paper",
            )
        return family.author_settings
