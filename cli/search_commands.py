"""The commands that compare many settings of a model: sweep, tune."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pitome.cli import arguments as given
from pitome.cli.application import Result, app, command_line, run
from pitome.cli.display import Display
from pitome.engine.options import DEFAULT_THREADS, ModelOptions

if TYPE_CHECKING:
    from pitome.engine.sweep import SweepOptions


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
    latency: Annotated[
        bool,
        typer.Option(
            "--latency",
            help="Measure the speed of every graph at the end, again where the machine was not steady.",
        ),
    ] = False,
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

        from pitome.cli import sweep_tables
        from pitome.engine.sweep import plan_sweep, run_sweep

        options = _sweep_options(**arguments)
        if dry_run:
            plan = plan_sweep(options, display)
            return sweep_tables.plan_document(plan), lambda console: sweep_tables.print_plan(console, plan)
        found = run_sweep(options, display)
        pictures = sweep_tables.draw_pictures(found.file, found.records, found.tasks)
        found = replace(found, pictures=pictures)
        return sweep_tables.sweep_document(found), lambda console: sweep_tables.print_sweep(console, found)

    run(work, as_json)


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

        from pitome.engine.sweep import SpeedOptions
        from pitome.engine.tune import TuneOptions, print_tuned, run_tune, tuned_document

        options = replace(_sweep_options(**arguments, out=records), default_folder=out)
        speed = SpeedOptions(batch, threads, latency_seconds) if latency else None
        tuned = run_tune(TuneOptions(options, max_drop, out, speed), command_line(), display)
        return tuned_document(tuned), lambda console: print_tuned(console, tuned)

    run(work, as_json)


@app.command()
def results(
    files: Annotated[list[Path], typer.Argument(help="Files of records that `pitome sweep` wrote.")],
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Draw the Pareto charts of all their records, beside them.")
    ] = False,
    as_json: given.Json = False,
) -> None:
    """Print finished sweeps as Markdown tables: settings down, FLOPs across, with paired intervals."""

    def work(display: Display) -> Result:
        from pitome.cli.sweep_tables import draw_pictures
        from pitome.validate.sweep.results_table import read_sweep_file, results_markdown

        found = [read_sweep_file(path) for path in files]
        if pictures:
            for path, each in zip(files, found, strict=True):
                for picture in draw_pictures(path, each.records, each.tasks):
                    display.note(f"wrote {picture}")
        document = [
            {
                "configuration": each.configuration,
                "records": [record.model_dump(mode="json") for record in each.records],
            }
            for each in found
        ]
        return document, lambda console: print(results_markdown(found), end="")  # Markdown: nothing wrapped

    run(work, as_json)


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
    from pitome.engine.sweep import SpeedOptions, SweepOptions, parse_grid

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
        command=command_line(),
    )
