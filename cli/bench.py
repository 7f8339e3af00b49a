"""``pitome bench``: latency of a bundle's model."""

from __future__ import annotations

from pitome.cli.application import Result, app, run
from pitome.cli.display import Display
from pitome.cli.options import Bundle, Json, expand
from pitome.engine.options import BenchOptions


@app.command()
@expand
def bench(bundle: Bundle, options: BenchOptions, as_json: Json = False) -> None:
    """Measure a bundle against the unmerged model in one runtime, interleaved, beside the FLOPs bound."""

    def work(display: Display) -> Result:
        from pitome import engine
        from pitome.cli.tables import print_latency

        found = engine.bench(bundle, options, display).model_dump(mode="json")
        return found, lambda console: print_latency(console, found)

    run(work, as_json)
