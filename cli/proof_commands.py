"""The commands that judge a bundle: validate, bench."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pitome.cli import arguments as given
from pitome.cli.application import Result, app, command_line, run
from pitome.cli.display import Display


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
        from pitome.cli.tables import print_validation
        from pitome.engine.validation import ValidationOptions, validate_bundle

        options = ValidationOptions(
            parity_images, thresholds, tuple(task or ()), limit, data, sweep, report, record
        )
        found = validate_bundle(bundle, options, display, command_line())
        return found, lambda console: print_validation(console, found)

    run(work, as_json)


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
        from pitome.cli.tables import print_latency
        from pitome.engine.bundles import bench_bundle

        changes = {"batches": tuple(batch or ()), "threads": threads, "latency_seconds": latency_seconds}
        found = bench_bundle(bundle, changes, record, display, everyone, resume)
        return found, lambda console: print_latency(console, found)

    run(work, as_json)
