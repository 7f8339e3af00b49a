"""``pitome validate``: is this bundle to be trusted? Decisions, arithmetic, accuracy, latency; a verdict."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitome.bundle import verify_bundle
from pitome.cli.display import Display
from pitome.engine import steps
from pitome.engine.bundles import record_into, reload
from pitome.errors import InputError, PitomeError
from pitome.validate.report.summary import STEADY
from pitome.validate.thresholds import Thresholds, judge_accuracy_drop, judge_share_of_bound
from pitome.validate.unmeasured_limits import ACCURACY, unmeasured_limits

if TYPE_CHECKING:
    from pitome.bundle.manifest import Manifest
    from pitome.engine.main_job import Prepared
    from pitome.models.loading import LoadedModel
    from pitome.validate.sweep.results_table import SweepFile

NO_TASKS = "none"
"""Value of --task that leaves accuracy out."""
SPECTRUM_SAMPLES = 8


@dataclass(frozen=True)
class ValidationOptions:
    """What is checked beside the hashes."""

    parity_inputs: int | None = None
    """Random images or texts; None = as many as at the build."""
    thresholds: Path | None = None
    """TOML file; None = the defaults."""
    tasks: tuple[str, ...] = ()
    """Empty: all that fit the model and need no data of the user's; ("none",): no accuracy."""
    limit: int | None = None
    """At most so many samples of each task."""
    data: Path | None = None
    """Folder of a data set that has files."""
    sweep: Path | None = None
    """Records of ``pitome sweep`` for the report; None = <model>.sweep.jsonl beside the bundle, if there and
    of this model."""
    report: Path | None = None
    """HTML page to write; None = <bundle>.validation.html beside the bundle."""
    record: bool = False
    """Write parity that passed into the bundle."""


def validate_bundle(
    bundle: Path, options: ValidationOptions, display: Display, command: str | None = None
) -> dict[str, Any]:
    """Verify every hash, then check anew, judge what was found, and write the report.

    Args:
        bundle: its folder.
        options: what is checked.
        display: shows the progress.
        command: what was typed, for the report; None = ``pitome validate`` of the bundle.

    Returns:
        A JSON object: the verdict with its reason, the thresholds, a list of sections with the verdict of
        each, by each section's name what was found, what was skipped and why, and the environment.

    Raises:
        BundleError: the bundle is damaged, or its model is not the one that is loaded now.
        InputError: thresholds, a task or a sweep that can't be used; a page that can't be written.
        ParityError: a graph that can't be compared with the model at all.
    """
    limits = Thresholds() if options.thresholds is None else Thresholds.load(options.thresholds)
    manifest = verify_bundle(bundle)
    prepared, check = reload(bundle, manifest, display)
    skipped: list[dict[str, str]] = []
    sweep = sweep_of_model(bundle, manifest, prepared.loaded, options, skipped)
    if options.parity_inputs is not None:
        check = replace(check, parity_images=options.parity_inputs)
    parts = (prepared.loaded, prepared.compressed, bundle, manifest.onnx, check)
    with display.step("Check parity") as report:
        sections = {"parity": steps.run_parity(*parts, report, limits, ("bf16",))}
    accuracy, left_out = measure_tasks(bundle, manifest, prepared, options, display)
    skipped += left_out
    for row in skipped:
        display.note(f"skipped: {row['what']}: {row['reason']}")
    if accuracy:
        sections["accuracy"] = _judged_accuracy(accuracy, limits)
    if manifest.latency is not None:
        sections["latency"] = judged_latency(manifest.latency, limits)
    tasks = [str(found["task"]) for found in accuracy]
    if unmeasured := unmeasured_limits(limits, sections["parity"], tasks, manifest.latency, skipped):
        sections["limits"] = {
            "verdict": "fail",
            "reason": "; ".join(each.reason for each in unmeasured),
            "unmeasured": [each.model_dump() for each in unmeasured],
        }
    command = command or shlex.join(["pitome", "validate", str(bundle)])
    document = judged_document(bundle, limits, sections)
    document |= {
        "command": command,
        "environment": _environment(command),
        "skipped": skipped,
        "thresholds_file": None if options.thresholds is None else str(options.thresholds),
    }
    if options.record and document["verdict"] == "pass":
        from pitome.engine import keys

        # Other limits may have let pass what a build would not.
        key = keys.parity_key(manifest.onnx, prepared.loaded, check) if limits == Thresholds() else None
        parity = {**sections["parity"], "command": command}
        record_into(bundle, manifest, {"parity": parity, "parity_key": key})
    return _with_report(bundle, manifest, prepared, document, sweep, options, display)


