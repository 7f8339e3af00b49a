"""METHOD=tome: ToMe (arXiv 2210.09461), bipartite matching of the tokens as they come."""

from __future__ import annotations

from pitome.methods import register
from pitome.methods.energy import EnergyMethod


@register
class Tome(EnergyMethod):
    """Every token may merge, split by position; no energy is looked at."""

    name = "tome"
    also_takes = ("candidates", "split")
    order = "position"
    baseline = True
