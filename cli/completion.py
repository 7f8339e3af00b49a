"""What a shell offers for an argument while it is typed, and where that can't be installed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from subprocess import SubprocessError

from typer.core import TyperArgument, TyperCommand

from pitome.errors import InputError

INSTALL = "--install-completion"
SHOW = "--show-completion"
SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")
"""The shells that typer has a script for."""


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


def asked_for(words: Sequence[str]) -> str | None:
    """Which of the two options a command line gives to ``pitome`` itself, before any command's name."""
    for word in words:
        if word in (INSTALL, SHOW):
            return word
        if not word.startswith("-"):
            break
    return None


def offer(option: str, words: Sequence[str]) -> None:
    """Install, or print, the script of the shell named behind the option, else of the one that runs this.

    Raises InputError where there is no script for that shell, or the home folder takes none.
    """
    import typer
    from typer.completion import get_completion_script, install

    behind = [*words[words.index(option) + 1 :], "--"][0]
    shell = _shell(option, None if behind.startswith("-") else behind)
    if option == SHOW:
        print(get_completion_script(prog_name="pitome", complete_var="_PITOME_COMPLETE", shell=shell))
        return
    try:
        _, place = install(shell=shell, prog_name="pitome")
    except (OSError, UnicodeError, RuntimeError, SubprocessError, typer.Exit) as error:
        raise _installation_error(shell, error) from error
    print(f"{shell} completion installed in {place}\nIt takes effect in the next shell that you start")


def _shell(option: str, named: str | None) -> str:
    if named is not None:
        if named not in SHELLS:
            raise InputError(
                f"pitome {option} {named}",
                "there is no completion for that shell",
                f"Name one of {', '.join(SHELLS)}",
            )
        return named
    from typer.completion import _get_shell_name

    detected = _get_shell_name()
    if detected not in SHELLS:
        raise InputError(
            f"pitome {option}",
            "the shell that runs it "
            + ("can't be found out" if detected is None else f"is {detected}, which has no completion"),
            f"Name the shell that it is for: pitome {option} {' | '.join(SHELLS)}",
        )
    return detected


def _installation_error(shell: str, error: Exception) -> InputError:
    """Why the shell's start-up file, or the script that it reads, can't be written."""
    place, reason = "the home folder", str(error)
    if isinstance(error, OSError):
        place = place if error.filename is None else os.fsdecode(error.filename)
        reason = os.strerror(error.errno) if error.errno else reason
    elif isinstance(error, UnicodeError):
        place, reason = f"the start-up file of {shell}", "it is not UTF-8"
    elif not isinstance(error, RuntimeError):  # a RuntimeError is Path.home's
        place, reason = shell, "it does not name its profile"
    return InputError(
        f"pitome {INSTALL}",
        f"{place} can't be used ({reason.removesuffix('.')})",
        f"Set HOME to a folder that can be written, or add what `pitome {SHOW} {shell}` prints "
        "to the shell's start-up file",
    )
