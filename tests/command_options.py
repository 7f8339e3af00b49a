"""The commands of ``pitome`` as typer knows them: which options there are, and whether arguments parse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from pitome.cli.main import app


def command_named(name: str) -> TyperCommand:
    """One command of ``pitome``; raises KeyError where there is none."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    command = group.commands[name]
    assert isinstance(command, TyperCommand)
    return command


def options_of(name: str) -> set[str]:
    """The long options of a command, such as ``--size-penalty``."""
    return {
        option
        for parameter in command_named(name).params
        if isinstance(parameter, TyperOption)
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("--")
    }


def parse(arguments: Sequence[str]) -> dict[str, Any]:
    """``pitome ARGUMENTS`` up to where its work begins: the values of its parameters."""
    name, *rest = arguments
    return command_named(name).make_context(name, rest).params