def measure_tasks(
    bundle: Path, manifest: Manifest, prepared: Prepared, options: ValidationOptions, display: Display
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Accuracy of every model and runtime on each task, as JSON, and what was skipped with its reason.

    A task that the user named must run; of those that are there by default, one whose data is not to be had
    is skipped and said.
    """
    from pitome.runtime import Runtime
    from pitome.runtime.pytorch import PyTorchRuntime
    from pitome.validate.evaluate.accuracy import MERGED, graph_runtimes, measure_accuracy
    from pitome.validate.evaluate.padding import padding_record, removed_padding
    from pitome.validate.evaluate.tasks.registry import default_tasks, make_task
    from pitome.validate.evaluate.tasks.text_classification import TextClassification

    loaded = prepared.loaded
    if set(options.tasks) == {NO_TASKS}:
        return [], [{"what": ACCURACY, "reason": "left out by --task none"}]
    if loaded.random:
        return [], [{"what": ACCURACY, "reason": "the weights are random, so it would mean nothing"}]
    names = options.tasks or default_tasks(loaded)
    outputs = loaded.family.outputs[loaded.task]
    graphs, unavailable = graph_runtimes({graph.precision: bundle / graph.file for graph in manifest.onnx})
    compression = prepared.compression
    found: list[dict[str, Any]] = []
    skipped = [] if names else [{"what": ACCURACY, "reason": f"no built-in task fits {loaded.task}"}]
    for name in names:
        with display.step(f"Accuracy on {name}") as report:
            try:
                task = make_task(name, loaded, options.limit, folder=options.data)
            except InputError as error:
                if options.tasks:
                    raise
                skipped.append({"what": name, "reason": str(error)})
                continue
            candidates: dict[str, Runtime] = {MERGED: PyTorchRuntime(prepared.compressed, outputs), **graphs}
            measured = measure_accuracy(
                task,
                PyTorchRuntime(loaded.model, outputs),
                candidates,
                unavailable=unavailable,
                progress=report,
            )
        content = measured.model_dump(mode="json")
        if isinstance(task, TextClassification):
            texts = task.samples("test")
            removed = removed_padding(prepared.compressed, texts)
            content["padding"] = padding_record(
                texts, removed, compression.shape, compression.flops.ratio
            ).model_dump(mode="json")
        found.append(content)
    return found, skipped


def judged_document(
    bundle: Path, limits: Thresholds, sections: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    """What ``pitome validate`` prints: each section is a JSON object with its ``verdict`` and ``reason``."""
    rows = [
        {"name": name, "verdict": found["verdict"], "reason": found["reason"]}
        for name, found in sections.items()
    ]
    failed = next((row for row in rows if row["verdict"] != "pass"), None)
    return {
        "bundle": str(bundle),
        "verdict": "fail" if failed else "pass",
        "reason": f"{failed['name']}: {failed['reason']}" if failed else "every section meets its limits",
        "thresholds": limits.model_dump(mode="json"),
        "sections": rows,
        **sections,
    }


def _judged_accuracy(reports: Sequence[dict[str, Any]], limits: Thresholds) -> dict[str, Any]:
    """The worst runtime of each task decides; refitted heads are for information."""
    verdicts = [
        judge_accuracy_drop(report["task"], max(_drops(report), default=0.0), limits) for report in reports
    ]
    failed = next((found for found in verdicts if found.verdict != "pass"), None)
    reason = failed.reason if failed else "; ".join(found.reason for found in verdicts)
    return {"verdict": failed.verdict if failed else "pass", "reason": reason, "tasks": list(reports)}


def _drops(report: dict[str, Any]) -> list[float]:
    models = (model for model in report["models"] if not model["refit"])
    return [model["drop_points"] for model in models if model["drop_points"] is not None]


def judged_latency(latency: Mapping[str, Any], limits: Thresholds) -> dict[str, Any]:
    """The bundle's latency, which may come from another machine and another day: the reason says so.

    The best batch size decides, since a small batch is bound by other things than FLOPs; one that was
    measured while something drifted does so only where all were.

    Args:
        latency: `pitome.validate.bench.records.LatencyReport` as JSON.
        limits: as they hold.
    """
    from pitome.validate.bench.latency import cpu_model

    steady = [result for result in latency["results"] if _unsteady(result) is None]
    best = max(steady or latency["results"], key=lambda result: result["share_of_bound"])
    found = judge_share_of_bound(best["share_of_bound"], limits)
    cpu, here = str(latency["cpu"]), cpu_model()
    where = f"measured on {cpu}" + (f", not on this machine ({here})" if cpu != here else "")
    return {
        "verdict": found.verdict,
        "reason": f"{found.reason} at batch {best['batch']}, {where}, {_steadiness(best)}",
        "batch": best["batch"],
        "share_of_bound": best["share_of_bound"],
        "cpu": cpu,
        "steady": best.get("steady"),
    }


def _steadiness(result: Mapping[str, Any]) -> str:
    unsteady = _unsteady(result)
    if unsteady is not None:
        return f"and not steady ({unsteady})"
    if result.get("steady") is None:
        told = f" ({reason})" if (reason := result.get("steady_reason")) else ""
        return f"not known to be steady{told}"
    return "steady"


def _unsteady(result: Mapping[str, Any]) -> str | None:
    """Why a speed-up should be measured again, where it should; as the summary says it."""
    low, high = result["speedup_interval"]
    if result.get("steady") is False:
        return str(result.get("steady_reason") or "something drifted meanwhile")
    if high - low > STEADY * result["speedup"]:
        return f"the speed-up is only known to be from {low:.2f} to {high:.2f}"
    return None


def _environment(command: str) -> dict[str, Any]:
    """Versions and machine of this validation, as the manifest has those of the build."""
    from pitome.engine.records import environment_record

    found = environment_record(command, {})
    return {name: found[name] for name in found if name != "options"}


def _with_report(
    bundle: Path,
    manifest: Manifest,
    prepared: Prepared,
    document: dict[str, Any],
    sweep: SweepFile | None,
    options: ValidationOptions,
    display: Display,
) -> dict[str, Any]:
    """The document with spectrum and the page's place, after the page was written."""
    from pitome.validate.report.page import render_report

    page = options.report or bundle.with_name(f"{bundle.name}.validation.html")
    with display.step("Write the report") as report:
        report("merge maps", 0, 3)
        maps = _merge_maps(prepared, document["skipped"])
        report("spectrum", 1, 3)
        spectrum = _spectrum(prepared, document["skipped"])
        report("page", 2, 3)
        text = render_report(
            manifest.model_copy(update={"parity": document["parity"]}),
            prepared.compression.flops,
            accuracy=document.get("accuracy", {}).get("tasks"),
            sweep=None if sweep is None else [*sweep.records, *sweep.failed],
            spectrum=spectrum,
            merge_maps=maps,
            validation=document,
            commands=_commands(bundle, manifest, document["command"], sweep, options),
        )
        try:
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"the report {page}", f"it can't be written ({error.strerror})", "Choose another --report"
            ) from error
    return {**document, "spectrum": spectrum, "report": str(page)}


