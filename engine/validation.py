"""``pitome validate``: is this bundle to be trusted? Decisions, arithmetic, accuracy, latency; a verdict."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pitome.bundle import CheckOptions, Manifest, ParityReport, verify_bundle
from pitome.bundle.portable import portable_command
from pitome.engine import steps
from pitome.engine.bundles import record_into
from pitome.engine.options import ValidationOptions
from pitome.engine.plan_bench import PlanOnGpu, plan_or_onnxruntime
from pitome.engine.portable_build import portable_parity
from pitome.engine.prepare import reload, with_own_inputs
from pitome.engine.progress import Progress, Report, Silent
from pitome.engine.speed_verdict import judged_latency
from pitome.engine.steps import CheckedParity
from pitome.engine.task_accuracy import make_tasks, measure_tasks, own_pictures
from pitome.engine.validation_checks import (
    check_options,
    chosen_checks,
    page_of,
    sweep_of_model,
    write_page,
)
from pitome.engine.verdicts import (
    judged_accuracy,
    judged_bundle,
    judged_parity,
    part_verdicts,
    required_parts,
)
from pitome.errors import PitomeError
from pitome.validate.deciding_batch import deciding_latency
from pitome.validate.report.summary import plan_status
from pitome.validate.thresholds import Thresholds
from pitome.validate.unmeasured_limits import PartName, UnmeasuredLimit, unmeasured_limits
from pitome.validate.validation_records import (
    MERGE_MAPS,
    PARTS,
    SPECTRUM,
    PlanStatus,
    SkippedPart,
    ValidationEnvironment,
    ValidationRecord,
)

if TYPE_CHECKING:
    from pitome.engine.prepare import Prepared
    from pitome.validate.evaluate.records import MergeMaps, SpectrumReport, TaskAccuracy
    from pitome.validate.gpu.records import EngineParity
    from pitome.validate.sweep.records import SweepFile

SPECTRUM_SAMPLES = 8
Found = TypeVar("Found")


@dataclass(frozen=True)
class Shown:
    """What the page has beside the record."""

    sweep: SweepFile | None
    maps: MergeMaps | None
    pictures: Mapping[str, Mapping[int, str]]
    """Task -> row of a sample -> small picture of it."""


def validate_bundle(
    bundle: Path,
    options: ValidationOptions,
    progress: Progress | None = None,
    command: str | None = None,
) -> ValidationRecord:
    """Check what was asked for, verify every hash, check the bundle anew, judge, and write the report.

    Args:
        bundle: its folder.
        options: what is checked.
        progress: is told how far it is; None = nobody is.
        command: what was typed, for the report; None = ``pitome validate`` of the bundle.

    Raises:
        BundleError: the bundle is damaged, or its model is not the one that is loaded now.
        InputError: thresholds, a device, a task, data or a sweep that can't be used; a page that can't be
            written.
            All of them are found before parity is checked.
        ParityError: a graph that can't be compared with the model at all.
    """
    progress = progress or Silent()
    limits, required = check_options(bundle, options), required_parts(options.require or ())
    manifest = verify_bundle(bundle)
    of_build = manifest.build.check or CheckOptions()
    device = options.device or of_build.device
    place = plan_or_onnxruntime(bundle, manifest, device, options.backend, progress)
    check = chosen_checks(options, of_build, place is not None)
    prepared = with_own_inputs(reload(bundle, manifest, progress, options.weights), check, progress)
    skipped: list[SkippedPart] = []
    sweep = sweep_of_model(bundle, manifest, prepared.loaded, options, skipped)
    tasks = make_tasks(prepared.loaded, options, limits, skipped, progress)
    parity, *of_others = (
        _parity(graph, bundle, manifest, check, limits, progress) for graph in prepared.graphs
    )
    others = {graph.name: found for graph, found in zip(prepared.graphs[1:], of_others, strict=True)}
    of_plan = _plan_parity(place, prepared, check, progress)
    measured = measure_tasks(tasks, bundle, manifest, prepared, check, progress)
    for row in skipped:
        progress.note(f"skipped: {row.what}: {row.reason}")
    unmeasured = _unmeasured(manifest, limits, parity, measured, skipped)
    accuracy = judged_accuracy(measured, limits, unmeasured["accuracy"], skipped)
    latency = judged_latency(manifest, limits, unmeasured["latency"])
    parts = part_verdicts(
        (
            (
                "parity",
                judged_parity({prepared.name: parity, **others, **of_plan}, unmeasured["parity"]),
            ),
            ("accuracy", accuracy),
            ("latency", latency),
        ),
        required,
    )
    verdict = judged_bundle(parts)
    command = command or shlex.join(["pitome", "validate", str(bundle)])
    if options.record and verdict.verdict == "pass":
        _record_parity(bundle, manifest, prepared, CheckedParity(parity, others), check, limits, command)
    with progress.step("Write the report") as report:
        maps, spectrum = _pictures(prepared, skipped, report)
        page = page_of(bundle, options)
        record = ValidationRecord(
            bundle=str(bundle),
            **verdict.model_dump(),
            parts=parts,
            required=required,
            plans=_plans(manifest, {prepared.name: parity, **others}, of_plan),
            thresholds=limits,
            parity=parity,
            other_parity=others,
            plan_parity=next(iter(of_plan.values()), None),
            accuracy=accuracy,
            latency=latency,
            unmeasured=tuple(each for part in PARTS for each in unmeasured[part]),
            command=command,
            environment=_environment(command),
            skipped=tuple(skipped),
            thresholds_file=None if options.thresholds is None else str(options.thresholds),
            spectrum=spectrum,
            report=str(page),
        )
        shown = Shown(sweep, maps, own_pictures(tasks, measured))
        write_page(page, _page(bundle, manifest, prepared, record, shown))
    return record


def _parity(
    graph: Prepared,
    bundle: Path,
    manifest: Manifest,
    check: CheckOptions,
    limits: Thresholds,
    progress: Progress,
) -> ParityReport:
    """Of one graph of the bundle."""
    (record,) = (each for each in manifest.graphs if each.name == graph.name)
    with progress.step(f"Check parity{graph.of_graph}") as report:
        return steps.run_parity(graph, bundle, record.own_files, check, report, limits, ("bf16",))


def _plan_parity(
    place: PlanOnGpu | None,
    prepared: Prepared,
    check: CheckOptions,
    progress: Progress,
) -> dict[str, EngineParity]:
    """By its file, what was found of the plan that runs here; one that can't be checked is not judged."""
    from pitome.engine.plan_parity import check_plan_parity, unchecked

    if place is None:
        return {}
    try:
        return {place.plan.file: check_plan_parity(place, prepared, check, progress)}
    except PitomeError as error:
        return {place.plan.file: unchecked(place, str(error))}


