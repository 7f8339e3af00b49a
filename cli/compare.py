"""``pitome compare``: two bundles side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pitome.cli.application import Result, app, run
from pitome.cli.display import Display
from pitome.cli.options import Bundle, Json


@app.command()
def compare(
    first: Bundle,
    second: Annotated[Path, typer.Argument(help="Another bundle.")],
    as_json: Json = False,
) -> None:
    """Show two bundles side by side."""

    def work(display: Display) -> Result:
        from pitome import engine
        from pitome.cli.tables import print_comparison

        rows = engine.compare(first, second)
        document = {label: [one, other] for label, one, other in rows}
        return document, lambda console: print_comparison(console, first, second, rows)

    run(work, as_json)
