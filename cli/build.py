"""``pitome build``: more plans."""

from __future__ import annotations

from pitome.cli.application import Result, app, run, show_built
from pitome.cli.display import Display
from pitome.cli.options import Bundle, Json, expand
from pitome.engine.options import PlanOptions


@app.command()
@expand
def build(bundle: Bundle, options: PlanOptions, as_json: Json = False) -> None:
    """Build a plan, or one by each merge path, from a bundle's ONNX file and add it to the bundle."""

    def work(display: Display) -> Result:
        from pitome.engine import add_plan

        return show_built(add_plan(bundle, options, display))

    run(work, as_json)
