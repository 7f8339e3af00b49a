"""``pitome sweep``: many settings of one model, judged and compared."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from pitome.cli.application import Result, app, command_line, run
from pitome.cli.display import Display
from pitome.cli.options import Json, expand
from pitome.engine.search_options import SweepOptions


@app.command()
@expand
def sweep(
    options: SweepOptions,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the points, in their order.")] = False,
    as_json: Json = False,
) -> None:
    """Judge many settings of one model on real data: JSON lines, a table and Pareto charts."""

    def work(display: Display) -> Result:
        from pitome.cli import sweep_tables
        from pitome.engine.sweep import plan_sweep, run_sweep

        if dry_run:
            plan = plan_sweep(options, display)
            return sweep_tables.plan_document(plan), lambda console: sweep_tables.print_plan(console, plan)
        found = run_sweep(options, display, command_line())
        pictures = sweep_tables.draw_pictures(found.file, found.records, found.tasks)
        found = replace(found, pictures=pictures)
        return sweep_tables.sweep_document(found), lambda console: sweep_tables.print_sweep(console, found)

    run(work, as_json)
