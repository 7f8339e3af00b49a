"""Options in the annotations of a record: found, read from texts, checked, told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest

from pitome.errors import InputError
from pitome.option import Alias, Option, check_fields, named, option_name, option_text, options_of, read_value


def parse_pair(text: str) -> tuple[int, int]:
    first, second = text.split(":")
    return int(first), int(second)


@dataclass(frozen=True)
class Oven:
    """A record for these tests."""

    heat: Annotated[int, Option("Degrees.", minimum=0, maximum=300, plural="heats")] = 180
    mode: Annotated[Literal["top", "all"] | None, Option("Where from.", choices=("top", "all"))] = None
    share: Annotated[
        float | None,
        Option(
            "Of the shelf.",
            name="part",
            minimum=0,
            aliases=(Alias("whole", "All of it.", lambda text: 1.0, says=lambda value: value == 1.0),),
            label=lambda value: f"share {value}",
        ),
    ] = None
    pair: Annotated[tuple[int, int] | None, Option("Two.", parse=parse_pair)] = None
    dish: Annotated[str, Option("Which.", choices=lambda: ("pie", "bread"))] = "pie"
    silent: bool = False


def test_options_stand_in_the_records_order() -> None:
    assert list(options_of(Oven)) == ["heat", "mode", "share", "pair", "dish"]
    names = [option_name(name, described) for name, described in options_of(Oven).items()]
    assert names == ["heat", "mode", "part", "pair", "dish"]
    assert options_of(Oven)["dish"].allowed == ("pie", "bread")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("heat", "200", 200),
        ("mode", "top", "top"),
        ("share", "0.5", 0.5),
        ("pair", "1:2", (1, 2)),
        ("dish", "pie", "pie"),
    ],
)
def test_a_text_becomes_a_value(name: str, text: str, value: object) -> None:
    assert read_value(Oven, name, text) == value
    assert type(read_value(Oven, name, text)) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("heat", "hot", "'hot' is not a number"),
        ("heat", "301", "not a number from 0 to 300"),
        ("share", "nan", "not a number from 0 up"),
        ("mode", "side", "'side' is none of top, all"),
        ("dish", "soup", "'soup' is none of pie, bread"),
        ("pair", "1", "not enough values"),
    ],
)
def test_a_text_that_is_no_value(name: str, text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_value(Oven, name, text)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"heat": 301}, "HEAT=301: not a number from 0 to 300. Give a number from 0 to 300"),
        ({"share": -1.0}, "PART=-1.0: not a number from 0 up. Give a number from 0 up"),
        ({"share": float("inf")}, "PART=inf: not a number from 0 up"),
        ({"heat": 10**400}, f"HEAT={10**400}: not a number from 0 to 300"),
        ({"mode": "side"}, "MODE=side: the choices are top, all. Choose one of these"),
    ],
)
def test_a_value_that_is_refused(change: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as error:
        check_fields(Oven(**change))
    assert str(error.value).startswith(text)


def test_what_was_not_chosen_is_fine() -> None:
    check_fields(Oven())


def test_a_value_is_told_by_the_name_that_says_it() -> None:
    share = options_of(Oven)["share"]
    assert option_text("share", share, 0.5) == ("part", "0.5")
    assert option_text("share", share, 1.0) == ("whole", "1.0")
    assert share.told(0.5) == "share 0.5"
    assert options_of(Oven)["heat"].told(3) == "3"


def test_names_in_a_sentence() -> None:
    assert [named("a"), named("ab"), named("abc")] == ["a", "a and b", "a, b and c"]
