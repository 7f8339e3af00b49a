"""What a sweep tries: methods, schedules, and the values of each setting that it varies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from pitome.energies import Energy
from pitome.errors import InputError
from pitome.methods import all_methods, method_names
from pitome.option import options_of
from pitome.parameters import Split
from pitome.settings import MergeSettings, Shape

OWN = MergeSettings()
"""The change that leaves a setting to the method."""


def _require(fine: bool, asked: str, found: str, remedy: str) -> None:
    if not fine:
        raise InputError(asked, found, remedy)


@dataclass(frozen=True)
class Axis:
    """A setting that a sweep varies; its first value is the one that the others are a change of.

    Args:
        setting: name of the field of MergeSettings.
        changes: each chooses this setting and no other one, or is ``OWN``.
    """

    setting: str
    changes: tuple[MergeSettings, ...]

    def __post_init__(self) -> None:
        plural = options_of(MergeSettings)[self.setting].plural or self.setting
        _require(bool(self.changes), plural.upper(), "the list is empty", "Give at least one value")


@dataclass(frozen=True)
class Grid:
    """What is tried.

    A point may differ from the first values of the axes in at most ``changes`` settings; schedules (FLOPs or
    keep ratio, shape, layers) and methods are combined in full. A method's points differ in the settings that
    it takes. The baseline at its own settings is always among its points, because every other point is
    compared with it.
    """

    methods: tuple[str, ...] = ("pitome", "tome", "paper", "random")
    flops: tuple[float, ...] = (0.6, 0.8)
    """Targets; fractions of the unmerged model's."""
    ratios: tuple[float, ...] = ()
    """Keep ratios; another shape than "ratio" is taken at the FLOPs that the keep ratio leads to."""
    shapes: tuple[Shape, ...] = ("ratio", "constant")
    layers: tuple[tuple[int, ...] | None, ...] = (None,)
    """Layers that may merge, from 0; None = all."""
    axes: tuple[Axis, ...] = (
        Axis("metric", (MergeSettings(metric="hidden"), MergeSettings(metric="keys"))),
        Axis("candidates", (MergeSettings(candidates=0.1), MergeSettings(candidates="all"))),
        Axis("size_penalty", (MergeSettings(size_penalty=0.05), MergeSettings(size_penalty=0.0))),
    )
    base: MergeSettings = OWN
    """Settings of every point whose method takes them; the seed is that of random pairs."""
    changes: int = 1

    def __post_init__(self) -> None:
        lists = {"methods": self.methods, "shapes": self.shapes, "layers": self.layers}
        for name, values in lists.items():
            _require(bool(values), name.upper(), "the list is empty", "Give at least one value")
        _require(
            bool(self.flops or self.ratios), "FLOPS and RATIOS", "both lists are empty", "Give one of them"
        )
        _require(self.changes >= 0, f"CHANGES={self.changes}", "negative", "Give 0 or more")
        for name, numbers in (("FLOPS", self.flops), ("RATIOS", self.ratios)):
            for number in numbers:
                _require(
                    0 < number <= 1, f"{name}={number:g}", "it lies in (0, 1]", "Choose for instance 0.6"
                )
        merging = [method.name for method in all_methods() if method.merges]
        for method in self.methods:
            known = ", ".join(merging)
            unmerged = method in method_names() and "the unmerged model is always in a sweep"
            found = unmerged or f"the methods are {known}"
            _require(method in merging, f"METHODS={method}", found, f"Choose from {known}")

    def with_axes(self, *axes: Axis) -> tuple[Axis, ...]:
        """The grid's axes with others in place of those of the same setting, in the order of the settings."""
        chosen = {axis.setting: axis for axis in (*self.axes, *axes)}
        return tuple(chosen[name] for name in options_of(MergeSettings) if name in chosen)


QUICK = Grid()
FULL = Grid(
    methods=("pitome", "tome", "paper", "random", "authors", "authors-2024"),
    flops=(0.6, 0.8, 0.7, 0.5),
    shapes=("ratio", "constant", "decreasing", "increasing"),
    axes=(
        Axis("metric", (MergeSettings(metric="hidden"), MergeSettings(metric="keys"))),
        Axis(
            "candidates",
            (
                MergeSettings(candidates=0.1),
                MergeSettings(candidates="all"),
                MergeSettings(candidates=0.3),
                MergeSettings(candidates=0.5),
            ),
        ),
        Axis(
            "margin",
            (
                OWN,
                MergeSettings(margin=(0.9, 0.0)),
                MergeSettings(margin=(0.7, 0.0)),
                MergeSettings(margin=(0.5, 0.0)),
            ),
        ),
        Axis("energy", (OWN, *(MergeSettings(energy=energy) for energy in get_args(Energy)))),
        Axis("split", (OWN, *(MergeSettings(split=split) for split in get_args(Split)))),
        Axis(
            "size_penalty",
            (
                MergeSettings(size_penalty=0.05),
                MergeSettings(size_penalty=0.0),
                MergeSettings(size_penalty=0.02),
                MergeSettings(size_penalty=0.1),
            ),
        ),
    ),
    changes=2,
)
GRIDS = {"quick": QUICK, "full": FULL}
