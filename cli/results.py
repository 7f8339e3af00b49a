"""``pitome results``: finished sweeps as Markdown tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pitome.cli.application import Result, app, run
from pitome.cli.display import Display
from pitome.cli.options import Json


@app.command()
def results(
    files: Annotated[list[Path], typer.Argument(help="Files of records that `pitome sweep` wrote.")],
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Draw the Pareto charts of all their records, beside them.")
    ] = False,
    as_json: Json = False,
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
