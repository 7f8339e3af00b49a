"""What every command shares: the application, how a command runs, and how its result is printed."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

from pitome.cli.display import Display
from pitome.errors import PitomeError
from pitome.extras import naming_extras

if TYPE_CHECKING:
    from rich.console import Console

    from pitome.engine.main_job import Built

Result = tuple[Any, Callable[["Console"], None]]
"""The JSON document of a command, and how to show it to a person."""

app = typer.Typer(
    name="pitome",
    help="Smaller transformers, compiled and proven: energy-based token merging to ONNX and TensorRT.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def run(work: Callable[[Display], Result], as_json: bool) -> None:
    """Run a command, then print what it returns; a PitomeError becomes a message and its exit code."""
    from pitome.cli.tables import output_console

    display = Display()
    try:
        with display.running(), naming_extras(command_line()):
            document, show = work(display)
    except PitomeError as error:
        display.console.print(f"error: {error}", style="bold red", highlight=False, soft_wrap=True)
        if as_json:
            print_json({"error": str(error), "exit_code": error.exit_code})
        raise typer.Exit(error.exit_code) from None
    if as_json:
        print_json(document)
    else:
        show(output_console())
    if isinstance(document, dict) and document.get("verdict") == "fail":
        reason = f"error: {document.get('bundle')} fails validation: {document.get('reason')}. Do not use it"
        display.console.print(reason, style="bold red", highlight=False, soft_wrap=True)
        raise typer.Exit(1)


def show_built(built: Built) -> Result:
    """What the commands that make a bundle end with."""
    from pitome.cli.tables import print_summary

    manifest = built.manifest
    document = {"bundle": str(built.folder), "reused": built.reused}
    return (
        {**document, "manifest": manifest.model_dump(mode="json")},
        lambda console: print_summary(console, manifest, built.folder),
    )


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    json.dump(document, sys.stdout, indent=2, sort_keys=True)
    sys.stdout.write("\n")


def command_line() -> str:
    """The command as it was typed, for a POSIX shell."""
    return shlex.join(["pitome", *sys.argv[1:]])
