"""``pitome inspect``: what a bundle holds."""

from __future__ import annotations

from pitome.cli.application import Result, app, run
from pitome.cli.display import Display
from pitome.cli.options import Bundle, Json


@app.command()
def inspect(bundle: Bundle, as_json: Json = False) -> None:
    """Verify a bundle and show what is in it."""

    def work(display: Display) -> Result:
        from pitome.bundle import verify_bundle
        from pitome.cli.tables import print_summary

        manifest = verify_bundle(bundle)
        return manifest.model_dump(mode="json"), lambda console: print_summary(console, manifest, bundle)

    run(work, as_json)
