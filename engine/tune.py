"""``pitome tune``: the fastest setting within a budget, as a preset file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pitome import __version__
from pitome.engine.options import ModelChoice
from pitome.engine.progress import Progress, Silent
from pitome.engine.search_options import SpeedOptions, SweepOptions, TuneOptions
from pitome.engine.speed_meter import checked_maker
from pitome.engine.sweep import SweepResult, run_sweep, speed_meter
from pitome.errors import InputError
from pitome.methods import make_method
from pitome.models.loading import LoadedModel
from pitome.models.preset_file import (
    SUFFIX,
    PresetEnergy,
    PresetFile,
    PresetMeasurement,
    PresetModel,
    PresetOrigin,
    PresetSpeed,
    read_preset_file,
    write_preset_file,
)
from pitome.models.registry import resolve_model
from pitome.settings import MergeSettings, ScheduleOptions
from pitome.validate.resume import note_what_is_left
from pitome.validate.sweep.left_out import LeftOut, not_chosen_from
from pitome.validate.sweep.plan import Point
from pitome.validate.sweep.records import SpeedRecord, measured
from pitome.validate.sweep.tune import BudgetError, Candidate, Drop, candidates_of, choose


@dataclass(frozen=True)
class Tuned:
    """What was picked."""

    preset: PresetFile
    file: Path
    label: str
    sweep: SweepResult
    left_out: tuple[LeftOut, ...] = ()
    """What it was not chosen from."""
    candidates: int = 0
    """Settings that were judged on every task."""
    within: int = 0
    """Of these, such as are within the budget at 95 %."""


def run_tune(options: TuneOptions, command: str, progress: Progress) -> Tuned:
    """Run, or resume, the sweep on the validation split, and write the preset file.

    Raises:
        InputError: as ``run_sweep``; a budget below 0; a device that speed can't be measured on.
        BudgetError: no setting is within the budget at 95 %, or with ``accept_mean`` by its mean; nothing is
            written.
    """
    if not 0 <= options.max_drop <= 100:
        raise InputError(
            f"MAX_DROP={options.max_drop:g}",
            "a budget is a number of points from 0 to 100",
            "Choose for instance --max-drop 0.5",
        )
    if options.out.exists() and not options.out.is_dir():
        raise InputError(f"OUT={options.out}", "it is a file", "Choose a folder for the preset file")
    if options.latency:
        checked_maker(options.search.speed, Silent())  # before the sweep, which is long
    sweep = SweepOptions(options.search, out=options.records, default_folder=options.out)
    result = run_sweep(sweep, progress, command)
    candidates = candidates_of(result.records, result.tasks)
    left_out = not_chosen_from(result.records, result.tasks)
    meter = _meter(result, options.search.speed, progress) if options.latency else None
    try:
        chosen = choose(candidates, options.max_drop, meter, accept_mean=options.accept_mean)
    except BudgetError:
        for row in left_out:
            progress.note(f"left out: {row.told}")
        raise
    except BaseException as stop:
        note_what_is_left(stop, result.file)
        raise
    preset = make_preset(options, result, chosen, command)
    point = result.points[chosen.key]
    check_same_settings(preset, point, result.loaded)
    path = options.out / f"{result.loaded.name}{SUFFIX}"
    write_preset_file(path, preset)
    within = sum(each.is_within(options.max_drop) for each in candidates)
    return Tuned(preset, path, point.label, result, left_out, len(candidates), within)


def make_preset(options: TuneOptions, result: SweepResult, chosen: Candidate, command: str) -> PresetFile:
    """The chosen setting, and what is known of it."""
    record, point, loaded = chosen.record, result.points[chosen.key], result.loaded
    layers = len(point.schedule.num_merged)
    parameters = make_method(point.settings, loaded.family, layers).parameters(point.schedule)
    unmerged = {each.task: each for each in measured(result.records) if each.is_unmerged}
    speed = None
    if chosen.speed is not None:
        speed = PresetSpeed(**chosen.speed.model_dump())
    return PresetFile(
        model=_model(options.search.model, loaded),
        method=point.settings,
        schedule=ScheduleOptions(r=record.num_merged),
        energy=PresetEnergy.of(parameters),
        measured=tuple(_measurement(drop, unmerged[drop.record.task].score) for drop in chosen.drops),
        speed=speed,
        origin=PresetOrigin(
            pitome_version=__version__,
            command=command,
            max_drop=options.max_drop,
            accept_mean=options.accept_mean,
            flops_ratio=record.flops_ratio,
        ),
    )


def check_same_settings(preset: PresetFile, point: Point, loaded: LoadedModel) -> None:
    """A preset file must lead to the very settings that were measured.

    Raises:
        InputError: it does not; nothing is written then.
    """
    layers = loaded.family.shape(loaded.model).num_layers
    found = make_method(preset.method, loaded.family, layers)
    different = [
        each.name
        for each in fields(MergeSettings)
        if getattr(found.settings, each.name) != getattr(point.settings, each.name)
    ]
    if different or found.margins != point.margins:
        raise InputError(
            f"a preset file for {point.label}",
            f"it would not lead to the same {', '.join(different or ['margins'])}",
            "Leave this method out with --methods",
        )


def tuned_document(tuned: Tuned) -> dict[str, Any]:
    """The JSON document."""
    return {
        "file": str(tuned.file),
        "label": tuned.label,
        "sweep": str(tuned.sweep.file),
        "preset": tuned.preset.model_dump(mode="json", by_alias=True),
        "within_budget": {
            each.task: {
                "mean": each.drop <= tuned.preset.origin.max_drop,
                "interval": each.drop_high <= tuned.preset.origin.max_drop,
            }
            for each in tuned.preset.measured
            if tuned.preset.origin is not None
        },
        "candidates": tuned.candidates,
        "candidates_within": tuned.within,
        "left_out": [each.model_dump(mode="json") for each in tuned.left_out],
    }


def _meter(result: SweepResult, options: SpeedOptions, progress: Progress) -> Any:
    measure = speed_meter(result.loaded, options, progress)

    def of_candidates(candidates: Sequence[Candidate]) -> list[SpeedRecord]:
        with progress.step(f"Measure the {len(candidates)} finalists") as report:
            points = [result.points[each.key] for each in candidates]
            found = {point.key: speed for point, speed in measure(points, report)}
        missing = [point.label for point in points if point.key not in found]
        if missing:
            raise InputError(
                f"the speed of {', '.join(missing)}",
                "its graph could not be exported, as said above",
                "Leave it out, or give --no-latency: the FLOPs decide then",
            )
        return [found[point.key] for point in points]

    return of_candidates


def _model(options: ModelChoice, loaded: LoadedModel) -> PresetModel:
    """The model as the user named it; folders in full, so that the file works from elsewhere."""
    name, weights = options.model, options.weights
    reference = resolve_model(name)
    if reference.preset_file is not None:
        inner = read_preset_file(reference.preset_file).model
        name, weights = inner.name, weights or inner.weights
        reference = resolve_model(name)
    if reference.folder is not None:
        name = str(reference.folder.resolve())
    if weights is not None and Path(weights).expanduser().is_dir():
        weights = str(Path(weights).expanduser().resolve())
    return PresetModel(
        name=name,
        weights=weights,
        image_size=loaded.image_size,
        sequence_length=loaded.sequence_length,
        sha256=loaded.sha256,
    )


def _measurement(drop: Drop, unmerged: float) -> PresetMeasurement:
    record = drop.record
    return PresetMeasurement(
        task=record.task,
        split=record.split,
        samples=record.samples,
        metric=record.metric,
        unmerged=unmerged,
        score=record.score,
        drop=drop.mean,
        drop_low=drop.low,
        drop_high=drop.high,
    )
