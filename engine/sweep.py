"""``pitome sweep``: many settings of one model, judged and compared."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitome import __version__
from pitome.engine.grids import make_grid, untaken_lists
from pitome.engine.options import ModelChoice
from pitome.engine.progress import Progress, Report
from pitome.engine.search_options import SearchOptions, SpeedOptions, SweepOptions
from pitome.engine.speed_meter import MeasuringPlace, checked_maker, conditions
from pitome.errors import InputError, PitomeError
from pitome.models.loading import LoadedModel, load_model
from pitome.validate.resume import ResumableLog
from pitome.validate.sweep.plan import Point, Refused, make_points
from pitome.validate.sweep.points import MeasureSpeeds, Sweep
from pitome.validate.sweep.records import ON_CPU, AnyRecord, SpeedRecord
from pitome.validate.sweep.values import ValueStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pitome.validate.task import Task

DEPENDS_ON = ("torch", "transformers", "tokenizers", "scikit-learn", "scikit-image", "pillow", "numpy")
"""Packages whose versions a score may depend on."""
TOGETHER = 6
"""Graphs that are measured in shared rounds: all of them are in memory at once."""


@dataclass(frozen=True)
class SweepResult:
    """What a sweep found."""

    loaded: LoadedModel
    tasks: tuple[str, ...]
    file: Path
    points: dict[str, Point]
    """By key."""
    records: list[AnyRecord]
    pictures: list[Path] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """The points of a sweep, before anything runs."""

    loaded: LoadedModel
    points: list[Point]
    refused: list[Refused]


def plan_sweep(options: SweepOptions, progress: Progress) -> Plan:
    """Load the model and make the points."""
    search = options.search
    grid = make_grid(search.grid, search.lists, search.seed)
    for text in untaken_lists(grid, search.lists):
        progress.note(text)
    loaded = load_for_judging(search.model, progress)
    points, refused = make_points(grid, loaded.family, loaded.family.shape(loaded.model))
    if not points:
        raise InputError(
            "a sweep", f"no point of the grid can be made: {refused[0].reason}", "Change the grid"
        )
    return Plan(loaded, points, refused)


def load_for_judging(options: ModelChoice, progress: Progress) -> LoadedModel:
    """Load a model whose answers mean something.

    Raises:
        InputError: as ``load_model``; random weights.
    """
    with progress.step(f"Load {options.model}") as report:
        loaded = load_model(
            options.model,
            options.weights,
            options.image_size,
            strict=True,
            seed=options.seed,
            progress=lambda text: report(text, 0, 0),
            sequence_length=options.sequence_length,
        )
    if loaded.random:
        raise InputError(
            f"a sweep of {loaded.name}",
            "its weights are random, and what random weights answer says nothing of a real model",
            "Give a model with trained weights",
        )
    return loaded


def run_sweep(options: SweepOptions, progress: Progress, command: str | None = None) -> SweepResult:
    """Run, or resume, a sweep.

    Args:
        options: what is tried, and on what.
        progress: told of every step.
        command: what the user typed, for the file of records.

    Raises:
        InputError: a model, task, data set or option that can't be used, or a file of another sweep.
    """
    plan = plan_sweep(options, progress)
    loaded = plan.loaded
    tasks = _tasks(options.search, loaded, progress)
    path = options.out or options.default_folder / f"{loaded.name}.sweep.jsonl"
    configuration = _configuration(options, loaded, tasks)
    with (
        _threads(options.search.speed.threads),
        ResumableLog.open(path, configuration, note=progress.note) as log,
    ):
        measure = None
        if options.latency:
            _check_conditions(log, options.search.speed, progress)
            measure = speed_meter(loaded, options.search.speed, progress)
        store = ValueStore(path.with_name(f"{path.stem}.values"))
        sweep = Sweep(loaded, tasks, log, store, options.split, options.search.seed, measure, command)
        with progress.step("Sweep") as report:
            records = sweep.run(plan.points, plan.refused, report)
    for task in tasks:
        for part in task.skipped:
            progress.note(f"{task.name}: skipped {part}")
    points = {point.key: point for point in plan.points}
    return SweepResult(loaded, tuple(task.name for task in tasks), path, points, records)


def speed_meter(loaded: LoadedModel, options: SpeedOptions, progress: Progress) -> MeasureSpeeds:
    """Measures points in shared rounds with the unmerged model, a few graphs at a time.

    Raises:
        InputError, BackendError: onnxruntime does not have the device, or no plan of the asked backend can be
            built and run here.
    """
    maker = checked_maker(options, progress)
    place = MeasuringPlace(loaded, options, maker, progress)

    def measure_speeds(points: Sequence[Point], tell: Report) -> Iterator[tuple[Point, SpeedRecord]]:
        for start in range(0, len(points), TOGETHER):
            few = points[start : start + TOGETHER]
            merged = []
            with tempfile.TemporaryDirectory(prefix="pitome-sweep-") as folder:
                unmerged = place.unmerged(Path(folder))
                for point in few:
                    try:
                        merged.append(place.merged(point, Path(folder), tell))
                    except PitomeError as error:  # the others have a speed all the same
                        progress.note(f"no speed of {point.label}: {error}")
                found = place.measured([*merged, unmerged], tell) if merged else {}
            yield from ((point, found[point.graph]) for point in few if point.graph in found)

    return measure_speeds


def _check_conditions(log: ResumableLog, options: SpeedOptions, progress: Progress) -> None:
    """Speeds in a file must have been measured as the new ones will be: they stand in one chart."""
    now = conditions(options, checked_maker(options, progress))
    for each in log.finished:
        speed = each.get("speed")
        if each.get("kind") == "speed" and isinstance(speed, dict):
            there = {"runtime": ON_CPU, **speed}
            found = [f"{name} {there.get(name)}" for name, value in now.items() if there.get(name) != value]
            if found:
                asked = ", ".join(f"{name} {value}" for name, value in now.items())
                raise InputError(
                    f"speeds at {asked}, resuming from {log.path}",
                    f"the file has speeds that were measured with {', '.join(found)}",
                    "Give what they were measured with, or name another file",
                )


def _tasks(options: SearchOptions, loaded: LoadedModel, progress: Progress) -> list[Task]:
    from pitome.validate.evaluate.tasks.registry import default_tasks, make_task
    from pitome.validate.evaluate.tasks.task_names import (
        check_data_folder,
        check_task_name,
    )
    from pitome.validate.own_data import check_column

    names = dict.fromkeys(options.tasks or default_tasks(loaded))
    if not names:
        raise InputError(
            f"a sweep of {loaded.name}",
            f"no built-in task fits a model for {loaded.task}",
            "Name one with --task",
        )
    check_data_folder(options.data, names)
    check_column(options.column, list(names))
    for name in names:
        check_task_name(name, options.column)
    tasks = [
        make_task(name, loaded, options.limit, options.seed, options.data, options.column) for name in names
    ]
    for task in tasks:
        if task.in_place_of is not None:
            progress.note(f"{task.in_place_of}: judged as {task.name}")
    return tasks


def _configuration(options: SweepOptions, loaded: LoadedModel, tasks: Sequence[Task]) -> dict[str, Any]:
    """What the records depend on. Points and tasks are named in each record, so a wider grid may resume; what
    a speed was measured with stands in its own record."""
    from pitome.engine.records import installed_version

    search = options.search
    own = {task.name: task.own_data.data_sha256 for task in tasks if task.own_data is not None}
    return {
        "what": "pitome sweep",
        "model": loaded.name,
        "weights": loaded.sha256,
        "image_size": loaded.image_size,
        # Files of texts have no such key.
        **({"preprocess": _digest(loaded)} if loaded.image_size is not None else {}),
        "sequence_length": loaded.sequence_length,
        "split": options.split,
        "limit": search.limit,
        "data": None if search.data is None else str(search.data.resolve()),
        # Files without such tasks have no such key, and those of earlier versions neither.
        **({"own_data": own} if own else {}),
        "seed": search.seed,
        "versions": {
            "pitome": __version__,
            **{name: installed_version(name) for name in DEPENDS_ON},
        },
    }


def _digest(loaded: LoadedModel) -> str:
    """Of how images are prepared."""
    from pitome.bundle import digest_of

    return digest_of(loaded.image_preprocess.model_dump(mode="json"))


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """PyTorch's threads within the block."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
