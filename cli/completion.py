"""What a shell offers for an argument while it is typed, and where that can't be installed."""

from __future__ import annotations

import os

from typer.core import TyperArgument, TyperCommand

from pitome.errors import InputError

INSTALL_COMPLETION = "--install-completion"


def complete_models(command: TyperCommand) -> None:
    """Have a command's MODEL completed to presets; shells offer files by themselves where none begins so."""
    for parameter in command.params:
        if isinstance(parameter, TyperArgument) and parameter.name == "model":
            # What typer.Argument's shell_complete= sets; the commands' options come from records without it.
            parameter._custom_shell_complete = lambda _context, _parameter, begun: presets(begun)


def presets(begun: str) -> list[str]:
    """The presets whose names begin like this."""
    from pitome.models.presets import PRESETS

    return [name for name in PRESETS if name.startswith(begun)]


def installation_error(error: OSError) -> InputError:
    """Why the shell's start-up file, or the script that it reads, can't be written."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    place = "the home folder" if error.filename is None else os.fsdecode(error.filename)
    return InputError(
        f"pitome {INSTALL_COMPLETION}",
        f"{place} can't be used ({reason})",
        "Set HOME to a folder that can be written, or add what `pitome --show-completion` prints "
        "to the shell's start-up file",
    )
