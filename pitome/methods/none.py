"""METHOD=none: the model as it is, through the same blocks as a merged one."""

from __future__ import annotations

from pitome.methods import register
from pitome.methods.base import Merger, Method


@register
class Unmerged(Method):
    """Merges nothing."""

    name = "none"
    restore = "exact"
    merges = False
    deployable = False

    def merger(self, layer: int, num_tokens: int, num_protected: int, num_merged: int) -> Merger | None:
        """None, whatever the layer."""
        return None
