"""The command line ``pitome``: options in, tables or one JSON document out."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands import arguments as given
from commands.display import Display
from commands.options import (
    DEFAULT_BATCHES,
    DEFAULT_LATENCY_SECONDS,
    DEFAULT_PARITY_IMAGES,
    DEFAULT_PROFILE,
    DEFAULT_THREADS,
    CheckOptions,
    EngineOptions,
    ModelOptions,
    parse_merge_options,
    parse_plan_options,
)
from pitome.errors import PitomeError

if TYPE_CHECKING:
    from rich.console import Console

    from commands.engine import Built
    from commands.sweep import SweepOptions

Result = tuple[Any, Callable[["Console"], None]]
"""The JSON document of a command, and how to show it to a person."""

app = typer.Typer(
    name="pitome",
    help="Smaller transformers, compiled and proven: energy-based token merging to ONNX and TensorRT.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def engine(
    context: typer.Context,
    model: given.Model,
    ratio: given.Ratio = None,
    r: given.Merged = None,
    flops: given.Flops = None,
    shape: given.Shape = None,
    layers: given.Layers = None,
    method: given.Method = given.MethodName.pitome,
    metric: given.Metric = None,
    protect: given.Protect = None,
    candidates: given.Candidates = None,
    size_penalty: given.SizePenalty = None,
    margin: given.Margin = None,
    energy: given.Energy = None,
    split: given.Split = None,
    prop_attn: given.PropAttn = None,
    precision: given.Precision = given.PrecisionName.fp16,
    backend: given.Backend = given.BackendName.tensorrt_rtx,
    targets: given.Targets = None,
    profile: given.Profile = DEFAULT_PROFILE,
    merge_path: given.MergePath = None,
    plugin: given.Plugin = None,
    embed_plugin: given.EmbedPlugin = 0,
    image_size: given.ImageSize = None,
    sequence_length: given.SequenceLength = None,
    weights: given.Weights = None,
    out: given.Out = Path("build"),
    strict: given.Strict = 0,
    seed: given.Seed = 0,
    batch: given.Batch = None,
    threads: given.Threads = DEFAULT_THREADS,
    parity_images: given.Images = DEFAULT_PARITY_IMAGES,
    latency_seconds: given.LatencySeconds = DEFAULT_LATENCY_SECONDS,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print the schedule and the FLOPs.")
    ] = False,
    as_json: given.Json = False,
) -> None:
    """Compress, export, build, check and measure a model; leaves a bundle."""
    arguments = {
        name: value for name, value in locals().items() if name not in ("context", "as_json", "dry_run")
    }

    def work(display: Display) -> Result:
        from commands.engine import build_engine, prepare
        from commands.tables import print_schedule, schedule_rows

        options = _engine_options(**_with_preset_file(context, arguments, display))
        if not dry_run:
            return _show_built(build_engine(options, _command_line(), display))
        prepared = prepare(options.model, options.merge, display)
        name, compression = prepared.loaded.name, prepared.compression
        count = compression.flops
        totals = {"base": count.base, "merged": count.merged, "ratio": count.ratio, "bound": count.bound}
        document = {"model": name, "layers": schedule_rows(compression), "flops": totals}
        return document, lambda console: print_schedule(console, name, compression)

    _run(work, as_json)


@app.command()
def export(
    context: typer.Context,
    model: given.Model,
    ratio: given.Ratio = None,
    r: given.Merged = None,
    flops: given.Flops = None,
    shape: given.Shape = None,
    layers: given.Layers = None,
    method: given.Method = given.MethodName.pitome,
    metric: given.Metric = None,
    protect: given.Protect = None,
    candidates: given.Candidates = None,
    size_penalty: given.SizePenalty = None,
    margin: given.Margin = None,
    energy: given.Energy = None,
    split: given.Split = None,
    prop_attn: given.PropAttn = None,
    precision: given.Precision = given.PrecisionName.fp16,
    image_size: given.ImageSize = None,
    sequence_length: given.SequenceLength = None,
    weights: given.Weights = None,
    out: given.Out = Path("build"),
    strict: given.Strict = 0,
    seed: given.Seed = 0,
    as_json: given.Json = False,
) -> None:
    """Only compress and export: a bundle with ONNX files, for `pitome build`, `validate` and `bench`."""
    arguments = {name: value for name, value in locals().items() if name not in ("context", "as_json")}

    def work(display: Display) -> Result:
        from commands.bundles import export_bundle

        options = _engine_options(**_with_preset_file(context, arguments, display))
        return _show_built(export_bundle(options, _command_line(), display))

    _run(work, as_json)


@app.command()
def build(
    bundle: given.Bundle,
    precision: given.Precision = given.PrecisionName.fp16,
    backend: given.Backend = given.BackendName.tensorrt_rtx,
    targets: given.Targets = None,
    profile: given.Profile = DEFAULT_PROFILE,
    merge_path: given.MergePath = None,
    plugin: given.Plugin = None,
    embed_plugin: given.EmbedPlugin = 0,
    as_json: given.Json = False,
) -> None:
    """Build a plan from a bundle's ONNX file and add it to the bundle."""

    def work(display: Display) -> Result:
        from commands.bundles import add_plan

        plan = (precision, backend, targets, profile, merge_path, plugin, bool(embed_plugin))
        options = parse_plan_options(*plan)
        return _show_built(add_plan(bundle, options, display))

    _run(work, as_json)


