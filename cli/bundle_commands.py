"""The commands that make bundles and look at them: engine, export, build, inspect, compare, models."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from pitome.cli import arguments as given
from pitome.cli.application import Result, app, command_line, run, show_built
from pitome.cli.display import Display
from pitome.engine.options import (
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
        from pitome.cli.tables import print_schedule, schedule_rows
        from pitome.engine.main_job import build_engine, prepare

        options = _engine_options(**_with_preset_file(context, arguments, display))
        if not dry_run:
            return show_built(build_engine(options, command_line(), display))
        prepared = prepare(options.model, options.merge, display)
        name, compression = prepared.loaded.name, prepared.compression
        count = compression.flops
        totals = {"base": count.base, "merged": count.merged, "ratio": count.ratio, "bound": count.bound}
        document = {"model": name, "layers": schedule_rows(compression), "flops": totals}
        return document, lambda console: print_schedule(console, name, compression)

    run(work, as_json)


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
        from pitome.engine.bundles import export_bundle

        options = _engine_options(**_with_preset_file(context, arguments, display))
        return show_built(export_bundle(options, command_line(), display))

    run(work, as_json)


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
        from pitome.engine.bundles import add_plan

        plan = (precision, backend, targets, profile, merge_path, plugin, bool(embed_plugin))
        options = parse_plan_options(*plan)
        return show_built(add_plan(bundle, options, display))

    run(work, as_json)


@app.command()
def inspect(bundle: given.Bundle, as_json: given.Json = False) -> None:
    """Verify a bundle and show what is in it."""

    def work(display: Display) -> Result:
        from pitome.bundle import verify_bundle
        from pitome.cli.tables import print_summary

        manifest = verify_bundle(bundle)
        return manifest.model_dump(mode="json"), lambda console: print_summary(console, manifest, bundle)

    run(work, as_json)


@app.command()
def compare(
    first: given.Bundle,
    second: Annotated[Path, typer.Argument(help="Another bundle.")],
    as_json: given.Json = False,
) -> None:
    """Show two bundles side by side."""

    def work(display: Display) -> Result:
        from pitome.cli.tables import print_comparison
        from pitome.engine.bundles import compare_bundles

        rows = compare_bundles(first, second)
        document = {label: [one, other] for label, one, other in rows}
        return document, lambda console: print_comparison(console, first, second, rows)

    run(work, as_json)


@app.command()
def models(as_json: given.Json = False) -> None:
    """List the presets."""

    def work(display: Display) -> Result:
        from pitome.cli.tables import print_models
        from pitome.models.registry import presets_table

        rows = presets_table()
        return {"models": rows}, lambda console: print_models(console, rows)

    run(work, as_json)


def _with_preset_file(context: typer.Context, arguments: dict[str, Any], display: Display) -> dict[str, Any]:
    from pitome.cli.preset_files import with_preset_file

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
