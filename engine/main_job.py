"""The main job: model -> compressed -> ONNX -> plan -> checked, measured bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from torch import nn

from pitome import __version__
from pitome.bundle import FileRecord, Manifest, OnnxRecord, file_sha256, valid_files, write_manifest
from pitome.bundle.publishing import build_folder
from pitome.cli.display import Display
from pitome.compression import Compression, compress
from pitome.engine import records, steps
from pitome.engine.options import CheckOptions, EngineOptions, MergeOptions, ModelOptions
from pitome.engine.steps import Workplace
from pitome.export.onnx import Precision
from pitome.export.plans import check_request
from pitome.models.loading import LoadedModel, load_model


@dataclass(frozen=True)
class Built:
    """What a build left."""

    folder: Path
    manifest: Manifest
    reused: tuple[str, ...]


@dataclass(frozen=True)
class Prepared:
    """A model in memory, unmerged and merged."""

    loaded: LoadedModel
    compressed: nn.Module
    compression: Compression


def prepare(model: ModelOptions, merge: MergeOptions, display: Display) -> Prepared:
    """Load a model and compress it."""
    with display.step(f"Load {model.model}") as report:
        loaded = load_model(
            model.model,
            model.weights,
            model.image_size,
            model.strict,
            model.seed,
            progress=lambda text: report(text, 0, 0),
            sequence_length=model.sequence_length,
        )
    compressed = compress(loaded.model, **merge.as_arguments())
    compression: Any = compressed.compression
    return Prepared(loaded, compressed, compression)


def bundle_folder(out: Path, loaded: LoadedModel) -> Path:
    """``OUT/<name>``, or ``OUT/<name>-random`` for random weights."""
    return out / (f"{loaded.name}-random" if loaded.random else loaded.name)


def build_engine(options: EngineOptions, command: str, display: Display) -> Built:
    """Everything that ``make engine`` does.

    Raises:
        InputError, BackendError: options, model or machine that cannot do it; nothing is left behind.
        ParityError: the graph does not compute what PyTorch computes; nothing is published.
    """
    merges_nothing = options.merge.method in ("none", "random") or options.merge.ratio == 1
    check_request(steps.plan_request(Path(), options.plan, "model.onnx", 0 if merges_nothing else 1))
    prepared = prepare(options.model, options.merge, display)
    final = bundle_folder(options.out, prepared.loaded)
    with build_folder(final) as folder:
        before, intact = valid_files(final)
        place = Workplace(folder, final, display, before, intact)
        graphs = export_graphs(place, prepared, options.plan.precision)
        num_merges = steps.count_merges(prepared.compression)
        plan, plugin = steps.make_plan(place, graphs[-1], options.plan, num_merges)
        parity, parity_key = steps.check_parity(
            place, prepared.loaded, prepared.compressed, graphs, options.check
        )
        bound = prepared.compression.flops.bound
        latency, latency_key = steps.measure_latency(place, prepared.loaded, graphs[0], bound, options.check)
        manifest = first_manifest(prepared, graphs, options.plan.precision, command, option_record(options))
        manifest = manifest.model_copy(
            update={
                "plans": (plan,),
                "plugin": plugin,
                "parity": parity,
                "parity_key": parity_key,
                "latency": latency,
                "latency_key": latency_key,
            }
        )
        manifest = finish(folder, manifest, prepared.compression)
    return Built(final, manifest, tuple(place.reused))


def export_graphs(place: Workplace, prepared: Prepared, precision: Precision) -> tuple[OnnxRecord, ...]:
    """The fp32 graph, which is always there, and the one of the plan's precision."""
    wanted: tuple[Precision, ...] = ("fp32",) if precision == "fp32" else ("fp32", precision)
    return tuple(
        steps.export_graph(place, prepared.loaded, prepared.compressed, prepared.compression, each)
        for each in wanted
    )


def first_manifest(
    prepared: Prepared,
    graphs: Sequence[OnnxRecord],
    precision: Precision,
    command: str,
    options: dict[str, Any],
) -> Manifest:
    """The manifest of a bundle that holds graphs only."""
    return Manifest(
        pitome_version=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        model=records.model_record(prepared.loaded),
        method=records.method_record(prepared.compression),
        schedule=records.schedule_record(prepared.compression),
        precision=precision,
        flops=records.flops_record(prepared.compression),
        onnx=tuple(graphs),
        environment=records.environment_record(command, options),
    )


def finish(folder: Path, manifest: Manifest, compression: Compression | None) -> Manifest:
    """Write the report and, last of all, the manifest; FLOPs per layer need the compression."""
    from pitome.validate.report.inputs import ReportInput
    from pitome.validate.report.page import render_report

    report = folder / "report.html"
    shown = ReportInput.of_bundle(manifest, compression.flops if compression else None)
    report.write_text(render_report(shown), encoding="utf-8")
    record = FileRecord(file=report.name, sha256=file_sha256(report))
    manifest = Manifest.model_validate(manifest.model_copy(update={"report": record}).model_dump())
    write_manifest(folder, manifest)
    return manifest


def option_record(options: EngineOptions) -> dict[str, Any]:
    """The options as JSON: enough to load and compress the model again."""
    return {"model": asdict(options.model), "merge": asdict(options.merge), "check": asdict(options.check)}


def options_of(manifest: Manifest) -> tuple[ModelOptions, MergeOptions, CheckOptions]:
    """The options that a bundle was built with."""
    found: Any = manifest.environment["options"]
    merge = dict(found["merge"])
    for name in ("r", "layers", "margin"):
        merge[name] = tuple(merge[name]) if isinstance(merge[name], list) else merge[name]
    check = dict(found["check"])
    check["batches"] = tuple(check["batches"])
    return ModelOptions(**found["model"]), MergeOptions(**merge), CheckOptions(**check)
