"""``pitome validate``: is this bundle to be trusted?"""

from __future__ import annotations

from typing import Annotated

import typer

from pitome.cli.application import Result, app, command_line, run
from pitome.cli.display import Display
from pitome.cli.options import Bundle, Json, expand
from pitome.engine.options import ValidationOptions


@app.command()
@expand
def validate(
    bundle: Bundle,
    options: ValidationOptions,
    details: Annotated[
        bool, typer.Option("--details", help="Print every table that the page has of parity and accuracy.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Verify a bundle, check decisions, arithmetic and accuracy, and judge; exit code 1 where it fails."""

    def work(display: Display) -> Result:
        from pitome.cli.validation_tables import print_validation
        from pitome.engine.validation import validate_bundle

        found = validate_bundle(bundle, options, display, command_line())
        document = found.model_dump(mode="json")
        return document, lambda console: print_validation(console, found, details=details)

    run(work, as_json)
