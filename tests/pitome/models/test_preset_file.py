"""Preset files: round trips, what is refused, and which model they mean."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitome.errors import InputError
from pitome.models.loading import load_model
from pitome.models.preset_file import (
    PresetFile,
    PresetMeasurement,
    PresetModel,
    PresetOrigin,
    PresetSpeed,
    preset_text,
    read_preset_file,
    toml_text,
    write_preset_file,
)
from pitome.models.registry import resolve_model
from pitome.option import option_text, options_of, read_value
from pitome.settings import MergeSettings, ScheduleOptions
from tests.checkout import ROOT
from tests.tiny_models import tiny_model

DIGEST = "0123456789abcdef" * 4
TEXT = f"""
schema_version = 1

[model]
name = "clip-b16"
sha256 = "{DIGEST}"

[method]
name = "pitome"
candidates = 0.1
margin = [0.9, 0.9]

[schedule]
flops = 0.6
shape = "constant"
"""
WHOLE = PresetFile(
    model=PresetModel(name="org/name@main", weights="packaged", sequence_length=128, sha256=DIGEST),
    method=MergeSettings(
        "pitome",
        metric="keys",
        candidates=40,
        margin=(0.9, 0.25),
        energy="gaussian",
        split="half",
        size_penalty=0.0,
        proportional_attention=False,
        seed=3,
    ),
    schedule=ScheduleOptions(r=(3, 2, 0)),
    measured=(
        PresetMeasurement(
            task="hf:a/b",
            split="validation",
            samples=9,
            metric="accuracy",
            unmerged=1.0,
            score=0.5,
            drop=50.0,
            drop_low=1e-7,
            drop_high=99.0,
        ),
    )
    * 2,
    speed=PresetSpeed(
        speedup=1.5, low=1.4, high=1.6, batch=8, threads=2, runtime="r", cpu='say "cpu" \\ é\x7f\n'
    ),
    origin=PresetOrigin(pitome_version="0.1.0", command="pitome tune x", max_drop=0.5, flops_ratio=0.6),
)


def write(folder: Path, text: str) -> Path:
    path = folder / "x.preset.toml"
    path.write_text(text, encoding="utf-8")
    return path


def changed(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.preset.toml"
    write_preset_file(path, WHOLE)
    assert read_preset_file(path) == WHOLE
    write_preset_file(path, WHOLE)
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert f"pitome engine {path}" in preset_text(WHOLE, path).splitlines()[0]


def test_the_keys_are_those_of_schema_version_1(tmp_path: Path) -> None:
    content = tomllib.loads(preset_text(WHOLE, tmp_path / "x.preset.toml"))
    assert list(content["method"]) == [
        "name",
        "metric",
        "candidates",
        "margin",
        "energy",
        "split",
        "size_penalty",
        "proportional_attention",
        "seed",
    ]
    assert content["schedule"] == {"num_merged": [3, 2, 0]}
    unseeded = WHOLE.model_copy(update={"method": MergeSettings("tome")})
    assert tomllib.loads(preset_text(unseeded, tmp_path))["method"] == {"name": "tome"}


def test_a_file_by_hand(tmp_path: Path) -> None:
    found = read_preset_file(write(tmp_path, TEXT))
    assert found.method == MergeSettings("pitome", candidates=0.1, margin=(0.9, 0.9))
    assert found.schedule == ScheduleOptions(flops=0.6, shape="constant")


@pytest.mark.parametrize(
    ("text", "value"), [("0.1", 0.1), ("40", 40), ('"all"', "all"), ('"paper"', "paper")]
)
def test_candidates_keep_their_kind(tmp_path: Path, text: str, value: Any) -> None:
    found = read_preset_file(write(tmp_path, changed("candidates = 0.1", f"candidates = {text}")))
    assert found.method.candidates == value
    assert type(found.method.candidates) is type(value)


SCALARS = (
    st.text()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
)
TABLES = st.dictionaries(
    st.from_regex(r"[a-z_]{1,6}", fullmatch=True), SCALARS | st.lists(SCALARS, max_size=3)
)


@settings(max_examples=50, deadline=None)
@given(
    TABLES,
    st.dictionaries(
        st.from_regex(r"t[0-9]{1,2}", fullmatch=True), TABLES | st.lists(TABLES, min_size=1, max_size=3)
    ),
)
def test_toml_is_read_back_by_pythons_own_parser(values: dict[str, Any], tables: dict[str, Any]) -> None:
    content = values | tables
    assert tomllib.loads(toml_text(content)) == content


REFUSALS = {
    "no TOML": ("schema_version = ", "it is not TOML (Invalid value"),
    "no version": (
        changed("schema_version = 1", ""),
        "it has no schema_version. This pitome reads schema_version = 1",
    ),
    "other version": (changed("schema_version = 1", "schema_version = 2"), "its schema_version is 2"),
    "unknown table": (TEXT + "[extra]\n", "extra: unknown key. Correct these keys"),
    "unknown key": (changed("candidates = 0.1", "candidate = 0.1"), "method.candidate: unknown key"),
    "missing key": (changed('name = "pitome"', ""), "method.name: it is not there"),
    "text for a number": (
        changed("flops = 0.6", 'flops = "0.6"'),
        "schedule.flops: should be a valid number",
    ),
    "number for a text": (
        changed('name = "clip-b16"', "name = 3"),
        "model.name: should be a valid string",
    ),
    "truth for a number": (
        changed("flops = 0.6", "flops = true"),
        "schedule.flops: should be a valid number",
    ),
    "one margin": (changed("[0.9, 0.9]", "[0.9]"), "method.margin[1]: it is missing"),
    "unknown shape": (
        changed('"constant"', '"round"'),
        "schedule.shape: should be 'ratio', 'constant'",
    ),
    "flops over one": (
        changed("flops = 0.6", "flops = 1.6"),
        "schedule.flops: should be less than or equal to 1",
    ),
    "not a number": (
        changed("flops = 0.6", "flops = nan"),
        "schedule.flops = nan should be a finite number",
    ),
    "two schedules": (
        changed("flops = 0.6", "flops = 0.6\nratio = 0.9"),
        "RATIO=0.9 and FLOPS=0.6: each of them sets the whole schedule",
    ),
    "no schedule": (changed("flops = 0.6\n", ""), "SHAPE=constant without FLOPS"),
    "shape of a ratio": (
        changed("flops = 0.6", "ratio = 0.6"),
        "SHAPE=constant without FLOPS",
    ),
    "layers of a list": (
        changed('flops = 0.6\nshape = "constant"', "num_merged = [1]\nlayers = [0]"),
        "R as a list together with LAYERS: the list already says which layers merge",
    ),
    "nothing of a schedule": (
        changed('flops = 0.6\nshape = "constant"', ""),
        "schedule: one of num_merged, ratio and flops is needed",
    ),
    "no penalty": (
        changed("candidates = 0.1", "size_penalty = -0.1"),
        "SIZE_PENALTY=-0.1: not a number from 0 to 1024. Give a number from 0 to 1024",
    ),
    "large seed": (
        changed("candidates = 0.1", "seed = 99999999999999999999999"),
        "method.seed: it is beyond a whole number of 64 bits",
    ),
    "short digest": (changed(DIGEST, "abc"), "model.sha256: String should match pattern"),
    "one count for twelve layers": (
        changed('flops = 0.6\nshape = "constant"', "num_merged = [1]"),
        "schedule.num_merged: 1 counts for a model of 12 layers",
    ),
    "a negative count": (
        changed('flops = 0.6\nshape = "constant"', f"num_merged = {[-1] * 12}"),
        "schedule.num_merged: -1 tokens can't be merged",
    ),
    "counts with a point": (
        changed('flops = 0.6\nshape = "constant"', f"num_merged = {[1.0] * 12}"),
        "schedule.num_merged[0]: should be a valid integer, not 1.0",
    ),
    "a switch among counts": (
        changed('flops = 0.6\nshape = "constant"', f"num_merged = [true{', 1' * 11}]"),
        "schedule.num_merged[0]: should be a valid integer, not true",
    ),
    "a layer that is not there": (
        changed('shape = "constant"', "layers = [12]"),
        "schedule.layers: layers are from 0 to 11, not 12",
    ),
    "a nearly known key": (
        changed("candidates = 0.1", "candidate = 0.1"),
        "method.candidate: unknown key (did you mean candidates?)",
    ),
    "a table for a value": (changed("candidates = 0.1", "candidates = {a = 1}"), "method.candidates: "),
    "a key twice": (changed("candidates = 0.1", "candidates = 0.1\ncandidates = 0.2"), "it is not TOML ("),
    "true for the version": (
        changed("schema_version = 1", "schema_version = true"),
        "schema_version is True",
    ),
    "1.0 for the version": (changed("schema_version = 1", "schema_version = 1.0"), "schema_version is 1.0"),
    "deep lists": ("a = " + "[" * 5000, "it is not TOML ("),
    "a number of many digits": ("a = " + "1" * 5000, "it is not TOML ("),
    "a mark in front": ("\ufeff" + TEXT, "it is not TOML ("),
    "a date": (changed('name = "clip-b16"', "name = 2020-01-01"), "no key takes a date"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_name_the_key(tmp_path: Path, case: str) -> None:
    text, reason = REFUSALS[case]
    path = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_preset_file(path)
    assert str(caught.value).startswith(f"the preset file {path}: ")
    assert reason in str(caught.value)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "x.preset.toml"
    os.mkfifo(path)
    with pytest.raises(InputError, match="it is not a regular file"):
        read_preset_file(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match="it is not a regular file"):
        read_preset_file(path)
    path.rmdir()
    path.symlink_to("/dev/zero")
    with pytest.raises(InputError, match="it is not a regular file"):
        read_preset_file(path)
    path.unlink()
    path.write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(InputError, match="it is longer than 1,048,576 bytes"):
        read_preset_file(path)
    path.write_bytes(b'a = "\xff"')
    with pytest.raises(InputError, match=r"it is not TOML \(byte 5 is not UTF-8\)"):
        read_preset_file(path)


def test_a_list_of_one_count_stays_a_list_on_the_command_line() -> None:
    described = options_of(ScheduleOptions)["r"]
    for counts in (3, (3,), (3, 2)):
        name, text = option_text("r", described, counts)
        assert read_value(ScheduleOptions, name, text) == counts


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"it can't be read \(No such file or directory\)"):
        resolve_model(str(tmp_path / "no.preset.toml"))


def test_no_place_to_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="it can't be written"):
        write_preset_file(tmp_path / "file" / "x.preset.toml", WHOLE)


def test_a_model_in_a_preset_file_is_a_preset_or_an_id_or_a_folder(tmp_path: Path) -> None:
    path = write(tmp_path, TEXT)
    found = resolve_model(str(path))
    assert (found.kind, found.name, found.preset_file) == ("preset file", "clip-b16", path)
    assert (found.preset, found.hub_id) == (
        resolve_model("clip-b16").preset,
        resolve_model("clip-b16").hub_id,
    )
    hub = resolve_model(str(write(tmp_path, changed("clip-b16", "org/name@main"))))
    assert (hub.hub_id, hub.revision, hub.name) == ("org/name", "main", "org--name")
    (tmp_path / "beside").mkdir()
    folder = resolve_model(str(write(tmp_path, changed("clip-b16", "beside"))))
    assert (folder.folder, folder.name) == (tmp_path / "beside", "beside")


def test_a_preset_file_does_not_name_another_one(tmp_path: Path) -> None:
    path = write(tmp_path, changed("clip-b16", "y.preset.toml"))
    with pytest.raises(InputError, match=r"its model.name is y.preset.toml, another preset file"):
        resolve_model(str(path))


def test_loading_takes_the_weights_that_the_settings_were_found_on(tmp_path: Path) -> None:
    folder = tmp_path / "vit-tiny"
    tiny_model("ViTForImageClassification").save_pretrained(folder)
    plain = load_model(str(folder))
    text = changed("clip-b16", str(folder)).replace(DIGEST, plain.sha256)
    text = text.replace("[method]", "image_size = 32\n\n[method]")
    path = write(tmp_path, text)
    loaded = load_model(str(path))
    assert (loaded.sha256, loaded.name, loaded.image_size) == (plain.sha256, "vit-tiny", 32)
    assert load_model(str(path), image_size=40).image_size == 40

    tiny_model("ViTForImageClassification", seed=1).save_pretrained(folder)
    with pytest.raises(InputError) as caught:
        load_model(str(path))
    assert f"the preset file {path} for {folder}: its settings were found on weights" in str(caught.value)
    assert plain.sha256[:16] in str(caught.value)


def test_reading_imports_no_torch(tmp_path: Path) -> None:
    path = write(tmp_path, TEXT)
    code = (
        "import sys\nfrom pitome.models.registry import resolve_model\n"
        f"resolve_model({str(path)!r})\nsys.exit('torch' in sys.modules)"
    )
    root = ROOT
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
