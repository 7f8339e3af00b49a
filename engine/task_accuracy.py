"""Accuracy of a bundle's model and graphs on tasks: first the tasks are made, later they are measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pitome.engine.options import CheckOptions, ValidationOptions
from pitome.engine.progress import Progress
from pitome.engine.validation_checks import NO_TASKS
from pitome.errors import InputError
from pitome.runtime import parse_device
from pitome.validate.evaluate.records import TaskAccuracy
from pitome.validate.padding_records import PaddingRecord
from pitome.validate.thresholds import Thresholds
from pitome.validate.unmeasured_limits import ACCURACY
from pitome.validate.validation_records import SkippedPart

if TYPE_CHECKING:
    from pitome.bundle import Manifest
    from pitome.engine.prepare import Prepared
    from pitome.models.loading import LoadedModel
    from pitome.validate.task import Task


def make_tasks(
    loaded: LoadedModel,
    options: ValidationOptions,
    limits: Thresholds,
    skipped: list[SkippedPart],
    progress: Progress,
) -> list[Task]:
    """The tasks of a validation; ``skipped`` gets a row for each that is left out.

    A task that the user named must run; of those that are there by default, one whose data is not to be had
    is skipped and said.

    Raises:
        InputError: a task that the user named does not fit the model, or its data can't be had.
    """
    from pitome.validate.evaluate.tasks.registry import default_tasks, make_task
    from pitome.validate.evaluate.tasks.task_names import check_data_folder

    left_out = None
    if set(options.tasks) == set(NO_TASKS):
        left_out = "left out by --task none"
    elif loaded.random:
        left_out = "the weights are random, so it would mean nothing"
    names = options.tasks or default_tasks(loaded)
    if left_out is None and not names:
        left_out = f"no built-in task fits {loaded.task}"
    if left_out is not None:
        skipped.append(SkippedPart(what=ACCURACY, reason=left_out))
        return []
    check_data_folder(options.data, names)
    tasks = []
    for name in names:
        with progress.step(f"Get the data of {name}") as report:
            try:
                tasks.append(
                    make_task(
                        name,
                        loaded,
                        options.limit,
                        folder=options.data,
                        column=options.column,
                        progress=report,
                    )
                )
            except InputError as error:
                if options.tasks:
                    raise
                skipped.append(SkippedPart(what=name, reason=str(error)))
                continue
        _want(tasks[-1], limits)
        if tasks[-1].in_place_of is not None:
            progress.note(f"{tasks[-1].in_place_of}: judged as {tasks[-1].name}")
    return tasks


def _want(task: Task, limits: Thresholds) -> None:
    """What the user's limits want of an index of unmerged embeddings decides on re-indexing too."""
    from pitome.validate.evaluate.tasks.own_data import OwnEmbeddings

    wanted = limits.own_data.min_recall_at_10
    if isinstance(task, OwnEmbeddings) and wanted is not None:
        task.wanted = wanted


def measure_tasks(
    tasks: Sequence[Task],
    bundle: Path,
    manifest: Manifest,
    prepared: Prepared,
    check: CheckOptions,
    progress: Progress,
) -> list[TaskAccuracy]:
    """Accuracy of every model and runtime on each task; onnxruntime runs as ``check`` says."""
    from pitome.runtime.pytorch import PyTorchRuntime
    from pitome.validate.evaluate.accuracy import MERGED, graph_runtimes, measure_accuracy

    loaded = prepared.loaded
    outputs = loaded.family.outputs[loaded.task]
    files: dict[str, Path] = {
        graph.precision: bundle / graph.file for graph in manifest.merged_graph.own_files
    }
    graphs, unavailable = graph_runtimes(files, check.threads, parse_device(check.device))
    found = []
    for task in tasks:
        with progress.step(f"Accuracy on {task.name}") as report:
            measured = measure_accuracy(
                task,
                PyTorchRuntime(loaded.model, outputs),
                {MERGED: PyTorchRuntime(prepared.compressed, outputs), **graphs},
                unavailable=unavailable,
                progress=report,
            )
        # A user's own data is told of with its names, beside what was found in it.
        for part in () if task.own_data is not None else measured.skipped:
            progress.note(f"{task.name}: skipped {part.told}")
        of_task = {
            "padding": _padding(task, prepared),
            "own_data": task.own_data,
            "in_place_of": task.in_place_of,
        }
        found.append(TaskAccuracy.model_validate({**measured.model_dump(), **of_task}))
    return found


def own_pictures(tasks: Sequence[Task], measured: Sequence[TaskAccuracy]) -> dict[str, dict[int, str]]:
    """Task -> row of a sample -> small picture of it, of the user's images that a page shows."""
    from pitome.validate.evaluate.tasks.own_data import OwnDataTask

    found: dict[str, dict[int, str]] = {}
    for task, record in zip(tasks, measured, strict=True):
        if isinstance(task, OwnDataTask) and not task.of_texts:
            shown = next((model.own for model in record.models if model.own is not None), None)
            rows = [] if shown is None else [case.row for case in shown.worst]
            found[task.name] = {row: task.data.shown(row) for row in rows}
    return found


def _padding(task: Task, prepared: Prepared) -> PaddingRecord | None:
    """What padding has to do with it, of texts that are classified."""
    from pitome.validate.evaluate.tasks.text_classification import TextClassification
    from pitome.validate.padding import padding_record, removed_padding

    if not isinstance(task, TextClassification):
        return None
    texts, compression = task.samples("test"), prepared.compression
    removed = removed_padding(prepared.compressed, texts)
    return padding_record(texts, removed, compression.shape, compression.flops.ratio)
