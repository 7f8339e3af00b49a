"""``pitome plans``: the plans of both merge paths beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pitome.cli.application import Result, app, run
from pitome.cli.display import Display
from pitome.cli.options import Json, expand
from pitome.engine.options import PlanPathOptions


@app.command()
@expand
def plans(
    bundles: Annotated[list[Path], typer.Argument(help="Folders that `pitome engine` or `export` wrote.")],
    options: PlanPathOptions,
    as_json: Json = False,
) -> None:
    """Build the plan of bundles by each merge path in turn: layers, bytes and build times, as Markdown."""

    def work(display: Display) -> Result:
        from pitome.engine.plan_paths import compare_paths, paths_markdown

        found = compare_paths(bundles, options, display)
        document = [each.model_dump(mode="json") | {"build_ratios": each.build_ratios} for each in found]
        return document, lambda console: print(paths_markdown(found), end="")  # Markdown: nothing wrapped

    run(work, as_json)
