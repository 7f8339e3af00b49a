"""The one record of merge settings, and that of schedules: round trips, partial records, what is refused."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from pitome.energies import Energy
from pitome.errors import InputError
from pitome.option import option_text, options_of, read_value
from pitome.parameters import Split
from pitome.settings import (
    MergeSettings,
    ScheduleOptions,
    margin_text,
    parse_candidates,
    parse_counts,
    parse_margin,
)
from tests.checkout import ROOT

FINITE = st.floats(-2, 2)
SETTINGS = st.builds(
    MergeSettings,
    method=st.sampled_from(["pitome", "tome", "random"]),
    metric=st.sampled_from([None, "hidden", "keys"]),
    candidates=st.none() | st.floats(0, 0.99) | st.integers(0, 99) | st.sampled_from(["all", "paper"]),
    margin=st.none() | st.tuples(FINITE, FINITE),
    energy=st.sampled_from([None, *get_args(Energy)]),
    split=st.sampled_from([None, *get_args(Split)]),
    size_penalty=st.none() | st.floats(0, 9),
    proportional_attention=st.none() | st.booleans(),
    seed=st.integers(0, 9),
)
JSON = TypeAdapter(MergeSettings)


@settings(max_examples=100, deadline=None)
@given(SETTINGS)
def test_json_gives_the_same_settings(chosen: MergeSettings) -> None:
    for by_alias in (False, True):
        found = JSON.validate_json(JSON.dump_json(chosen, by_alias=by_alias), strict=True)
        assert found == chosen
        assert type(found.candidates) is type(chosen.candidates)


@settings(max_examples=100, deadline=None)
@given(SETTINGS)
def test_every_option_is_read_back_from_its_text(chosen: MergeSettings) -> None:
    for name, described in options_of(MergeSettings).items():
        value = getattr(chosen, name)
        if value is not None:
            told, text = option_text(name, described, value)
            alias = next((each for each in described.aliases if each.name == told), None)
            assert (alias.parse(text) if alias else read_value(MergeSettings, name, text)) == value


@settings(max_examples=100, deadline=None)
@given(SETTINGS, SETTINGS)
def test_over_takes_what_was_chosen(above: MergeSettings, below: MergeSettings) -> None:
    found = above.over(below)
    for each in fields(MergeSettings):
        source = above if each.name in above.given() else below
        assert getattr(found, each.name) == getattr(source, each.name)
    assert MergeSettings().over(below) == below
    assert above.over(below, [each.name for each in fields(MergeSettings)]) == above


def test_a_value_that_equals_the_default_can_be_chosen_by_name() -> None:
    assert MergeSettings("pitome").over(MergeSettings("tome")).method == "tome"
    assert MergeSettings("pitome").over(MergeSettings("tome"), ["method"]).method == "pitome"


def test_only_leaves_the_others_to_the_method() -> None:
    chosen = MergeSettings("tome", metric="keys", size_penalty=0.1, seed=3)
    assert chosen.only(["metric"]) == MergeSettings("tome", metric="keys", seed=3)


@pytest.mark.parametrize(
    ("text", "value"), [("all", "all"), ("paper", "paper"), ("40", 40), ("0.1", 0.1), (".5", 0.5)]
)
def test_candidates(text: str, value: object) -> None:
    assert parse_candidates(text) == value
    assert type(parse_candidates(text)) is type(value)


@pytest.mark.parametrize("text", ["some", "", "1,2", "0.1.2"])
def test_no_candidates(text: str) -> None:
    with pytest.raises(ValueError, match="not all, paper or a number"):
        parse_candidates(text)


def test_margins_and_counts() -> None:
    assert parse_margin("0.9,0.5") == parse_margin("0.9:0.5") == (0.9, 0.5)
    assert parse_margin("0.7") == (0.7, 0.0)
    assert (parse_counts("3"), parse_counts("3,4")) == (3, (3, 4))
    with pytest.raises(ValueError, match="not a start and a slope"):
        parse_margin("1,2,3")
    assert (margin_text((0.99999999, 0.0)), margin_text((0.9, 0.5))) == ("0.99999999", "0.9,0.5")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "metric": ({"metric": "values"}, "METRIC=values: the choices are hidden, keys. Choose one of these"),
    "energy": (
        {"energy": "steep"},
        "ENERGY=steep: the choices are elu, eq4, sharp, gaussian. Choose one of these",
    ),
    "split": (
        {"split": "thirds"},
        "SPLIT=thirds: the choices are alternate, alternate_second, half. Choose one of these",
    ),
    "penalty": (
        {"size_penalty": -0.1},
        "SIZE_PENALTY=-0.1: not a number from 0 to 1024. Give a number from 0 to 1024",
    ),
    "large penalty": ({"size_penalty": 1025.0}, "SIZE_PENALTY=1025.0: not a number from 0 to 1024"),
    "margin": (
        {"margin": (float("nan"), 0.0)},
        "MARGIN=nan: a margin is a start and a slope",
    ),
    "large seed": (
        {"seed": 2**63},
        f"SEED={2**63}: not a number from -9223372036854775808 to 9223372036854775807",
    ),
    "small seed": ({"seed": -(2**63) - 1}, f"SEED={-(2**63) - 1}: not a number from -9223372036854775808"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_settings(case: str) -> None:
    change, text = REFUSED[case]
    with pytest.raises(InputError) as error:
        MergeSettings(**change)
    assert str(error.value).startswith(text)


@pytest.mark.parametrize(
    ("options", "nothing"),
    [
        ({}, False),
        ({"ratio": 1.0}, True),
        ({"ratio": 0.99}, False),
        ({"r": 0}, True),
        ({"r": (0, 0)}, True),
        ({"r": (0, 1)}, False),
        ({"flops": 1.0}, True),
        ({"flops": 1.0, "shape": "constant"}, True),
        ({"layers": ()}, True),
        ({"layers": (0,)}, False),
    ],
)
def test_what_merges_nothing_is_known_without_a_model(options: dict[str, Any], nothing: bool) -> None:
    assert ScheduleOptions(**options).merges_nothing == nothing


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"ratio": 0.9, "r": 3}, "RATIO=0.9 and R=3: each of them sets the whole schedule. Give only one of"),
        ({"ratio": 0.9, "r": (3, 2), "flops": 0.6}, "RATIO=0.9, R=3,2 and FLOPS=0.6: each of them"),
        ({"shape": "constant"}, "SHAPE=constant without FLOPS: a shape says how"),
        (
            {"flops": 0.6, "shape": "round"},
            "SHAPE=round: the choices are ratio, constant",
        ),
        ({"r": (1, 2), "layers": (0,)}, "R as a list together with LAYERS: the list already says"),
    ],
)
def test_refused_schedules(options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as error:
        ScheduleOptions(**options)
    assert str(error.value).startswith(text)


def test_the_records_import_no_torch() -> None:
    code = "import sys, pitome.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
