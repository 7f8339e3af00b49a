"""A grid from the lists that a user types."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar, cast, get_args

from pydantic import TypeAdapter

from pitome.engine.search_options import OWN_VALUE, GridOptions, SettingLists
from pitome.errors import InputError
from pitome.methods import all_methods, method_class
from pitome.option import named, options_of, read_value
from pitome.settings import MergeSettings, Shape, parse_integers
from pitome.validate.sweep.grid import GRIDS, OWN, Axis, Grid

if TYPE_CHECKING:
    pass

_Value = TypeVar("_Value")
_SETTINGS = TypeAdapter(MergeSettings)


def make_grid(options: GridOptions, lists: SettingLists, seed: int = 0) -> Grid:
    """A grid by name, with the user's lists in place of its own.

    Args:
        options: the grid, and its methods and schedules.
        lists: a ``SettingLists``.
        seed: of random pairs.

    Raises:
        InputError: an unknown name, or a text that is not such a list.
    """
    if options.grid not in GRIDS:
        raise InputError(f"GRID={options.grid}", f"the grids are {', '.join(GRIDS)}", "Choose one of these")
    grid = GRIDS[options.grid]
    flops, ratios = _numbers("FLOPS", options.flops), _numbers("RATIOS", options.ratios)
    if flops is None:
        # Keep ratios that were asked for stand in place of the grid's FLOPs.
        flops = grid.flops if ratios is None else ()
    return replace(
        grid,
        methods=_listed("METHODS", options.methods, str) or grid.methods,
        flops=flops,
        ratios=grid.ratios if ratios is None else ratios,
        shapes=_listed("SHAPES", options.shapes, _shape) or grid.shapes,
        layers=tuple(map(_layers, options.layers)) or grid.layers,
        axes=grid.with_axes(*_axes(lists)),
        base=replace(grid.base, seed=seed),
        changes=grid.changes if options.changes is None else options.changes,
    )


def untaken_lists(grid: Grid, lists: SettingLists) -> list[str]:
    """What to tell of each list of the user's that no method of the grid is varied in."""
    told = []
    for axis in _axes(lists):
        if not any(axis.setting in method_class(name).takes for name in grid.methods):
            plural = str(options_of(MergeSettings)[axis.setting].plural).upper()
            varied = named([each.name for each in all_methods() if axis.setting in each.takes])
            told.append(f"{plural} decides nothing with METHODS={','.join(grid.methods)}: it is of {varied}")
    return told


def _axes(lists: SettingLists) -> list[Axis]:
    found: list[Axis] = []
    for name, described in options_of(MergeSettings).items():
        text = getattr(lists, described.plural, None) if described.plural else None
        if text is not None and name != "method":

            def change(part: str, name: str = name) -> MergeSettings:
                value = None if part == OWN_VALUE else read_value(MergeSettings, name, part)
                return OWN if value is None else _SETTINGS.validate_python({name: value})

            changes = _listed(str(described.plural).upper(), text, change)
            found.append(Axis(name, changes or ()))
    return found


def _listed(name: str, text: str | None, parse: Callable[[str], _Value]) -> tuple[_Value, ...] | None:
    """The values of a list, or None where there is no list; InputError for a text that is none."""
    if text is None:
        return None
    try:
        return tuple(parse(part.strip()) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"{name}={text}", str(error), "Give values with commas between them") from None


def _numbers(name: str, text: str | None) -> tuple[float, ...] | None:
    try:
        return _listed(name, text, float)
    except InputError:
        raise InputError(
            f"{name}={text}", "not numbers with commas between them", "Give for instance 0.8,0.6"
        ) from None


def _shape(text: str) -> Shape:
    return cast("Shape", _one_of(text, get_args(Shape)))


def _one_of(text: str, allowed: Collection[str]) -> str:
    if text not in allowed:
        raise ValueError(f"{text!r} is none of {', '.join(allowed)}")
    return text


def _layers(text: str) -> tuple[int, ...] | None:
    try:
        return None if text == "all" else parse_integers(text)
    except ValueError as error:
        raise InputError(f"LAYERS={text}", str(error), "Give for instance 0,1,2, or all") from None
