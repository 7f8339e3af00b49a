"""``pitome export``: graphs only."""

from __future__ import annotations

from pitome.cli.application import Result, app, command_line, run, show_built
from pitome.cli.display import Display
from pitome.cli.options import Given, Json, expand
from pitome.engine.options import ExportOptions


@app.command()
@expand
def export(options: ExportOptions, given: Given, as_json: Json = False) -> None:
    """Only compress and export: a bundle with ONNX files, for `pitome build`, `validate` and `bench`."""

    def work(display: Display) -> Result:
        from pitome import engine
        from pitome.cli.preset_files import with_preset_file

        chosen = with_preset_file(options, given, display.note)
        return show_built(engine.export(chosen, display, command_line()))

    run(work, as_json)
