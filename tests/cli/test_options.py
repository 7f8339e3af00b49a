"""Records of options become the options of a command, with their types, bounds and groups."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, get_args

import pytest
import typer
from typer.testing import CliRunner, Result

from pitome.cli.options import Given, Json, expand
from pitome.errors import InputError
from pitome.option import Alias, Option
from pitome.settings import parse_switch


def parse_pair(text: str) -> tuple[int, int]:
    numbers = [int(part) for part in text.split(",") if part.isdigit()]
    if len(numbers) != 2:
        raise ValueError("not two numbers")
    return numbers[0], numbers[1]


@dataclass(frozen=True)
class ColourOptions:
    shade: Annotated[str, Option("How it looks.", choices=("dark", "light"))] = "dark"
    seed: Annotated[int, Option("Of colours.")] = 0
    glossy: Annotated[bool, Option("1: it shines.", parse=parse_switch)] = False


@dataclass(frozen=True)
class PaintSettings:
    thing: Annotated[str, Option("What is painted.", argument=True)]
    colour: ColourOptions = field(default_factory=ColourOptions)
    size: Annotated[
        int | tuple[int, int],
        Option(
            "How large it is.",
            parse=parse_pair,
            format=lambda value: ",".join(map(str, value)) if isinstance(value, tuple) else str(value),
            aliases=(Alias("square", "Both edges.", int, says=lambda value: isinstance(value, int)),),
        ),
    ] = (1, 2)
    layers: Annotated[
        tuple[int, ...], Option("A layer; may be repeated.", name="layer", minimum=1, repeated=True)
    ] = (1, 8)
    out: Annotated[Path | None, Option("Where it goes.", hidden=True)] = None
    dry: Annotated[bool, Option("Wait until it is dry.")] = True
    unseen: int = 7

    def __post_init__(self) -> None:
        if self.thing == "water":
            raise InputError("THING=water", "it can't be painted", "Choose a thing that is firm")


@dataclass(frozen=True)
class SprayOptions:
    seed: Annotated[int, Option("Of drops.")] = 0


Runner = Callable[..., Result]


@pytest.fixture
def paint() -> Runner:
    """``paint(word, ...)`` runs a command that prints what it was given as JSON."""
    app = typer.Typer()

    @app.command()
    @expand
    def paint(
        settings: PaintSettings,
        spray: SprayOptions,
        given: Given,
        loud: Annotated[bool, typer.Option("--loud", help="With noise.")] = False,
        as_json: Json = False,
    ) -> None:
        """Paint a thing."""
        found = {"settings": asdict(settings), "spray": asdict(spray), "loud": loud}
        found["given"] = [given.of(PaintSettings), given.of(ColourOptions), given.of(SprayOptions)]
        typer.echo(json.dumps(found, default=str))

    return lambda *words: CliRunner().invoke(app, list(words), env={"COLUMNS": "200", "NO_COLOR": "1"})


def outcome(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_what_is_not_given_is_the_records_default(paint: Runner) -> None:
    found = outcome(paint("door"))
    assert found["settings"] == json.loads(json.dumps(asdict(PaintSettings("door"))))
    assert found["given"] == [["thing"], [], []]
    assert not found["loud"]


def test_every_kind_of_option(paint: Runner) -> None:
    words = "--shade light --glossy 1 --size 3,4 --layer 2 --layer 5 --out x --no-dry --seed 9 --loud"
    found = outcome(paint("door", *words.split()))
    settings = found["settings"]
    assert settings["colour"] == {"shade": "light", "seed": 9, "glossy": True}
    assert (settings["size"], settings["layers"], settings["out"]) == ([3, 4], [2, 5], "x")
    assert (settings["dry"], settings["unseen"], found["loud"]) == (False, 7, True)
    assert found["spray"] == {"seed": 9}, "one option for the field of two records"
    assert found["given"] == [
        ["thing", "size", "layers", "out", "dry"],
        ["shade", "seed", "glossy"],
        ["seed"],
    ]


def test_an_alias_sets_the_same_field(paint: Runner) -> None:
    found = outcome(paint("door", "--square", "6"))
    assert found["settings"]["size"] == 6
    assert found["given"][0] == ["thing", "size"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("door", "--size", "3"), "SIZE=3: not two numbers. Give two numbers"),
        (("door", "--square", "x"), "SQUARE=x: "),
        (("door", "--square", "1", "--size", "1,2"), "SQUARE=1 and SIZE=1,2: both say the same thing"),
        (("water",), "THING=water: it can't be painted. Choose a thing that is firm"),
        (("door", "--shade", "pink"), "'pink' is not one of 'dark', 'light'"),
        (("door", "--layer", "0"), "Invalid value for '--layer'"),
        (("door", "--glossy", "2"), "Invalid value for '--glossy'"),
    ],
)
def test_what_is_refused(paint: Runner, words: tuple[str, ...], text: str) -> None:
    result = paint(*words)
    assert result.exit_code == 2
    assert text in " ".join(result.stderr.replace("│", " ").split())


def test_the_help_has_a_group_for_each_record(paint: Runner) -> None:
    shown = paint("--help").stdout
    for text in ("Paint a thing.", "Paint options", "Colour options", "How it looks.", "Both edges."):
        assert text in shown
    assert shown.index("Colour options") < shown.index("--glossy")
    for text in ("--no-dry", "[default: dark]", "[default: 1,2]", "dark|light"):
        assert text in shown
    assert "--out" not in shown, "it is hidden"
    assert "--unseen" not in shown, "it is no option"


def test_no_name_stands_twice_in_the_signature() -> None:
    @expand
    def command(settings: PaintSettings, spray: SprayOptions) -> None:
        """A command."""

    parameters = inspect.signature(command).parameters
    assert [*parameters] == [
        "context",
        "thing",
        "shade",
        "seed",
        "glossy",
        "size",
        "square",
        "layer",
        "out",
        "dry",
    ]
    assert get_args(parameters["seed"].annotation)[0] is int


def test_every_command_has_few_parameters() -> None:
    from pitome.cli import build, engine, export, sweep, tune, validate

    for function in (build.build, engine.engine, export.export, sweep.sweep, tune.tune, validate.validate):
        assert len(inspect.signature(inspect.unwrap(function)).parameters) <= 8