@app.command()
def validate(
    bundle: given.Bundle,
    parity_images: Annotated[
        int | None, typer.Option(min=1, help="Random images or texts; as at the build by default.")
    ] = None,
    thresholds: Annotated[
        Path | None, typer.Option(help="TOML file of limits; docs/thresholds.toml has the defaults.")
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(help="What accuracy is measured on; may be repeated; none: not at all."),
    ] = None,
    limit: given.Limit = None,
    data: given.DataFolder = None,
    sweep: Annotated[
        Path | None, typer.Option(help="Records of `pitome sweep`, for the report's Pareto charts.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="HTML page to write; <bundle>.validation.html by default.")
    ] = None,
    record: given.Record = False,
    as_json: given.Json = False,
) -> None:
    """Verify a bundle, check decisions, arithmetic and accuracy, and judge; exit code 1 where it fails."""

    def work(display: Display) -> Result:
        from commands.tables import print_validation
        from commands.validation import ValidationOptions, validate_bundle

        options = ValidationOptions(
            parity_images, thresholds, tuple(task or ()), limit, data, sweep, report, record
        )
        found = validate_bundle(bundle, options, display)
        return found, lambda console: print_validation(console, found)

    _run(work, as_json)


@app.command()
def bench(
    bundle: given.Bundle,
    batch: given.Batch = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of onnxruntime; as at the build by default.")
    ] = None,
    latency_seconds: Annotated[
        float | None, typer.Option(min=0.1, hidden=True, help="Seconds to measure per batch size.")
    ] = None,
    everyone: Annotated[
        bool,
        typer.Option(
            "--all", help="ToMe at equal FLOPs, PyTorch and peak memory too, at batch 1, 4, 8, 16 and 32."
        ),
    ] = False,
    resume: Annotated[
        Path | None,
        typer.Option(help="A file for every finished batch size; one that is there is gone on with."),
    ] = None,
    record: given.Record = False,
    as_json: given.Json = False,
) -> None:
    """Measure a bundle against the unmerged model on onnxruntime, interleaved, beside the FLOPs bound."""

    def work(display: Display) -> Result:
        from commands.bundles import bench_bundle
        from commands.tables import print_latency

        changes = {"batches": tuple(batch or ()), "threads": threads, "latency_seconds": latency_seconds}
        found = bench_bundle(bundle, changes, record, display, everyone, resume)
        return found, lambda console: print_latency(console, found)

    _run(work, as_json)


@app.command()
def inspect(bundle: given.Bundle, as_json: given.Json = False) -> None:
    """Verify a bundle and show what is in it."""

    def work(display: Display) -> Result:
        from commands.tables import print_summary
        from pitome.bundle import verify_bundle

        manifest = verify_bundle(bundle)
        return manifest.model_dump(mode="json"), lambda console: print_summary(console, manifest, bundle)

    _run(work, as_json)


@app.command()
def compare(
    first: given.Bundle,
    second: Annotated[Path, typer.Argument(help="Another bundle.")],
    as_json: given.Json = False,
) -> None:
    """Show two bundles side by side."""

    def work(display: Display) -> Result:
        from commands.bundles import compare_bundles
        from commands.tables import print_comparison

        rows = compare_bundles(first, second)
        document = {label: [one, other] for label, one, other in rows}
        return document, lambda console: print_comparison(console, first, second, rows)

    _run(work, as_json)


@app.command()
def models(as_json: given.Json = False) -> None:
    """List the presets."""

    def work(display: Display) -> Result:
        from commands.tables import print_models
        from pitome.models.registry import presets_table

        rows = presets_table()
        return {"models": rows}, lambda console: print_models(console, rows)

    _run(work, as_json)


