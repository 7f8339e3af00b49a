"""The command that stands for options leads to the same options."""

from __future__ import annotations

import shlex
from pathlib import Path

from pitome.engine.command import command_of
from pitome.engine.options import (
    BenchOptions,
    CheckOptions,
    EngineOptions,
    MergeSettings,
    ModelOptions,
    PlaceOptions,
    PlanOptions,
    ScheduleOptions,
)


def test_defaults_are_left_out() -> None:
    assert command_of("engine", EngineOptions(ModelOptions("clip-b16"))) == "pitome engine clip-b16"


def test_every_option_is_named_as_the_command_line_takes_it() -> None:
    options = EngineOptions(
        ModelOptions("my model", image_size=64, strict=True, seed=3),
        ScheduleOptions(r=(3, 0, 2)),
        MergeSettings("paper", candidates=0.2, margin=(0.9, 0.5), proportional_attention=False, seed=3),
        PlanOptions(
            "fp32",
            targets=("sm80", "sm89"),
            profile=(1, 2, 4),
            merge_path=("function", "plugin"),
            plugin=Path("own.so"),
        ),
        CheckOptions(batches=(1, 4), threads=1),
        PlaceOptions(Path("elsewhere"), "mine"),
    )
    words = shlex.split(command_of("engine", options))
    expected = (
        "pitome engine|my model|--image-size 64 --seed 3 --strict 1 --r 3,0,2 --method paper --protect 0.2 "
        "--margin 0.9,0.5 --prop-attn 0 --precision fp32 --targets sm80,sm89 --profile 1,2,4 "
        "--merge-path function,plugin --plugin own.so --batch 1 --batch 4 --threads 1 --out elsewhere "
        "--name mine"
    )
    command, model, rest = expected.split("|")
    assert words == [*command.split(), model, *rest.split()]


def test_a_flag_has_no_value() -> None:
    assert command_of("bench", BenchOptions(everyone=True)) == "pitome bench --all"
