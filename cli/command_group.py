"""The commands as one program: options that all of them have, and wrong usage told as every other error."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from pitome.cli import completion
from pitome.cli.console import HelpConsole, is_plain
from pitome.cli.messages import print_error
from pitome.cli.option_names import as_typed, option_names
from pitome.cli.streams import is_about_output, output_error
from pitome.errors import InputError

SHARED = ("quiet",)
"""Options that may stand before the command's name, where they are declared, and behind it."""
_QUIET = "pitome.quiet"
_current: ContextVar[typer.Context | None] = ContextVar("current", default=None)


class CommandGroup(TyperGroup):
    """The ``pitome`` command."""

    def __init__(self, *, commands: dict[str, Any], **settings: Any) -> None:
        super().__init__(commands=commands, **settings)
        shared = [parameter for parameter in self.params if parameter.name in SHARED]
        for command in commands.values():
            command.params.extend(shared)
            completion.complete_models(command)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run one command line; the exit code is raised, or returned where ``standalone_mode`` is False."""
        words = sys.argv[1:] if args is None else list(args)
        _prepare_help()
        if is_plain():
            extra["color"] = False
        code = self._run(words, prog_name, complete_var, extra)
        if standalone_mode:
            sys.exit(code)
        return code

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named; the functions below know of it meanwhile."""
        token = _current.set(ctx)
        try:
            return super().invoke(ctx)
        finally:
            _current.reset(token)

    def _run(
        self, words: list[str], prog_name: str | None, complete_var: str | None, extra: dict[str, Any]
    ) -> int:
        as_json = "--json" in words
        try:
            if option := completion.asked_for(words):
                completion.offer(option, words)
                return 0
            code = super().main(
                words, prog_name, complete_var, standalone_mode=False, obj=tuple(words), **extra
            )
        except typer.TyperException as error:
            context = getattr(error, "ctx", None)
            text = " ".join(error.format_message().split("\n"))
            if not text:  # the help was printed in the place of a command
                return error.exit_code
            if context is not None:
                text = f"{text.removesuffix('.')}. `{context.command_path} --help` lists what there is"
            print_error(text, error.exit_code, as_json)
            return error.exit_code
        except typer.Abort:
            return 130
        except InputError as error:  # of completion: the commands tell theirs themselves
            print_error(str(error), error.exit_code, as_json=False)
            return error.exit_code
        except OSError as error:
            if not is_about_output(error):
                raise
            refusal = output_error(error)  # of the help, or of a version
            print_error(str(refusal), refusal.exit_code, as_json=False)
            return refusal.exit_code
        return int(code or 0)


def _prepare_help() -> None:
    """Have typer print its help without cut cells, and without colours where none are wanted."""
    from typer import rich_utils

    rich_utils.Console = HelpConsole  # type: ignore[misc]
    if is_plain():
        rich_utils.COLOR_SYSTEM = None


def be_quiet(context: typer.Context, value: bool) -> None:
    """Remember --quiet, wherever it stood."""
    if value:
        context.meta[_QUIET] = True


def is_quiet() -> bool:
    """Whether --quiet was given to the command that runs."""
    context = _current.get()
    return context is not None and bool(context.meta.get(_QUIET))


def as_user_typed(text: str) -> str:
    """A message of the command that runs, with its options named as the user names them."""
    context = _current.get()
    if context is None or not isinstance(context.command, CommandGroup):
        return text
    commands = [each for each in context.command.commands.values() if isinstance(each, TyperCommand)]
    # An error has its line breaks escaped.
    words = {*context.obj, *(word.replace("\n", "\\n") for word in context.obj)}
    return as_typed(text, option_names(commands), words)
