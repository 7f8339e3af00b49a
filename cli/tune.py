"""``pitome tune``: the fastest setting within a budget, as a preset file."""

from __future__ import annotations

from pitome.cli.application import Result, app, command_line, run
from pitome.cli.display import Display
from pitome.cli.options import Json, expand
from pitome.engine.search_options import TuneOptions


@app.command()
@expand
def tune(options: TuneOptions, as_json: Json = False) -> None:
    """Write the fastest setting within a budget as a preset file; exit code 1 where there is none."""

    def work(display: Display) -> Result:
        from pitome.cli.tune_tables import print_tuned
        from pitome.engine.tune import run_tune, tuned_document

        tuned = run_tune(options, command_line(), display)
        return tuned_document(tuned), lambda console: print_tuned(console, tuned)

    run(work, as_json)
