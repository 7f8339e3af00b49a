"""The energies by the names that users know, as settings of the operator's function (METHOD.md section 2)."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pitome.parameters import Function, to_float32

Energy = Literal["elu", "eq4", "sharp", "gaussian"]
Margin = tuple[float, float]
"""(start, slope): layer i of L has the margin start - slope i / L."""
ALPHA = 1.0
"""Weight of similarities below the margin, of every energy that has a name."""
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


def layer_margin(margin: Margin, layer: int, num_layers: int) -> float:
    """The margin of one layer, from 0, of L."""
    start, slope = margin
    return start - slope * layer / num_layers


class EnergyNumbers(NamedTuple):
    """The attributes of a layer's node that an energy and a margin lead to. All floats are float32."""

    function: Function
    margin: float
    offset: float
    width: float
    alpha: float


def energy_numbers(energy: Energy | None, margin: float) -> EnergyNumbers:
    """What the node of a layer with this margin has to say; None: its order is by position."""
    function, offset, width = UNUSED if energy is None else energy_function(energy, margin)
    return EnergyNumbers(function, *map(to_float32, (margin, offset, width, ALPHA)))


def check_numbers(
    found: EnergyNumbers, layer: int, energy: Energy | None, margin: Margin, num_layers: int
) -> None:
    """Hold the numbers that a file has for one layer against the energy and the margin that it names.

    Args:
        found: the file's numbers, of any precision: they are rounded to float32 first.
        layer: from 0.
        energy: the name; None where the layer's order is by position.
        margin: of all layers.
        num_layers: L.

    Raises:
        ValueError: the first that does not follow, with the layer, the field, and what it should be.
    """
    expected = energy_numbers(energy, layer_margin(margin, layer, num_layers))
    start, slope = margin
    named = "the order of positions" if energy is None else f"energy {energy}"
    for field, has, wanted in zip(EnergyNumbers._fields, found, expected, strict=True):
        if (to_float32(has) if isinstance(has, float) else has) != wanted:
            raise ValueError(
                f"layer {layer} has {field} {has}, and by {named} with margin {start} - {slope} i/"
                f"{num_layers} it is {wanted}"
            )
