"""``pitome models``: the presets."""

from __future__ import annotations

from pitome.cli.application import Result, app, run
from pitome.cli.display import Display
from pitome.cli.options import Json


@app.command()
def models(as_json: Json = False) -> None:
    """List the presets."""

    def work(display: Display) -> Result:
        from pitome.cli.tables import print_models
        from pitome.models.registry import presets_table

        rows = presets_table()
        return {"models": rows}, lambda console: print_models(console, rows)

    run(work, as_json)
