"""An option that would decide nothing, given what else was chosen, is refused; none is silently dropped."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitome import compress, engine
from pitome.cli.option_names import MAKE_VARIABLES
from pitome.engine.options import ExportOptions, MergeSettings, ModelOptions, PlaceOptions, ScheduleOptions
from pitome.errors import InputError
from pitome.models.preset_file import PresetFile, PresetModel, write_preset_file
from pitome.schedule import TokenSchedule
from tests.cli.command_line import pitome
from tests.tiny_models import tiny_model

SCHEDULES = {
    "ratio": (("--ratio", "0.8"), "--ratio 0.8"),
    "r": (("--r", "2"), "--r 2"),
    "r of each layer": (("--r", "2,2,0"), "--r 2,2,0"),
    "flops": (("--flops", "0.7"), "--flops 0.7"),
    "shape": (("--flops", "0.7", "--shape", "constant"), "--flops 0.7 and --shape constant"),
    "layers": (("--layers", "0,1"), "--layers 0,1"),
}
COMMANDS = {"build": ("engine",), "dry run": ("engine", "--dry-run"), "export": ("export",)}


@pytest.mark.parametrize("case", SCHEDULES)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_schedule_for_a_method_that_merges_nothing(
    clip_folder: Path, tmp_path: Path, command: str, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(MAKE_VARIABLES)
    words, typed = SCHEDULES[case]
    outcome = pitome(*COMMANDS[command], clip_folder, "--out", tmp_path, "--method", "none", *words)
    assert outcome.code == 2
    options = " and ".join(word for word in words if word.startswith("--"))
    assert outcome.err == (
        f"error: {typed} with --method none: none merges nothing, so there is nothing to schedule. "
        f"Leave {options} out, or choose another method\n"
    ), "and the model is not loaded"
    assert list(tmp_path.iterdir()) == []


def test_the_options_are_named_as_make_has_them(clip_folder: Path, tmp_path: Path) -> None:
    outcome = pitome("engine", clip_folder, "--out", tmp_path, "--method", "none", "--ratio", "0.8")
    assert outcome.err.startswith("error: RATIO=0.8 with METHOD=none: none merges nothing, so there is")


@pytest.mark.parametrize("words", [(), ("--ratio", "1"), ("--r", "0"), ("--flops", "1")], ids=" ".join)
def test_a_schedule_that_merges_nothing_either(clip_folder: Path, words: tuple[str, ...]) -> None:
    outcome = pitome("engine", clip_folder, "--dry-run", "--json", "--method", "none", *words)
    assert outcome.code == 0, outcome.err
    assert [layer["merged"] for layer in outcome.document["layers"]] == [0, 0, 0]


@pytest.mark.parametrize("options", [{"ratio": 0.8}, {"r": 2}, {"flops": 0.7}], ids=str)
def test_the_library_refuses_it_too(options: dict[str, float], clip_folder: Path, tmp_path: Path) -> None:
    model, schedule = tiny_model("ViTModel"), ScheduleOptions(**options)  # type: ignore[arg-type]
    ((name, value),) = options.items()
    text = f"^{name.upper()}={value} with METHOD=none: none merges nothing"
    with pytest.raises(InputError, match=text):
        compress(model, method="none", **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=text):
        compress(model, schedule, MergeSettings("none"))
    place = PlaceOptions(tmp_path)
    asked = ExportOptions(ModelOptions(str(clip_folder)), schedule, MergeSettings("none"), place=place)
    with pytest.raises(InputError, match=text):
        engine.export(asked)
    compress(model, TokenSchedule(37, 1, (0,) * 4), MergeSettings("none"))


def test_the_schedule_of_a_preset_file_is_not_one_that_was_typed(clip_folder: Path, tmp_path: Path) -> None:
    from pitome.models.loading import load_model

    digest = load_model(str(clip_folder)).sha256
    preset = PresetFile(
        model=PresetModel(name=str(clip_folder), sha256=digest),
        method=MergeSettings(),
        schedule=ScheduleOptions(r=2),
    )
    path = tmp_path / "tuned.preset.toml"
    write_preset_file(path, preset)
    outcome = pitome("engine", path, "--dry-run", "--json", "--method", "none")
    assert outcome.code == 0, outcome.err
    assert [layer["merged"] for layer in outcome.document["layers"]] == [0, 0, 0]
    assert "METHOD=none merges nothing, so R=2 is left out" in outcome.message
    assert pitome("engine", path, "--dry-run", "--method", "none", "--r", "1").code == 2


def test_a_list_of_a_setting_that_no_method_of_a_sweep_takes_is_told(clip_folder: Path) -> None:
    """One set of lists serves searches of several methods, so it is no error."""
    words = ("--dry-run", "--methods", "random,tome", "--metrics", "hidden,keys")
    outcome = pitome("sweep", clip_folder, *words, "--energies", "elu,gaussian")
    assert outcome.code == 0
    told = "decides nothing with --methods random,tome: it is of "
    assert f"--energies {told}paper and pitome\n" in outcome.err
    assert outcome.err.count(told) == 1


@pytest.mark.parametrize("command", ["sweep", "tune"])
def test_a_folder_of_data_that_no_task_reads(clip_folder: Path, tmp_path: Path, command: str) -> None:
    outcome = pitome(command, clip_folder, "--task", "photos", "--data", tmp_path, "--out", tmp_path / "out")
    assert outcome.code == 2
    assert f"error: the data in {tmp_path} for photos: only fashion-mnist, " in outcome.message
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_data_that_no_task_of_a_validation_reads(clip_folder: Path, tmp_path: Path) -> None:
    made = pitome("export", clip_folder, "--out", tmp_path, "--precision", "fp32", "--method", "none")
    assert made.code == 0, made.err
    outcome = pitome("validate", tmp_path / "clip-tiny", "--task", "photos", "--data", tmp_path)
    assert outcome.code == 2
    assert f"the data in {tmp_path} for photos: only fashion-mnist, " in outcome.message
    assert "Check parity" not in outcome.err
