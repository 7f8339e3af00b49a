"""The energies by the names that users know, as settings of the operator's function (METHOD.md section 2)."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pitome.parameters import Function

Energy = Literal["elu", "eq4", "sharp", "gaussian"]
SHARP_WIDTH = 0.01
"""Of the authors' code from spring to 2 November 2024."""


class EnergyFunction(NamedTuple):
    """What the operator's node says of an energy, beside the margin and alpha."""

    function: Function
    offset: float
    width: float


UNUSED = EnergyFunction("piecewise", 0.0, 1.0)
"""Where no energy is measured."""


def energy_function(energy: Energy, margin: float) -> EnergyFunction:
    """The numbers of an energy in a layer with this margin.

    elu: ELU(s - m), of the authors' code since 2 November 2024. eq4: s at and above the margin, equation (4)
    of the paper. sharp: ELU((s - m) / 0.01), behind the published tables. gaussian: exp(-0.5 ((1 - s) /
    (1 - m))^2), of the authors' text code.
    """
    if energy == "gaussian":
        return EnergyFunction("gaussian", 0.0, 1.0)
    if energy == "eq4":
        return EnergyFunction("piecewise", 0.0, 1.0)
    return EnergyFunction("piecewise", margin, SHARP_WIDTH if energy == "sharp" else 1.0)