def _record_parity(
    bundle: Path,
    manifest: Manifest,
    prepared: Prepared,
    parity: CheckedParity,
    check: CheckOptions,
    limits: Thresholds,
    command: str,
) -> None:
    """Write parity that passed into the bundle."""
    from pitome.engine import keys

    # Other limits may have let pass what a build would not: it is not to reuse that.
    own = parity.merged.own_data
    same_limits = limits == Thresholds()
    key = keys.parity_key(manifest.onnx, prepared.loaded, check, own=own) if same_limits else None
    told = {"command": portable_command(command)}
    found = portable_parity(parity.merged, bundle).model_copy(update=told)
    others = {name: each.model_copy(update=told) for name, each in parity.others.items()}
    record_into(bundle, manifest, {"parity": found, "other_parity": others, "parity_key": key})


def _unmeasured(
    manifest: Manifest,
    limits: Thresholds,
    parity: ParityReport,
    tasks: Sequence[TaskAccuracy],
    skipped: Sequence[SkippedPart],
) -> dict[PartName, tuple[UnmeasuredLimit, ...]]:
    """By part, the limits of the user's that nothing measured."""
    _, why_no_speed = deciding_latency(manifest)
    reasons = {row.what: row.reason for row in skipped}
    found = unmeasured_limits(limits, parity, tasks, why_no_speed or None, reasons)
    return {part: tuple(each for each in found if each.part == part) for part in PARTS}


def _plans(
    manifest: Manifest, parity: Mapping[str, ParityReport], run: Mapping[str, EngineParity]
) -> tuple[PlanStatus, ...]:
    return tuple(
        PlanStatus(
            file=plan.file,
            executed=plan.executed or plan.file in run,
            status=f"run here: {run[plan.file].verdict}, {run[plan.file].reason}"
            if plan.file in run
            else plan_status(plan, parity[graph.name]),
        )
        for graph in manifest.graphs
        for plan in graph.plans
    )


def _environment(command: str) -> ValidationEnvironment:
    from pitome.engine.records import environment_record

    return ValidationEnvironment(command=command, **environment_record().model_dump())


def _page(
    bundle: Path,
    manifest: Manifest,
    prepared: Prepared,
    record: ValidationRecord,
    shown: Shown,
) -> str:
    from pitome.validate.report.inputs import ReportInput
    from pitome.validate.report.page import render_report

    return render_report(
        ReportInput(
            manifest,
            prepared.compression.flops,
            parity=record.parity,
            other_parity=record.other_parity,
            latency=manifest.latency,
            accuracy=record.accuracy.tasks,
            sweep=shown.sweep,
            spectrum=record.spectrum,
            merge_maps=shown.maps,
            pictures=shown.pictures,
            validation=record,
            bundle=bundle,
        )
    )


def _pictures(
    prepared: Prepared, skipped: list[SkippedPart], report: Report
) -> tuple[MergeMaps | None, SpectrumReport | None]:
    """Merge maps and the spectrum; what can't be made is skipped and said."""
    from pitome.validate.checked_inputs import long_inputs
    from pitome.validate.evaluate.merge_maps import merge_maps_of
    from pitome.validate.evaluate.spectrum import layer_spectra

    loaded, compressed = prepared.loaded, prepared.compressed
    report("merge maps", 0, 3)
    maps = _or_skipped(lambda: merge_maps_of(loaded, compressed), MERGE_MAPS, skipped)
    report("spectrum", 1, 3)
    spectrum = _or_skipped(
        lambda: layer_spectra(compressed, long_inputs(loaded, SPECTRUM_SAMPLES)), SPECTRUM, skipped
    )
    report("page", 2, 3)
    return maps, spectrum


def _or_skipped(make: Callable[[], Found], what: str, skipped: list[SkippedPart]) -> Found | None:
    try:
        return make()
    except PitomeError as error:
        skipped.append(SkippedPart(what=what, reason=str(error).removeprefix(f"{what}: ")))
        return None
