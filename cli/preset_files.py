"""MODEL=FILE.preset.toml: the settings of a preset file stand below the options on the command line."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pitome.cli.options import Given
from pitome.engine.options import EngineOptions, ExportOptions, MergeSettings, ModelOptions, ScheduleOptions
from pitome.methods import method_class
from pitome.models.preset_file import PresetFile, is_preset_file, read_preset_file
from pitome.option import option_text, options_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Options = TypeVar("Options", EngineOptions, ExportOptions)


def with_preset_file(options: Options, given: Given, note: Callable[[str], None]) -> Options:
    """The options of a command, with those of a preset file where the user gave none.

    Args:
        options: their model may be a preset file.
        given: what stands on the command line.
        note: told what the file sets, and which of its settings an option replaces.

    Returns:
        The same options where MODEL is no preset file.

    Raises:
        InputError: a preset file that can't be used.
    """
    if not is_preset_file(options.model.model):
        return options
    path = Path(options.model.model.strip()).expanduser()
    preset = read_preset_file(path)
    notes = [f"settings for {preset.model.name}, method {preset.method.method}"]
    merge = _merge(options.merge, preset.method, given, notes)
    schedule = _schedule(options.schedule, preset.schedule, merge, given, notes)
    model = _model(options.model, preset, given, notes)
    for text in notes:
        note(f"{path}: {text}")
    return replace(options, model=model, schedule=schedule, merge=merge)


def _schedule(
    chosen: ScheduleOptions, below: ScheduleOptions, merge: MergeSettings, given: Given, notes: list[str]
) -> ScheduleOptions:
    """The options of the schedule belong together: one that was given replaces all of the file's."""
    told = _told(below, below.given())
    if given.of(ScheduleOptions):
        notes.append(f"{_told(chosen, chosen.given())} in place of {told}")
        return chosen
    if not method_class(merge.method).merges:
        notes.append(f"METHOD={merge.method} merges nothing, so {told} is left out")
        return ScheduleOptions()
    return below


def _model(chosen: ModelOptions, preset: PresetFile, given: Given, notes: list[str]) -> ModelOptions:
    named = preset.model
    below = replace(
        chosen,
        weights=named.weights,
        image_size=named.image_size,
        sequence_length=named.sequence_length,
        seed=preset.method.seed or chosen.seed,
    )
    typed = given.of(ModelOptions)
    _note_replaced(chosen, below, [name for name in typed if name != "seed"], notes)
    return replace(
        below,
        weights=chosen.weights if "weights" in typed else below.weights,
        image_size=chosen.image_size if "image_size" in typed else below.image_size,
        sequence_length=chosen.sequence_length if "sequence_length" in typed else below.sequence_length,
        seed=chosen.seed if "seed" in typed else below.seed,
    )


def _merge(chosen: MergeSettings, below: MergeSettings, given: Given, notes: list[str]) -> MergeSettings:
    typed = given.of(MergeSettings)
    if "method" in typed and chosen.method != below.method:
        # The others are settings of the file's method and mean nothing to another one.
        notes.append(f"METHOD={chosen.method} in place of {below.method} and all of its settings")
        return chosen
    _note_replaced(chosen, below, [name for name in typed if name != "method"], notes)
    return chosen.over(below, typed)


def _note_replaced(
    chosen: DataclassInstance, below: DataclassInstance, typed: Collection[str], notes: list[str]
) -> None:
    notes.extend(
        f"{_told(chosen, [name])} in place of {_told(below, [name])}"
        for name in typed
        if getattr(below, name) is not None and name in options_of(type(below))
    )


def _told(record: DataclassInstance, names: Collection[str]) -> str:
    described = options_of(type(record))
    texts = [option_text(name, described[name], getattr(record, name)) for name in names]
    return " and ".join(f"{name.upper()}={text}" for name, text in texts)
