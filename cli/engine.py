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
        from pitome.engine.records import flops_record, sum_of_flops

        chosen = with_preset_file(options, given, display.note)
        if not dry_run:
            return show_built(build(chosen, display, command_line()))
        prepared, _ = check_all(chosen, display)
        name, compression = prepared.loaded.name, prepared.compression
        graphs = {graph.name: flops_record(graph.compression) for graph in prepared.graphs}
        totals = sum_of_flops(list(graphs.values())).model_dump()
        document = {"model": name, "layers": schedule_rows(compression), "flops": totals}
        if prepared.text is None:
            return document, lambda console: print_schedule(console, name, compression)
        text = prepared.text.compression.flops
        document["graphs"] = {graph: flops.model_dump() for graph, flops in graphs.items()}
        return document, lambda console: print_schedule(console, name, compression, text)

    run(work, as_json)
