"""What every command shares: the application, how a command runs, and how its result is printed."""

from __future__ import annotations

import errno
import os
import shlex
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from pitome import __version__
from pitome.cli.command_group import CommandGroup, as_user_typed, be_quiet, is_quiet
from pitome.cli.console import output_console, shown
from pitome.cli.display import Display
from pitome.cli.messages import print_error, print_json
from pitome.cli.stop_signals import Stopped, stop_received
from pitome.cli.streams import broken_pipes_are_errors, printing
from pitome.errors import InputError, PitomeError
from pitome.extras import naming_extras

if TYPE_CHECKING:
    from rich.console import Console

    from pitome.engine.main_job import Built

Result = tuple[Any, Callable[["Console"], None]]
"""The JSON document of a command, and how to show it to a person."""

app = typer.Typer(
    name="pitome",
    cls=CommandGroup,
    help="Smaller transformers, compiled and proven: energy-based token merging to ONNX and TensorRT.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_SYSTEM_REFUSES = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO),
    *(errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EMFILE, errno.ENFILE),
)
"""What the operating system says about a file that a user named, and not about a mistake of ours."""
_NO_HOME = "Could not determine home directory."
"""All that pathlib says about ``~nobody/folder``."""


def _print_version(value: bool) -> None:
    if value:
        with printing():
            sys.stdout.write(f"pitome {__version__}\n")
        raise typer.Exit


@app.callback()
def options_of_all(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit."),
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet",
            "-q",
            callback=be_quiet,
            expose_value=False,
            help="No progress and no notes on stderr; results, warnings and errors stay.",
        ),
    ] = False,
) -> None:
    """Options that stand before the command."""


def run(work: Callable[[Display], Result], as_json: bool) -> None:
    """Run a command, then print what it returns; an error becomes a message and its exit code."""
    display = Display(quiet=is_quiet())
    left = "nothing was published"
    try:
        with broken_pipes_are_errors(), display.running(), naming_extras(command_line()):
            document, show = work(display)
        left = "the command had done its work"
        with printing():
            if as_json:
                print_json(document)
            else:
                show(output_console())
    except Stopped as stop:
        _end_stopped(stop, left, as_json)
    except Exception as error:
        if (lost := stop_received()) is not None:
            _end_stopped(lost, left, as_json)
        refusal = _refusal(error)
        if refusal is None:
            raise
        print_error(as_user_typed(str(refusal)), refusal.exit_code, as_json)
        raise typer.Exit(refusal.exit_code) from None
    if isinstance(document, dict) and document.get("verdict") == "fail":
        reason = f"{document.get('bundle')} fails validation: {document.get('reason')}. Do not use it"
        print_error(shown(reason), 1, as_json=False)  # the document says it
        raise typer.Exit(1)


def _end_stopped(stop: Stopped, left: str, as_json: bool) -> NoReturn:
    told = getattr(stop, "__notes__", None) or [left]
    print_error("; ".join([str(stop), *map(shown, told)]), stop.exit_code, as_json)
    raise typer.Exit(stop.exit_code) from None


def _refusal(error: Exception) -> PitomeError | None:
    """The readable error that an exception is or means; None where it is a mistake of ours."""
    if isinstance(error, PitomeError):
        return error
    if isinstance(error, OSError) and error.errno in _SYSTEM_REFUSES:
        place = "a file" if error.filename is None else os.fsdecode(error.filename)
        return InputError(
            f"use {place}",
            f"the operating system refuses it ({os.strerror(error.errno)})",
            "Make it a file or folder that can be read and written, or name another one",
        )
    if isinstance(error, RuntimeError) and str(error) == _NO_HOME:
        found = "there is no user of that name, or the user has no home"
        return InputError("a path that begins with ~", found, "Write the folder out in full")
    return None


def show_built(built: Built) -> Result:
    """What the commands that make a bundle end with."""
    from pitome.cli.tables import print_summary
    from pitome.validate.report.key_figures import slower_warning

    manifest = built.manifest
    slower = slower_warning(manifest, manifest.latency)
    warnings = [] if slower is None else [slower]
    document = {"bundle": str(built.folder), "reused": built.reused, "warnings": warnings}
    return (
        {**document, "manifest": manifest.model_dump(mode="json")},
        lambda console: print_summary(console, manifest, built.folder),
    )


def command_line() -> str:
    """The command as it was typed, for a POSIX shell."""
    return shlex.join(["pitome", *sys.argv[1:]])
