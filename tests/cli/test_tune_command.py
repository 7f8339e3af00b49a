"""`pitome tune`: a preset file, what `pitome engine` makes of it, and a budget that nothing meets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pitome.models.preset_file import PresetFile, read_preset_file
from pitome.parameters import to_float32
from tests.cli.command_line import Outcome, pitome
from tests.cli.test_sweep_command import SMALL

TUNE = (*SMALL, "--shapes", "ratio,constant")


@pytest.fixture(scope="module")
def tuned(clip_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    out = tmp_path_factory.mktemp("tuned")
    options = ("--max-drop", "100", "--no-latency", "--out", out, "--json")
    return out / "clip-tiny.preset.toml", pitome("tune", clip_folder, *TUNE, *options)


def _counts(preset: PresetFile) -> tuple[int, ...]:
    counts = preset.schedule.r
    assert isinstance(counts, tuple)
    return counts


def schedule_of(outcome: Outcome) -> list[int]:
    assert outcome.code == 0, outcome.err
    return [layer["merged"] for layer in outcome.document["layers"]]


def test_the_file_says_what_was_picked_and_why(tuned: tuple[Path, Outcome], clip_folder: Path) -> None:
    path, outcome = tuned
    assert outcome.code == 0, outcome.err
    document: Any = outcome.document
    preset = read_preset_file(path)
    assert document["file"] == str(path)
    assert document["preset"] == preset.model_dump(mode="json", by_alias=True)
    assert preset.model.name == str(clip_folder)
    assert preset.origin is not None
    assert preset.origin.max_drop == 100
    assert 0.7 < preset.origin.flops_ratio <= 0.8
    assert preset.speed is None
    (measured,) = preset.measured
    assert (measured.task, measured.split, measured.samples) == ("photos", "validation", 3)
    assert measured.drop == pytest.approx(100 * (measured.unmerged - measured.score))
    assert measured.drop_low <= measured.drop <= measured.drop_high
    assert path.with_name("clip-tiny.sweep.jsonl").is_file()
    assert document["within_budget"] == {"photos": {"mean": True, "interval": True}}
    assert document["candidates"] == document["candidates_within"] > 0
    assert "authors" in {each["what"] for each in document["left_out"]}
    assert not preset.origin.accept_mean


def test_the_file_has_the_numbers_of_the_energy_that_it_names(clip_folder: Path, tmp_path: Path) -> None:
    options = ("--methods", "pitome", "--energies", "sharp", "--max-drop", "100", "--no-latency")
    outcome = pitome("tune", clip_folder, *TUNE, *options, "--out", tmp_path, "--json")
    assert outcome.code == 0, outcome.err
    path = tmp_path / "clip-tiny.preset.toml"
    preset = read_preset_file(path)
    assert preset.method.energy == "sharp"
    assert preset.energy is not None
    merging = tuple(layer for layer, merged in enumerate(_counts(preset)) if merged)
    assert (preset.energy.layers, preset.energy.num_layers) == (merging, len(_counts(preset)))
    assert preset.energy.margin == preset.energy.offset
    assert preset.energy.width == (to_float32(0.01),) * len(merging)

    # A margin over the file has its own numbers; in the file it contradicts those that stand there.
    over = pitome("engine", path, "--margin", "0.5", "--dry-run", "--json")
    assert [layer["margin"] for layer in over.document["layers"]] == [0.5] * preset.energy.num_layers
    assert f"{path}: MARGIN=0.5 in place of MARGIN=0.9,0.9" in over.message
    path.write_text(path.read_text().replace("margin = [0.9, 0.9]", "margin = [0.5, 0.0]"))
    refused = pitome("engine", path, "--dry-run")
    assert refused.code == 2
    assert (
        "and by energy sharp with margin 0.5 - 0.0 i/3 it is 0.5; delete the table where" in refused.message
    )


def test_a_margin_that_float32_makes_1_is_named_as_it_was_typed(clip_folder: Path) -> None:
    options = ("--margin", "0.99999999", "--energy", "gaussian", "--dry-run")
    outcome = pitome("engine", clip_folder, *options)
    assert outcome.code == 2
    assert (
        "MARGIN=0.99999999 in layer 0, margin=1.0 with the gaussian energy: its width is 1 - margin in "
        "float32, which must be positive" in outcome.message
    )


def test_engine_takes_the_file(tuned: tuple[Path, Outcome]) -> None:
    path, _ = tuned
    preset = read_preset_file(path)
    outcome = pitome("engine", path, "--dry-run", "--json")
    assert schedule_of(outcome) == list(_counts(preset))
    assert outcome.document["model"] == "clip-tiny"
    assert outcome.document["flops"]["ratio"] == pytest.approx(preset.origin and preset.origin.flops_ratio)
    assert f"{path}: settings for {preset.model.name}, method {preset.method.method}" in outcome.message


def test_options_on_the_command_line_win_and_are_told(tuned: tuple[Path, Outcome]) -> None:
    path, _ = tuned
    preset = read_preset_file(path)
    counts = ",".join(map(str, _counts(preset)))
    outcome = pitome("engine", path, "--r", "2", "--size-penalty", "0.2", "--dry-run", "--json")
    assert schedule_of(outcome) == [2, 2, 2]
    assert f"{path}: R=2 in place of R={counts}" in outcome.message
    assert f"SIZE_PENALTY=0.2 in place of SIZE_PENALTY={preset.method.size_penalty}" in outcome.message
    other = pitome("engine", path, "--method", "random", "--dry-run", "--json")
    assert schedule_of(other) == list(_counts(preset))
    assert f"METHOD=random in place of {preset.method.method} and all of its settings" in other.message


def test_the_whole_command_line_says_the_same_as_the_file(
    tuned: tuple[Path, Outcome], clip_folder: Path
) -> None:
    path, _ = tuned
    method = read_preset_file(path).method
    margin = ",".join(map(str, method.margin or ()))
    options = ["--r", ",".join(map(str, _counts(read_preset_file(path)))), "--method", method.method]
    options += ["--metric", str(method.metric), "--margin", margin, "--energy", str(method.energy)]
    options += ["--size-penalty", str(method.size_penalty)]
    options += [] if method.split is None else ["--split", method.split]  # ToMe's is that of the prefix
    options += [
        "--protect" if isinstance(method.candidates, float) else "--candidates",
        str(method.candidates),
    ]
    by_hand = pitome("engine", clip_folder, *options, "--dry-run", "--json")
    assert by_hand.document == pitome("engine", path, "--dry-run", "--json").document


def test_changed_weights_are_refused(tuned: tuple[Path, Outcome], tmp_path: Path) -> None:
    path, _ = tuned
    digest = read_preset_file(path).model.sha256
    other = tmp_path / "x.preset.toml"
    other.write_text(path.read_text().replace(digest, "0" * 64))
    outcome = pitome("engine", other, "--dry-run")
    assert outcome.code == 2
    assert (
        f"its settings were found on weights 0000000000000000..., and the loaded ones are {digest[:16]}..."
        in (outcome.message)
    )


def test_a_key_that_does_not_exist_is_named(tuned: tuple[Path, Outcome], tmp_path: Path) -> None:
    path, _ = tuned
    other = tmp_path / "x.preset.toml"
    other.write_text(path.read_text().replace("size_penalty", "size_penalti"))
    outcome = pitome("engine", other, "--dry-run")
    assert outcome.code == 2
    assert "method.size_penalti: unknown key" in outcome.message


def test_nothing_within_the_budget_is_exit_code_1_and_no_file(clip_folder: Path, tmp_path: Path) -> None:
    options = ("--max-drop", "0", "--no-latency", "--out", tmp_path)
    outcome = pitome("tune", clip_folder, *SMALL, *options, "--json")
    assert outcome.code == 1
    assert "a setting that loses at most 0 points at 95 %: none of 3 does; the nearest: - " in outcome.message
    assert "Nothing was written." in outcome.message
    assert "left out: authors: not tried: it is not among the methods of the grid" in " ".join(
        outcome.err.split()
    )
    assert outcome.document["exit_code"] == 1
    assert not (tmp_path / "clip-tiny.preset.toml").exists()


def test_a_budget_is_a_number_of_points(clip_folder: Path, tmp_path: Path) -> None:
    outcome = pitome("tune", clip_folder, *SMALL, "--max-drop", "-1", "--out", tmp_path)
    assert outcome.code == 2
    assert "MAX_DROP=-1: a budget is a number of points from 0 to 100" in outcome.message


def test_finalists_are_measured(clip_folder: Path, tmp_path: Path) -> None:
    options = ("--methods", "tome", "--max-drop", "100", "--out", tmp_path, "--batch", "2")
    outcome = pitome("tune", clip_folder, *SMALL, *options, "--latency-seconds", "0.2")
    assert outcome.code == 0, outcome.err
    speed = read_preset_file(tmp_path / "clip-tiny.preset.toml").speed
    assert speed is not None
    assert (speed.batch, speed.threads) == (2, 1)
    assert speed.low <= speed.speedup <= speed.high
    told = " ".join(outcome.out.split())
    assert "picked: tome hidden" in told
    assert "speed-up: " in told
    assert "within the budget of 100" in told