@app.command()
def fidelity(
    model: Annotated[
        str, typer.Argument(help="Preset with trained weights, Hugging Face id or local folder.")
    ] = "vit-s14-focus",
    weights: given.Weights = None,
    ratios: Annotated[
        str, typer.Option(help="Keep ratios; each is compared with the constant r of equal FLOPs too.")
    ] = "0.95,0.925,0.9",
    limit: Annotated[int | None, typer.Option(min=2, help="At most so many images.")] = None,
    views: Annotated[bool, typer.Option("--views", help="Eight views of each photo.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print a Markdown table; --json wins.")
    ] = False,
    as_json: given.Json = False,
) -> None:
    """Compare merged features with the unmerged model's on real photos, for every rule of merging."""

    def work(display: Display) -> Result:
        from commands.fidelity import (
            FidelityOptions,
            markdown_table,
            parse_ratios,
            print_fidelity,
            run_fidelity,
        )

        options = FidelityOptions(model, weights, parse_ratios(ratios), limit, views)
        found = run_fidelity(options, display)

        def show(console: Console) -> None:
            if markdown:
                sys.stdout.write(markdown_table(found))
            else:
                print_fidelity(console, found)

        return found.model_dump(mode="json"), show

    _run(work, as_json)


@app.command()
def sweep(
    model: given.Model,
    task: given.Task = None,
    split: Annotated[
        given.DataSplit, typer.Option(help="validation is held out from the training data; test is for once.")
    ] = given.DataSplit.validation,
    grid: given.GridOption = given.GridName.quick,
    changes: given.Changes = None,
    methods: given.Methods = None,
    ratios: given.SweepRatios = None,
    flops: given.SweepFlops = None,
    shapes: given.Shapes = None,
    layers: given.LayerSets = None,
    metrics: given.Metrics = None,
    candidates: given.CandidateLists = None,
    margins: given.Margins = None,
    energies: given.Energies = None,
    splits: given.Splits = None,
    size_penalties: given.SizePenalties = None,
    limit: given.Limit = None,
    data: given.DataFolder = None,
    weights: given.Weights = None,
    image_size: given.ImageSize = None,
    sequence_length: given.SequenceLength = None,
    seed: given.Seed = 0,
    threads: given.TorchThreads = DEFAULT_THREADS,
    batch: given.SpeedBatch = 8,
    latency_seconds: given.SpeedSeconds = 5.0,
    latency: Annotated[bool, typer.Option("--latency", help="Measure the speed of every graph too.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File of records, build/<model>.sweep.jsonl by default; resumed where it is there."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the points, in their order.")] = False,
    as_json: given.Json = False,
) -> None:
    """Judge many settings of one model on real data: JSON lines, a table and Pareto charts."""
    arguments = {name: value for name, value in locals().items() if name not in ("as_json", "dry_run")}

    def work(display: Display) -> Result:
        from dataclasses import replace

        from commands import sweep_tables
        from commands.sweep import plan_sweep, run_sweep

        options = _sweep_options(**arguments)
        if dry_run:
            plan = plan_sweep(options, display)
            return sweep_tables.plan_document(plan), lambda console: sweep_tables.print_plan(console, plan)
        found = run_sweep(options, display)
        found = replace(found, pictures=sweep_tables.draw_pictures(found))
        return sweep_tables.sweep_document(found), lambda console: sweep_tables.print_sweep(console, found)

    _run(work, as_json)


@app.command()
def tune(
    model: given.Model,
    max_drop: Annotated[
        float, typer.Option(help="Points (100 x the metric) that may be lost on each task.")
    ] = 0.5,
    task: given.Task = None,
    grid: given.GridOption = given.GridName.quick,
    changes: given.Changes = None,
    methods: given.Methods = None,
    ratios: given.SweepRatios = None,
    flops: given.SweepFlops = None,
    shapes: given.Shapes = None,
    layers: given.LayerSets = None,
    metrics: given.Metrics = None,
    candidates: given.CandidateLists = None,
    margins: given.Margins = None,
    energies: given.Energies = None,
    splits: given.Splits = None,
    size_penalties: given.SizePenalties = None,
    limit: given.Limit = None,
    data: given.DataFolder = None,
    weights: given.Weights = None,
    image_size: given.ImageSize = None,
    sequence_length: given.SequenceLength = None,
    seed: given.Seed = 0,
    threads: given.TorchThreads = DEFAULT_THREADS,
    batch: given.SpeedBatch = 8,
    latency_seconds: given.SpeedSeconds = 5.0,
    latency: Annotated[
        bool, typer.Option("--latency/--no-latency", help="Measure the finalists; else the FLOPs decide.")
    ] = True,
    records: Annotated[
        Path | None,
        typer.Option(help="File of the sweep's records, OUT/<model>.sweep.jsonl by default; resumed."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the preset file.")] = Path("build"),
    as_json: given.Json = False,
) -> None:
    """Write the fastest setting within a budget as a preset file; exit code 1 where there is none."""
    arguments = {
        name: value
        for name, value in locals().items()
        if name not in ("as_json", "max_drop", "latency", "records", "out")
    }

    def work(display: Display) -> Result:
        from dataclasses import replace

        from commands.sweep import SpeedOptions
        from commands.tune import TuneOptions, print_tuned, run_tune, tuned_document

        options = replace(_sweep_options(**arguments, out=records), default_folder=out)
        speed = SpeedOptions(batch, threads, latency_seconds) if latency else None
        tuned = run_tune(TuneOptions(options, max_drop, out, speed), _command_line(), display)
        return tuned_document(tuned), lambda console: print_tuned(console, tuned)

    _run(work, as_json)


def main() -> None:
    """Entry point of the ``pitome`` command."""
    app()


def _with_preset_file(context: typer.Context, arguments: dict[str, Any], display: Display) -> dict[str, Any]:
    from commands.preset_files import with_preset_file

    sources = {name: context.get_parameter_source(name) for name in arguments}
    on_line = [
        name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"
    ]
    return with_preset_file(arguments, on_line, display.note)


def _engine_options(
    model: str,
    out: Path,
    strict: int,
    seed: int,
    weights: str | None,
    image_size: int | None,
    sequence_length: int | None,
    precision: str,
    prop_attn: int | None,
    backend: str = "tensorrt_rtx",
    targets: str | None = None,
    profile: str = DEFAULT_PROFILE,
    merge_path: str | None = None,
    plugin: Path | None = None,
    embed_plugin: int = 0,
    batch: list[int] | None = None,
    threads: int = DEFAULT_THREADS,
    parity_images: int = DEFAULT_PARITY_IMAGES,
    latency_seconds: float = DEFAULT_LATENCY_SECONDS,
    **merge: Any,
) -> EngineOptions:
    batches = tuple(batch) if batch else DEFAULT_BATCHES
    check = CheckOptions(parity_images, batches, threads, latency_seconds)
    proportional = None if prop_attn is None else bool(prop_attn)
    merge = {name: value.value if isinstance(value, StrEnum) else value for name, value in merge.items()}
    return EngineOptions(
        ModelOptions(model, weights, image_size, bool(strict), seed, sequence_length),
        parse_merge_options(proportional_attention=proportional, seed=seed, **merge),
        parse_plan_options(precision, backend, targets, profile, merge_path, plugin, bool(embed_plugin)),
        check,
        out,
    )


def _sweep_options(
    model: str,
    task: list[str] | None,
    grid: str,
    changes: int | None,
    layers: list[str] | None,
    limit: int | None,
    data: Path | None,
    weights: str | None,
    image_size: int | None,
    sequence_length: int | None,
    seed: int,
    threads: int,
    batch: int,
    latency_seconds: float,
    out: Path | None,
    split: str = "validation",
    latency: bool = False,
    **lists: str | None,
) -> SweepOptions:
    from commands.sweep import SpeedOptions, SweepOptions, parse_grid

    return SweepOptions(
        model=ModelOptions(model, weights, image_size, True, seed, sequence_length),
        grid=parse_grid(grid, changes, seed, layers or (), **lists),
        tasks=tuple(task or ()),
        split="test" if split == "test" else "validation",
        limit=limit,
        data=data,
        out=out,
        threads=threads,
        speed=SpeedOptions(batch, threads, latency_seconds) if latency else None,
    )


def _run(work: Callable[[Display], Result], as_json: bool) -> None:
    """Run a command, then print what it returns; a PitomeError becomes a message and its exit code."""
    from commands.tables import output_console

    display = Display()
    try:
        with display.running():
            document, show = work(display)
    except PitomeError as error:
        display.console.print(f"error: {error}", style="bold red", highlight=False, soft_wrap=True)
        if as_json:
            _print_json({"error": str(error), "exit_code": error.exit_code})
        raise typer.Exit(error.exit_code) from None
    if as_json:
        _print_json(document)
    else:
        show(output_console())
    if isinstance(document, dict) and document.get("verdict") == "fail":
        reason = f"error: {document.get('bundle')} fails validation: {document.get('reason')}. Do not use it"
        display.console.print(reason, style="bold red", highlight=False, soft_wrap=True)
        raise typer.Exit(1)


def _show_built(built: Built) -> Result:
    from commands.tables import print_summary

    manifest = built.manifest
    document = {"bundle": str(built.folder), "reused": built.reused}
    return (
        {**document, "manifest": manifest.model_dump(mode="json")},
        lambda console: print_summary(console, manifest, built.folder),
    )


def _print_json(document: Any) -> None:
    json.dump(document, sys.stdout, indent=2, sort_keys=True)
    sys.stdout.write("\n")


def _command_line() -> str:
    return shlex.join(["pitome", *sys.argv[1:]])
