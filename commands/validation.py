"""``pitome validate``: is this bundle to be trusted? Decisions, arithmetic, accuracy, latency; a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands import steps
from commands.bundles import record_into, reload
from commands.display import Display
from pitome.bundle import verify_bundle
from pitome.errors import InputError, PitomeError
from validate.thresholds import Thresholds, judge_accuracy_drop, judge_share_of_bound

if TYPE_CHECKING:
    from commands.engine import Prepared
    from pitome.manifest import Manifest

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
    """Records of ``pitome sweep`` for the report; None = <model>.sweep.jsonl beside the bundle, if there."""
    report: Path | None = None
    """HTML page to write; None = <bundle>.validation.html beside the bundle."""
    record: bool = False
    """Write parity that passed into the bundle."""


def validate_bundle(bundle: Path, options: ValidationOptions, display: Display) -> dict[str, Any]:
    """Verify every hash, then check anew, judge what was found, and write the report.

    Returns:
        A JSON object: the verdict with its reason, the thresholds, a list of sections with the verdict of
        each, and by each section's name what was found.

    Raises:
        BundleError: the bundle is damaged, or its model is not the one that is loaded now.
        InputError: thresholds, a task or a sweep that can't be used; a page that can't be written.
        ParityError: a graph that can't be compared with the model at all.
    """
    limits = Thresholds() if options.thresholds is None else Thresholds.load(options.thresholds)
    manifest = verify_bundle(bundle)
    prepared, check = reload(bundle, manifest, display)
    if options.parity_inputs is not None:
        check = replace(check, parity_images=options.parity_inputs)
    parts = (prepared.loaded, prepared.compressed, bundle, manifest.onnx, check)
    with display.step("Check parity") as report:
        sections = {"parity": steps.run_parity(*parts, report, limits, ("bf16",))}
    accuracy, skipped = measure_tasks(bundle, manifest, prepared, options, display)
    if accuracy:
        sections["accuracy"] = _judged_accuracy(accuracy, limits)
    if manifest.latency is not None:
        sections["latency"] = _judged_latency(manifest.latency, limits)
    document = judged_document(bundle, limits, sections)
    document["skipped"] = skipped
    if options.record and document["verdict"] == "pass":
        from commands import keys

        # Other limits may have let pass what a build would not.
        key = keys.parity_key(manifest.onnx, prepared.loaded, check) if limits == Thresholds() else None
        record_into(bundle, manifest, {"parity": sections["parity"], "parity_key": key})
    return _with_report(bundle, manifest, prepared, document, options, display)


def measure_tasks(
    bundle: Path, manifest: Manifest, prepared: Prepared, options: ValidationOptions, display: Display
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Accuracy of every model and runtime on each task, as JSON, and what was skipped with its reason.

    A task that the user named must run; of those that are there by default, one whose data is not to be had
    is skipped and said.
    """
    from validate.accuracy import MERGED, graph_encoders, measure_accuracy
    from validate.encoders import torch_encoder
    from validate.padding import padding_record, removed_padding
    from validate.tasks.registry import default_tasks, make_task
    from validate.tasks.text_classification import TextClassification

    loaded = prepared.loaded
    if set(options.tasks) == {NO_TASKS}:
        return [], [{"what": "accuracy", "reason": "left out by --task none"}]
    if loaded.random:
        return [], [{"what": "accuracy", "reason": "the weights are random, so it would mean nothing"}]
    names = options.tasks or default_tasks(loaded)
    outputs = loaded.family.outputs[loaded.task]
    graphs, unavailable = graph_encoders({graph.precision: bundle / graph.file for graph in manifest.onnx})
    compression = prepared.compression
    found: list[dict[str, Any]] = []
    skipped = [] if names else [{"what": "accuracy", "reason": f"no built-in task fits {loaded.task}"}]
    for name in names:
        with display.step(f"Accuracy on {name}") as report:
            try:
                task = make_task(name, loaded, options.limit, folder=options.data)
            except InputError as error:
                if options.tasks:
                    raise
                skipped.append({"what": name, "reason": str(error)})
                continue
            candidates = {MERGED: torch_encoder(prepared.compressed, outputs), **graphs}
            measured = measure_accuracy(
                task,
                torch_encoder(loaded.model, outputs),
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
    for row in skipped:
        display.note(f"skipped: {row['what']}: {row['reason']}")
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


def _judged_latency(latency: Mapping[str, Any], limits: Thresholds) -> dict[str, Any]:
    """The best batch size decides: a small batch is bound by other things than FLOPs."""
    best = max(latency["results"], key=lambda result: result["share_of_bound"])
    found = judge_share_of_bound(best["share_of_bound"], limits)
    return {
        "verdict": found.verdict,
        "reason": f"{found.reason} at batch {best['batch']}",
        "batch": best["batch"],
        "share_of_bound": best["share_of_bound"],
    }


def _with_report(
    bundle: Path,
    manifest: Manifest,
    prepared: Prepared,
    document: dict[str, Any],
    options: ValidationOptions,
    display: Display,
) -> dict[str, Any]:
    """The document with spectrum and the page's place, after the page was written."""
    from validate.report import render_report

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
            sweep=_sweep_records(bundle, manifest, options),
            spectrum=spectrum,
            merge_maps=maps,
        )
        try:
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"the report {page}", f"it can't be written ({error.strerror})", "Choose another --report"
            ) from error
    return {**document, "spectrum": spectrum, "report": str(page)}


def _merge_maps(prepared: Prepared, skipped: list[dict[str, str]]) -> dict[str, Any] | None:
    from validate.merge_maps import merge_maps_of

    try:
        return merge_maps_of(prepared.loaded, prepared.compressed).model_dump(mode="json")
    except PitomeError as error:
        skipped.append({"what": "merge maps", "reason": str(error)})
        return None


def _spectrum(prepared: Prepared, skipped: list[dict[str, str]]) -> dict[str, Any] | None:
    from validate.checked_inputs import checked_inputs
    from validate.spectrum import layer_spectra

    try:
        real = checked_inputs(prepared.loaded, 1).real.rows(slice(0, SPECTRUM_SAMPLES))
        return layer_spectra(prepared.compressed, real).model_dump(mode="json")
    except PitomeError as error:
        skipped.append({"what": "spectrum", "reason": str(error)})
        return None


def _sweep_records(
    bundle: Path, manifest: Manifest, options: ValidationOptions
) -> list[dict[str, Any]] | None:
    from validate.results_table import read_sweep_file

    path = options.sweep or bundle.with_name(f"{manifest.model.name}.sweep.jsonl")
    if options.sweep is None and not path.is_file():
        return None
    return [record.model_dump(mode="json") for record in read_sweep_file(path).records]
