"""The main job: model -> compressed -> ONNX -> plan -> checked, measured bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pitome import __version__
from pitome.bundle import (
    BuildRecord,
    FileRecord,
    GraphRecord,
    Manifest,
    file_sha256,
    valid_files,
    write_manifest,
)
from pitome.bundle.bom import write_bom
from pitome.bundle.publishing import build_folder
from pitome.compression import Compression
from pitome.engine import records, steps
from pitome.engine.checkpoint_files import read_checkpoint
from pitome.engine.checks import check_all
from pitome.engine.command import command_of
from pitome.engine.operator_library import place_native
from pitome.engine.options import EngineOptions
from pitome.engine.portable_build import portable_build
from pitome.engine.prepare import Prepared
from pitome.engine.progress import Progress, Silent
from pitome.engine.workplace import Workplace
from pitome.export.onnx import Precision


@dataclass(frozen=True)
class Built:
    """What a build left."""

    folder: Path
    manifest: Manifest
    reused: tuple[str, ...]
    """What was taken over from the bundle before."""


def build(options: EngineOptions, progress: Progress | None = None, command: str | None = None) -> Built:
    """Everything that ``make engine`` does.

    Args:
        options: what is built.
        progress: is told how far it is; None = nobody is.
        command: what the user typed, for the manifest; None = the command that stands for the options.

    Raises:
        InputError, BackendError: options, model or machine that cannot do it; nothing is left behind.
        ParityError: the graph does not compute what PyTorch computes; nothing is published.
    """
    progress = progress or Silent()
    prepared, final = check_all(options, progress)
    with build_folder(final) as folder:
        before, intact = valid_files(final)
        place = Workplace(folder, final, progress, before, intact)
        graphs = export_graphs(place, prepared, options.plan.precision, inlined=options.place.inlined)
        made = {graph.name: steps.make_plans(place, graph, options.plan) for graph in graphs}
        plugin = next((library for _, library in made.values() if library is not None), None)
        operator = place_native(place, options.check, prepared.num_merges)
        native = operator.library
        onnx = {graph.name: graph.own_files for graph in graphs}
        parity, parity_key = steps.check_parity(place, prepared, onnx, options.check, native)
        latency, latency_key = steps.measure_latency(
            place, prepared, onnx[prepared.name][0], options.check, native
        )
        record = BuildRecord(
            command=command or command_of("engine", options),
            model=options.model,
            schedule=options.schedule,
            merge=options.merge,
            precision=options.plan.precision,
            plan=options.plan,
            check=options.check,
        )
        # Its records must fit each other at every step, so the plan comes with its options.
        manifest = first_manifest(place, prepared, graphs, record.model_copy(update={"plan": None}))
        manifest = with_plans(manifest, {name: plans for name, (plans, _) in made.items()}).model_copy(
            update={
                "build": portable_build(record, final),
                "native": tuple(each for each in (plugin, native and native.record) if each is not None),
                "native_left_out": operator.left_out,
                "parity": parity.merged,
                "other_parity": parity.others,
                "parity_key": parity_key,
                "latency": latency,
                "latency_key": latency_key,
            }
        )
        manifest = finish(folder, manifest, prepared.compression)
    return Built(final, manifest, tuple(place.reused))


def export_graphs(
    place: Workplace, prepared: Prepared, precision: Precision, *, inlined: bool = False
) -> tuple[GraphRecord, ...]:
    """Every graph in fp32, which is always there, and in the plan's precision.

    Args:
        place: where they go.
        prepared: the model.
        precision: of the plan.
        inlined: write each as standard operators alone too.
    """
    wanted: tuple[Precision, ...] = ("fp32",) if precision == "fp32" else ("fp32", precision)
    found = []
    for graph in prepared.graphs:
        exported = [steps.export_graph(place, graph, each) for each in wanted]
        if inlined and graph.num_merges:  # else the graph is standard operators as it is
            exported = [steps.inline_graph(place, each, graph.num_merges) for each in exported]
        found.append(records.graph_record(graph, exported))
    return tuple(found)


def first_manifest(
    place: Workplace, prepared: Prepared, graphs: Sequence[GraphRecord], build: BuildRecord
) -> Manifest:
    """The manifest of a bundle that holds graphs and the checkpoint's files, which are put there."""
    compression = prepared.compression
    kept = read_checkpoint(prepared.loaded)
    return Manifest(
        pitome_version=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        model=records.model_record(prepared.loaded, kept, place.final),
        method=records.method_record(compression),
        schedule=records.schedule_record(compression),
        flops=records.sum_of_flops([graph.flops for graph in graphs]),
        graphs=tuple(graphs),
        assets=kept.write(place.folder),
        build=portable_build(build, place.final),
        environment=records.environment_record(),
    )


def with_plans(manifest: Manifest, plans: Mapping[str, Sequence[records.PlanRecord]]) -> Manifest:
    """The same with other plans of its graphs, by their names."""
    graphs = (graph.model_copy(update={"plans": tuple(plans[graph.name])}) for graph in manifest.graphs)
    return manifest.model_copy(update={"graphs": tuple(graphs)})


def finish(folder: Path, manifest: Manifest, compression: Compression | None) -> Manifest:
    """Write bill of materials, report and, last, the manifest; FLOPs per layer need the compression."""
    from pitome.validate.report.inputs import ReportInput
    from pitome.validate.report.page import render_report

    manifest = write_bom(folder, manifest)
    report = folder / "report.html"
    shown = ReportInput.of_bundle(manifest, compression.flops if compression else None)
    report.write_text(render_report(shown), encoding="utf-8")
    record = FileRecord(file=report.name, sha256=file_sha256(report))
    manifest = Manifest.model_validate(manifest.model_copy(update={"report": record}).model_dump())
    write_manifest(folder, manifest)
    return manifest
