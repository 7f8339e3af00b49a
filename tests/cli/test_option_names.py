"""Errors name an option as the user typed it: --ratio on a command line, RATIO= for make."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from pitome.cli.option_names import MAKE_VARIABLES, as_typed
from tests.cli.command_line import Outcome, finish, make_variables, start
from tests.make_dry_run import make_lines

OPTIONS = {
    "RATIO": "--ratio",
    "R": "--r",
    "FLOPS": "--flops",
    "OUT": "--out",
    "MERGE_PATH": "--merge-path",
    "SIZE_PENALTY": "--size-penalty",
    "WEIGHTS": "--weights",
    "MODEL": "MODEL",
}


@pytest.fixture(autouse=True)
def _not_from_make(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MAKE_VARIABLES, "")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("RATIO=1.5: wrong. Choose RATIO=0.9", "--ratio 1.5: wrong. Choose --ratio 0.9"),
        ("R=1,x: wrong", "--r 1,x: wrong"),
        ("choose another folder with OUT=", "choose another folder with --out"),
        ("with OUT=, or (MERGE_PATH=function)", "with --out, or (--merge-path function)"),
        ("give WEIGHTS= a folder, or WEIGHTS=./own", "give --weights a folder, or --weights ./own"),
        ("Give only one of RATIO, R and FLOPS", "Give only one of --ratio, --r and --flops"),
        ("MODEL=clip-b61: unknown", "MODEL clip-b61: unknown"),
        ("17.6 FLOPs, R@1, R8, RATIOS=1", "17.6 FLOPs, R@1, R8, RATIOS=1"),
        ("the folder /x/RATIO=1/OUT and 'RATIO=1'", "the folder /x/RATIO=1/OUT and 'RATIO=1'"),
        ("PITOME_CUDA=wheels", "PITOME_CUDA=wheels"),
        ("write hf:OUT[:RATIO][@R] or OUT:R", "write hf:OUT[:RATIO][@R] or OUT:R"),
        ("use /tmp/my OUT dir: no. Choose another OUT", "use /tmp/my OUT dir: no. Choose another --out"),
        ("OUT=/tmp/my OUT dir: no", "--out /tmp/my OUT dir: no"),
        ("in ../my R dir, or ./a R, or (/x R) with R", "in ../my R dir, or ./a R, or (/x R) with --r"),
        ("/x/y is full. Choose another OUT", "/x/y is full. Choose another --out"),
        ("/x/y was made with RATIO=0.9", "/x/y was made with --ratio 0.9"),
        ("and/or R", "and/or --r"),
    ],
)
def test_names(text: str, wanted: str) -> None:
    assert as_typed(text, OPTIONS, ()) == wanted


def test_what_the_user_typed_stays_as_it_is() -> None:
    text = "MODEL=RATIO=1: the folder my RATIO=2 model is not there. Choose RATIO=0.9"
    wanted = "MODEL RATIO=1: the folder my RATIO=2 model is not there. Choose --ratio 0.9"
    assert as_typed(text, OPTIONS, ("engine", "RATIO=1", "my RATIO=2 model")) == wanted


def test_the_working_folder_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a, OUT RATIO=1 b"
    folder.mkdir()
    monkeypatch.chdir(folder)
    text = f"{folder}/my OUT dir: no. Choose "
    assert as_typed(f"{text}OUT=", OPTIONS, ()) == f"{text}--out"


def test_make_keeps_its_variables_and_only_those(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MAKE_VARIABLES, "RATIO OUT")
    text = "RATIO=1.5, OUT= and FLOPS=2"
    assert as_typed(text, OPTIONS, ()) == "RATIO=1.5, OUT= and --flops 2"


def test_make_says_which_variables_it_hands_on() -> None:
    (line,) = make_lines("models")
    told = shlex.split(line)[0]
    assert told == f"{MAKE_VARIABLES}={' '.join(make_variables())}"


def run(*arguments: str | Path, make: str = "") -> Outcome:
    return finish(start(*arguments, environment={MAKE_VARIABLES: make, "COLUMNS": "200"}))


def test_a_command_line_names_options(clip_folder: Path) -> None:
    outcome = run("engine", clip_folder, "--ratio", "1.5", "--json")
    assert outcome.code == 2
    assert outcome.document["error"].startswith("--ratio 1.5: ")
    assert "error: --ratio 1.5: a keep ratio lies in (0, 1]" in outcome.err
    assert "RATIO" not in outcome.err


def test_make_names_variables(clip_folder: Path) -> None:
    outcome = run("engine", clip_folder, "--ratio", "1.5", make="RATIO OUT")
    assert outcome.code == 2
    assert "error: RATIO=1.5: a keep ratio lies in (0, 1]" in outcome.err
    assert "--ratio" not in outcome.err


def test_a_model_that_is_called_like_an_option() -> None:
    outcome = run("engine", "RATIO=1")
    assert outcome.code == 2
    assert "error: MODEL RATIO=1: it is neither a preset, a folder nor an id" in outcome.err
