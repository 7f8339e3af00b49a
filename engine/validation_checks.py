"""What ``pitome validate`` can refuse before anything long begins."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pitome.bundle.publishing import check_place
from pitome.engine.options import CheckOptions, ValidationOptions
from pitome.errors import InputError
from pitome.runtime import CPU, check_device, parse_device
from pitome.validate.thresholds import Thresholds
from pitome.validate.validation_records import SWEEP, SkippedPart

if TYPE_CHECKING:
    from pitome.bundle import Manifest
    from pitome.models.loading import LoadedModel
    from pitome.validate.sweep.records import SweepFile

NO_TASKS = ("none",)
"""Values of --task that leave accuracy out."""


def check_options(bundle: Path, options: ValidationOptions) -> Thresholds:
    """Everything that needs neither the bundle nor its model.

    Returns:
        The limits that hold.

    Raises:
        InputError: thresholds or a sweep that can't be read, a task of no known name, a folder of data that
            isn't there, or a page that can't be written.
    """
    from pitome.validate.evaluate.tasks.task_names import check_task_name
    from pitome.validate.own_data import check_column, check_inputs
    from pitome.validate.sweep.results_table import read_sweep_file

    limits = Thresholds() if options.thresholds is None else Thresholds.load(options.thresholds)
    if len(options.tasks) > 1 and set(NO_TASKS) & set(options.tasks):
        raise InputError(
            " and ".join(f"the task {name}" for name in options.tasks),
            "none stands for no task at all",
            "Give none alone, or leave it out",
        )
    if options.record:
        check_place(bundle)
    if set(options.tasks) != set(NO_TASKS):
        for name in options.tasks:
            check_task_name(name, options.column)
    check_inputs(options.inputs, options.column)
    check_column(options.column, (*options.tasks, *([options.inputs] if options.inputs else ())))
    if options.data is not None and not options.data.is_dir():
        raise InputError(
            f"the data in {options.data}", "there is no such folder", "Choose another --data, or leave it out"
        )
    if options.sweep is not None:
        read_sweep_file(options.sweep)
    _check_page(page_of(bundle, options))
    return limits


def chosen_checks(
    options: ValidationOptions, of_build: CheckOptions, with_plan: bool = False
) -> CheckOptions:
    """The build's numbers and device, with what was asked for in their place.

    Args:
        options: what was asked for.
        of_build: what the build had.
        with_plan: a plan is checked on the device; the graphs are then, on the CPU where onnxruntime has
            no other.

    Raises:
        InputError: onnxruntime does not have the device.
    """
    device = parse_device(options.device or of_build.device)
    try:
        check_device(device)
    except InputError:
        if not with_plan:
            raise
        device = CPU
    images = options.parity_inputs or of_build.parity_images
    return replace(
        of_build,
        parity_images=images,
        device=device.name,
        # The build's own files need not lie here.
        inputs=options.inputs,
        column=options.column if options.inputs else None,
    )


def page_of(bundle: Path, options: ValidationOptions) -> Path:
    """The HTML page that is written."""
    return options.report or _beside(bundle, f"{bundle.resolve().name}.validation.html")


def _beside(bundle: Path, name: str) -> Path:
    """A file beside a bundle, also where that is "." or has no name at all."""
    return (bundle if bundle.name else bundle.resolve()).parent / name


def _check_page(page: Path) -> None:
    """InputError where the page can't be written, as far as that can be known without writing."""
    try:
        if page.is_dir():
            raise _no_page(page, "Is a directory")
        os.lstat(page.parent / page.name)  # a name that is too long, or a file on the way
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _no_page(page, error.strerror) from error
    there = page if page.exists() else next(folder for folder in page.absolute().parents if folder.exists())
    needed = os.W_OK if there == page else os.W_OK | os.X_OK
    if not os.access(there, needed):
        raise _no_page(page, f"no permission to write {there}")


def write_page(page: Path, text: str) -> None:
    """Write the report, and the folder that it lies in.

    Raises:
        InputError: it can't be written.
    """
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _no_page(page, error.strerror) from error


def _no_page(page: Path, reason: str | None) -> InputError:
    return InputError(f"the report {page}", f"it can't be written ({reason})", "Choose another --report")


def sweep_of_model(
    bundle: Path,
    manifest: Manifest,
    loaded: LoadedModel,
    options: ValidationOptions,
    skipped: list[SkippedPart],
) -> SweepFile | None:
    """The records of a sweep of this very model; None where there are none.

    A file that the user named must fit. One that only lies beside the bundle is left out, and ``skipped``
    gets a row that says why.

    Raises:
        InputError: the named file can't be read, or is of another model.
    """
    from pitome.validate.sweep.results_table import read_sweep_file

    path = options.sweep or _beside(bundle, f"{manifest.model.name}.sweep.jsonl")
    if options.sweep is None and not path.is_file():
        return None
    try:
        found = read_sweep_file(path)
        _require_same_model(path, found, loaded)
    except InputError as error:
        if options.sweep is not None:
            raise
        skipped.append(SkippedPart(what=SWEEP, reason=str(error)))
        return None
    return found


def _require_same_model(path: Path, found: SweepFile, loaded: LoadedModel) -> None:
    wanted = {
        "weights": loaded.sha256,
        "image_size": loaded.image_size,
        "sequence_length": loaded.sequence_length,
    }
    others = [
        f"{name.replace('_', ' ')} {_short(found.configuration.get(name, 'unknown'))}, not {_short(value)}"
        for name, value in wanted.items()
        if found.configuration.get(name, "unknown") != value
    ]
    if others:
        raise InputError(
            f"the sweep in {path}",
            f"it is of another model than the bundle: {'; '.join(others)}",
            "Run `pitome sweep` on this model, or name its file with --sweep",
        )


def _short(value: object) -> str:
    """A digest by its beginning."""
    return value[:12] if isinstance(value, str) else str(value)
