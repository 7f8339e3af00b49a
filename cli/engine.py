"""``pitome engine``: the main job, or what it would do."""

from __future__ import annotations

from typing import Annotated

import typer

from pitome.cli.application import Result, app, command_line, run, show_built
from pitome.cli.display import Display
from pitome.cli.options import Given, Json, expand
from pitome.engine.options import EngineOptions


@app.command()
@expand
def engine(
    options: EngineOptions,
    given: Given,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only check the options, and print schedule and FLOPs.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compress, export, build, check and measure a model; leaves a bundle."""

    def work(display: Display) -> Result:
        from pitome.cli.preset_files import with_preset_file
        from pitome.cli.tables import print_schedule, schedule_rows
        from pitome.engine import build
        from pitome.engine.checks import check_all

        chosen = with_preset_file(options, given, display.note)
        if not dry_run:
            return show_built(build(chosen, display, command_line()))
        prepared, _ = check_all(chosen, display)
        name, compression = prepared.loaded.name, prepared.compression
        count = compression.flops
        totals = {"base": count.base, "merged": count.merged, "ratio": count.ratio, "bound": count.bound}
        document = {"model": name, "layers": schedule_rows(compression), "flops": totals}
        return document, lambda console: print_schedule(console, name, compression)

    run(work, as_json)