def _commands(
    bundle: Path, manifest: Manifest, command: str, sweep: SweepFile | None, options: ValidationOptions
) -> dict[str, str]:
    """What made the numbers of each part of the page."""
    from pitome.validate.report.reproduce import named_model, section_commands, sweep_command

    found = section_commands(manifest, bundle)
    found |= dict.fromkeys(("parity", "accuracy", "merge_maps", "spectrum"), command)
    if sweep is not None:
        file = _sweep_path(bundle, manifest, options)
        found["sweep"] = sweep_command(named_model(manifest), sweep, file)
    return found


def _merge_maps(prepared: Prepared, skipped: list[dict[str, str]]) -> dict[str, Any] | None:
    from pitome.validate.evaluate.merge_maps import merge_maps_of

    try:
        return merge_maps_of(prepared.loaded, prepared.compressed).model_dump(mode="json")
    except PitomeError as error:
        skipped.append({"what": "merge maps", "reason": str(error)})
        return None


def _spectrum(prepared: Prepared, skipped: list[dict[str, str]]) -> dict[str, Any] | None:
    from pitome.validate.checked_inputs import long_inputs
    from pitome.validate.evaluate.spectrum import layer_spectra

    try:
        inputs = long_inputs(prepared.loaded, SPECTRUM_SAMPLES)
        return layer_spectra(prepared.compressed, inputs).model_dump(mode="json")
    except PitomeError as error:
        skipped.append({"what": "spectrum", "reason": str(error)})
        return None


def _sweep_path(bundle: Path, manifest: Manifest, options: ValidationOptions) -> Path:
    return options.sweep or bundle.with_name(f"{manifest.model.name}.sweep.jsonl")


def sweep_of_model(
    bundle: Path,
    manifest: Manifest,
    loaded: LoadedModel,
    options: ValidationOptions,
    skipped: list[dict[str, str]],
) -> SweepFile | None:
    """The records of a sweep of this very model; None where there are none.

    A file that the user named must fit. One that only lies beside the bundle is left out, and ``skipped``
    gets a row that says why.

    Raises:
        InputError: the named file can't be read, or is of another model.
    """
    from pitome.validate.sweep.results_table import read_sweep_file

    path = _sweep_path(bundle, manifest, options)
    if options.sweep is None and not path.is_file():
        return None
    try:
        found = read_sweep_file(path)
        _require_same_model(path, found, loaded)
    except InputError as error:
        if options.sweep is not None:
            raise
        skipped.append({"what": "sweep", "reason": str(error)})
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
