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

from commands.display import Display
from commands.options import (
    DEFAULT_BATCHES,
    DEFAULT_LATENCY_SECONDS,
    DEFAULT_PARITY_IMAGES,
    DEFAULT_PROFILE,
    DEFAULT_TARGETS,
    DEFAULT_THREADS,
    CheckOptions,
    EngineOptions,
    ModelOptions,
    parse_merge_options,
    parse_plan_options,
)
from pitome.errors import PitomeError

if TYPE_CHECKING:
    from commands.engine import Built

app = typer.Typer(
    name="pitome",
    help="Smaller transformers, compiled and proven: energy-based token merging to ONNX and TensorRT.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class _Method(StrEnum):
    pitome = "pitome"
    paper = "paper"
    authors = "authors"
    tome = "tome"
    random = "random"
    none = "none"


class _Metric(StrEnum):
    hidden = "hidden"
    keys = "keys"


class _Precision(StrEnum):
    fp32 = "fp32"
    fp16 = "fp16"
    bf16 = "bf16"


class _Backend(StrEnum):
    tensorrt_rtx = "tensorrt_rtx"
    tensorrt = "tensorrt"


Model = Annotated[str, typer.Argument(help="Preset (see `pitome models`), Hugging Face id or local folder.")]
Bundle = Annotated[Path, typer.Argument(help="Folder that `pitome engine` wrote.")]
Ratio = Annotated[float | None, typer.Option(help="Keep ratio per layer, in (0, 1]; 0.9 by default.")]
Merged = Annotated[
    str | None, typer.Option("--r", help="Tokens merged per layer: a number, or one per layer.")
]
Flops = Annotated[float | None, typer.Option(help="Wanted fraction of the FLOPs, in (0, 1].")]
Layers = Annotated[str | None, typer.Option(help="Merge only in these layers, counted from 0: 0,1,2.")]
Method = Annotated[_Method, typer.Option(help="Which tokens merge.")]
Metric = Annotated[
    _Metric | None, typer.Option(help="What similarity is measured on; the method's own by default.")
]
Protect = Annotated[
    float | None, typer.Option(help="Fraction of tokens with the lowest energy that never merge.")
]
Candidates = Annotated[str | None, typer.Option(help="Tokens that may merge: all, paper (2r) or a number.")]
SizePenalty = Annotated[float | None, typer.Option(help="How much large tokens resist merging.")]
PropAttn = Annotated[int | None, typer.Option(min=0, max=1, help="Proportional attention: 1 or 0.")]
Precision = Annotated[_Precision, typer.Option(help="Of the plan; the fp32 ONNX file is always there too.")]
Backend = Annotated[_Backend, typer.Option(help="Builder of the plan.")]
Targets = Annotated[
    str | None, typer.Option(help=f"GPU architectures of the plan; {DEFAULT_TARGETS} by default.")
]
Profile = Annotated[str, typer.Option(help="Smallest, typical and largest batch of the plan.")]
ImageSize = Annotated[
    int | None, typer.Option(min=1, help="Pixels of the square input; the model's own by default.")
]
Weights = Annotated[
    str | None, typer.Option(help="Hub id, folder, packaged or random; the model's own by default.")
]
Out = Annotated[Path, typer.Option(help="Folder for bundles.")]
Strict = Annotated[
    int, typer.Option(min=0, max=1, help="1: an unreachable hub is an error, not random weights.")
]
Seed = Annotated[int, typer.Option(help="Of random weights and random pairs.")]
Batch = Annotated[list[int] | None, typer.Option(min=1, help="Batch size to measure; may be repeated.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of onnxruntime.")]
Images = Annotated[
    int, typer.Option(min=1, help="Random images that parity is checked on, beside the photos.")
]
LatencySeconds = Annotated[
    float, typer.Option(min=0.1, hidden=True, help="Seconds to measure per batch size.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Record = Annotated[bool, typer.Option("--record", help="Write the result into the bundle too.")]


@app.command()
def engine(
    model: Model,
    ratio: Ratio = None,
    r: Merged = None,
    flops: Flops = None,
    layers: Layers = None,
    method: Method = _Method.pitome,
    metric: Metric = None,
    protect: Protect = None,
    candidates: Candidates = None,
    size_penalty: SizePenalty = None,
    prop_attn: PropAttn = None,
    precision: Precision = _Precision.fp16,
    backend: Backend = _Backend.tensorrt_rtx,
    targets: Targets = None,
    profile: Profile = DEFAULT_PROFILE,
    image_size: ImageSize = None,
    weights: Weights = None,
    out: Out = Path("build"),
    strict: Strict = 0,
    seed: Seed = 0,
    batch: Batch = None,
    threads: Threads = DEFAULT_THREADS,
    parity_images: Images = DEFAULT_PARITY_IMAGES,
    latency_seconds: LatencySeconds = DEFAULT_LATENCY_SECONDS,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print the schedule and the FLOPs.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compress, export, build, check and measure a model; leaves a bundle."""
    arguments = {name: value for name, value in locals().items() if name not in ("as_json", "dry_run")}

    def work(display: Display) -> None:
        from commands.engine import build_engine, prepare
        from commands.tables import output_console, print_schedule, schedule_rows

        options = _engine_options(**arguments)
        if not dry_run:
            _print_built(build_engine(options, _command_line(), display), as_json)
            return
        prepared = prepare(options.model, options.merge, display)
        count = prepared.compression.flops
        if as_json:
            rows = schedule_rows(prepared.compression)
            totals = {"base": count.base, "merged": count.merged, "ratio": count.ratio, "bound": count.bound}
            _print_json({"model": prepared.loaded.name, "layers": rows, "flops": totals})
        else:
            print_schedule(output_console(), prepared.loaded.name, prepared.compression)

    _run(work, as_json)


@app.command()
def export(
    model: Model,
    ratio: Ratio = None,
    r: Merged = None,
    flops: Flops = None,
    layers: Layers = None,
    method: Method = _Method.pitome,
    metric: Metric = None,
    protect: Protect = None,
    candidates: Candidates = None,
    size_penalty: SizePenalty = None,
    prop_attn: PropAttn = None,
    precision: Precision = _Precision.fp16,
    image_size: ImageSize = None,
    weights: Weights = None,
    out: Out = Path("build"),
    strict: Strict = 0,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Only compress and export: a bundle with ONNX files, for `pitome build`, `validate` and `bench`."""
    arguments = {name: value for name, value in locals().items() if name != "as_json"}

    def work(display: Display) -> None:
        from commands.bundles import export_bundle

        options = _engine_options(**arguments)
        _print_built(export_bundle(options, _command_line(), display), as_json)

    _run(work, as_json)


@app.command()
def build(
    bundle: Bundle,
    precision: Precision = _Precision.fp16,
    backend: Backend = _Backend.tensorrt_rtx,
    targets: Targets = None,
    profile: Profile = DEFAULT_PROFILE,
    as_json: Json = False,
) -> None:
    """Build a plan from a bundle's ONNX file and add it to the bundle."""

    def work(display: Display) -> None:
        from commands.bundles import add_plan

        options = parse_plan_options(precision, backend, targets, profile)
        _print_built(add_plan(bundle, options, display), as_json)

    _run(work, as_json)


@app.command()
def validate(
    bundle: Bundle,
    parity_images: Annotated[
        int | None, typer.Option(min=1, help="Random images; as at the build by default.")
    ] = None,
    record: Record = False,
    as_json: Json = False,
) -> None:
    """Verify every hash of a bundle, then check its parity with PyTorch; exit code 1 where it fails."""

    def work(display: Display) -> None:
        from commands.bundles import validate_bundle
        from commands.tables import output_console, print_parity

        found = validate_bundle(bundle, parity_images, record, display)
        _print_json(found) if as_json else print_parity(output_console(), found)

    _run(work, as_json)


@app.command()
def bench(
    bundle: Bundle,
    batch: Batch = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of onnxruntime; as at the build by default.")
    ] = None,
    latency_seconds: Annotated[
        float | None, typer.Option(min=0.1, hidden=True, help="Seconds to measure per batch size.")
    ] = None,
    record: Record = False,
    as_json: Json = False,
) -> None:
    """Measure a bundle against the unmerged model on onnxruntime, interleaved, beside the FLOPs bound."""

    def work(display: Display) -> None:
        from commands.bundles import bench_bundle
        from commands.tables import output_console, print_latency

        changes = {"batches": tuple(batch or ()), "threads": threads, "latency_seconds": latency_seconds}
        found = bench_bundle(bundle, changes, record, display)
        _print_json(found) if as_json else print_latency(output_console(), found)

    _run(work, as_json)


@app.command()
def inspect(bundle: Bundle, as_json: Json = False) -> None:
    """Verify a bundle and show what is in it."""

    def work(display: Display) -> None:
        from commands.tables import output_console, print_summary
        from pitome.bundle import verify_bundle

        manifest = verify_bundle(bundle)
        if as_json:
            _print_json(manifest.model_dump(mode="json"))
        else:
            print_summary(output_console(), manifest, bundle)

    _run(work, as_json)


@app.command()
def compare(
    first: Bundle,
    second: Annotated[Path, typer.Argument(help="Another bundle.")],
    as_json: Json = False,
) -> None:
    """Show two bundles side by side."""

    def work(display: Display) -> None:
        from commands.bundles import compare_bundles
        from commands.tables import output_console, print_comparison

        rows = compare_bundles(first, second)
        if as_json:
            _print_json({label: [one, other] for label, one, other in rows})
        else:
            print_comparison(output_console(), first, second, rows)

    _run(work, as_json)


@app.command()
def models(as_json: Json = False) -> None:
    """List the presets."""

    def work(display: Display) -> None:
        from commands.tables import output_console, print_models
        from pitome.models.registry import presets_table

        rows = presets_table()
        _print_json({"models": rows}) if as_json else print_models(output_console(), rows)

    _run(work, as_json)


@app.command()
def fidelity(
    model: Annotated[
        str, typer.Argument(help="Preset with trained weights, Hugging Face id or local folder.")
    ] = "vit-s14-focus",
    weights: Weights = None,
    ratios: Annotated[
        str, typer.Option(help="Keep ratios; each is compared with the constant r of equal FLOPs too.")
    ] = "0.95,0.925,0.9",
    limit: Annotated[int | None, typer.Option(min=2, help="At most so many images.")] = None,
    views: Annotated[bool, typer.Option("--views", help="Eight views of each photo.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print a Markdown table; --json wins.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare merged features with the unmerged model's on real photos, for every rule of merging."""

    def work(display: Display) -> None:
        from commands.fidelity import (
            FidelityOptions,
            markdown_table,
            parse_ratios,
            print_fidelity,
            run_fidelity,
        )
        from commands.tables import output_console

        options = FidelityOptions(model, weights, parse_ratios(ratios), limit, views)
        found = run_fidelity(options, display)
        if as_json:
            _print_json(found.model_dump(mode="json"))
        elif markdown:
            sys.stdout.write(markdown_table(found))
        else:
            print_fidelity(output_console(), found)

    _run(work, as_json)


def main() -> None:
    """Entry point of the ``pitome`` command."""
    app()


def _engine_options(
    model: str,
    out: Path,
    strict: int,
    seed: int,
    weights: str | None,
    image_size: int | None,
    precision: str,
    prop_attn: int | None,
    backend: str = "tensorrt_rtx",
    targets: str | None = None,
    profile: str = DEFAULT_PROFILE,
    batch: list[int] | None = None,
    threads: int = DEFAULT_THREADS,
    parity_images: int = DEFAULT_PARITY_IMAGES,
    latency_seconds: float = DEFAULT_LATENCY_SECONDS,
    **merge: Any,
) -> EngineOptions:
    batches = tuple(batch) if batch else DEFAULT_BATCHES
    check = CheckOptions(parity_images, batches, threads, latency_seconds)
    proportional = None if prop_attn is None else bool(prop_attn)
    return EngineOptions(
        ModelOptions(model, weights, image_size, bool(strict), seed),
        parse_merge_options(proportional_attention=proportional, seed=seed, **merge),
        parse_plan_options(precision, backend, targets, profile),
        check,
        out,
    )


def _run(work: Callable[[Display], None], as_json: bool) -> None:
    """Run a command; a PitomeError becomes a message and its exit code."""
    display = Display()
    try:
        with display.running():
            work(display)
    except PitomeError as error:
        display.console.print(f"error: {error}", style="bold red", highlight=False, soft_wrap=True)
        if as_json:
            _print_json({"error": str(error), "exit_code": error.exit_code})
        raise typer.Exit(error.exit_code) from None


def _print_built(built: Built, as_json: bool) -> None:
    if as_json:
        document = {"bundle": str(built.folder), "reused": built.reused}
        _print_json({**document, "manifest": built.manifest.model_dump(mode="json")})
        return
    from commands.tables import output_console, print_summary

    print_summary(output_console(), built.manifest, built.folder)


def _print_json(document: Any) -> None:
    json.dump(document, sys.stdout, indent=2, sort_keys=True)
    sys.stdout.write("\n")


def _command_line() -> str:
    return shlex.join(["pitome", *sys.argv[1:]])
