"""What a shell offers for an argument while it is typed."""

from __future__ import annotations

from typer.core import TyperArgument, TyperCommand


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
