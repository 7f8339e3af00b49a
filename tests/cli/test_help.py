"""The help of every command, on the terminal's usual width and on narrower ones: nothing in it is cut."""

from __future__ import annotations

import re
from typing import Annotated, cast

import pytest
import typer
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.testing import CliRunner

from pitome.cli.command_group import CommandGroup
from pitome.cli.main import app
from tests.cli.command_line import finish, pitome, start

GROUP = cast("TyperGroup", typer.main.get_command(app))
COMMANDS = {name: cast("TyperCommand", command) for name, command in GROUP.commands.items()}
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
LONG_WORD = f"{'a_long_folder/' * 8}libpitome_plugin.so"
LONG_DEFAULT = f"{'another/folder/' * 8}libpitome_plugin.so"


def help_of(*command: str) -> str:
    outcome = pitome(*command, "--help")
    assert outcome.code == 0
    return outcome.out


def words_of(text: str) -> list[str]:
    """What stands in the help beside the frames."""
    return re.sub("[\u2500-\u257f]", " ", text).split()


@pytest.mark.parametrize("columns", [80, 60, 40])
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_no_cell_is_cut(command: str, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = help_of(*command.split())
    assert max(map(len, text.splitlines())) <= columns
    assert ELLIPSIS not in text


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_its_text_and_its_default_are_whole(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    found = words_of(help_of(command))
    for parameter in COMMANDS[command].params:
        if getattr(parameter, "hidden", False):
            continue
        text = str(getattr(parameter, "help", ""))
        assert text, parameter.name
        names = parameter.opts if isinstance(parameter, TyperOption) else []
        assert {*names, *text.split()} <= set(found), parameter.name
        if getattr(parameter, "show_default", False) and parameter.default not in (None, False, True, ()):
            assert any(word.startswith(f"{parameter.default}]") for word in found), parameter.name


def test_words_and_defaults_that_are_wider_than_their_column_go_on_below() -> None:
    planted = typer.Typer(cls=CommandGroup)

    @planted.command()
    def build(plugin: Annotated[str, typer.Option(help=LONG_WORD)] = LONG_DEFAULT) -> None:
        raise AssertionError("the help alone is asked for")

    planted.callback()(lambda: None)
    outcome = CliRunner().invoke(planted, ["build", "--help"], env={"COLUMNS": "80"})
    assert outcome.exit_code == 0
    assert ELLIPSIS not in outcome.stdout
    text = "".join(words_of(outcome.stdout))
    assert LONG_WORD in text
    assert LONG_DEFAULT in text


def test_the_help_of_a_process_of_its_own() -> None:
    outcome = finish(start("build", "--help", environment={"COLUMNS": "30"}))
    assert outcome.code == 0
    assert ELLIPSIS not in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 30
