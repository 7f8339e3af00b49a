"""Preset files hold the numbers that an energy's name comes to, and are held against them."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from pitome.errors import InputError
from pitome.methods import make_method
from pitome.models.families import family_of_type
from pitome.models.loading import load_model
from pitome.models.preset_file import (
    PresetEnergy,
    PresetFile,
    preset_text,
    read_preset_file,
    write_preset_file,
)
from pitome.parameters import MergeParameters, to_float32
from pitome.settings import MergeSettings, ScheduleOptions
from tests.merge_parameters import merge_parameters
from tests.pitome.models.test_preset_file import WHOLE, changed, write
from tests.tiny_models import tiny_model


def test_a_file_of_today_has_the_name_alone_and_means_it(tmp_path: Path) -> None:
    """Those of before the numbers: energy elu, and no table of what it comes to."""
    old = changed("margin = [0.9, 0.9]", 'margin = [0.9, 0.9]\nenergy = "elu"\nsplit = "alternate"')
    found = read_preset_file(write(tmp_path, old))
    assert found.energy is None
    assert numbers(found.method) == [
        merge_parameters(3, 32, 1, margin=margin, size_penalty=0.05) for margin in (0.9, 0.675, 0.45, 0.225)
    ]
    tome = old.replace('name = "pitome"', 'name = "tome"').replace("candidates = 0.1", 'candidates = "all"')
    chosen = read_preset_file(write(tmp_path, tome)).method
    assert {each and (each.order, each.split) for each in numbers(chosen)} == {("position", "alternate")}


def numbers(method: MergeSettings, num_layers: int = 4) -> list[MergeParameters | None]:
    """Of layers of 36 unprotected tokens that each merge 3."""
    mergers = [
        make_method(method, family_of_type("clip"), num_layers).merger(layer, 37, 1, 3)
        for layer in range(num_layers)
    ]
    return [merger and merger.parameters for merger in mergers]


def with_numbers(method: MergeSettings, parameters: Sequence[MergeParameters | None]) -> PresetFile:
    energy = PresetEnergy.of(parameters)
    schedule = ScheduleOptions(r=(3, 2, *(0 for _ in parameters[2:])))
    return WHOLE.model_copy(update={"method": method, "energy": energy, "schedule": schedule})


SHARP = MergeSettings("pitome", margin=(0.9, 0.9), energy="sharp")


def test_a_file_holds_the_numbers_that_its_energy_comes_to(tmp_path: Path) -> None:
    path = tmp_path / "x.preset.toml"
    preset = with_numbers(SHARP, [None, *numbers(SHARP)[1:3], None])
    write_preset_file(path, preset)
    assert tomllib.loads(path.read_text())["energy"] == {
        "num_layers": 4,
        "layers": [1, 2],
        "function": "piecewise",
        "margin": [to_float32(0.675), to_float32(0.45)],
        "offset": [to_float32(0.675), to_float32(0.45)],
        "width": [to_float32(0.01)] * 2,
        "alpha": [1.0, 1.0],
    }
    assert read_preset_file(path) == preset


def test_a_method_that_measures_no_energy_has_no_numbers() -> None:
    assert PresetEnergy.of(numbers(MergeSettings("tome"))) is None
    assert PresetEnergy.of([None, None]) is None
    mixed = PresetEnergy.of(numbers(MergeSettings("authors-2024")))
    assert mixed is not None
    assert mixed.layers == (3,)  # .95 - .95 i/4 >= .45 in the others


CONTRADICTIONS = {
    "offset": (
        ("offset = [0.675000011920929", "offset = [0.5"),
        "energy: layer 1 has offset 0.5, and by energy sharp with margin 0.9 - 0.9 i/4 it is "
        "0.675000011920929; delete the table where you change the energy or the margin of method",
    ),
    "margin of the table": (
        ("margin = [0.675000011920929", "margin = [0.67"),
        "layer 1 has margin 0.67, and by energy sharp with margin 0.9 - 0.9 i/4 it is 0.675000011920929",
    ),
    "width": (("width = [0.00999", "width = [0.02999"), "layer 1 has width 0.02999"),
    "alpha": (("alpha = [1.0, 1.0]", "alpha = [1.0, 0.5]"), "layer 2 has alpha 0.5, and by energy sharp"),
    "function": (
        ('function = "piecewise"', 'function = "gaussian"'),
        "layer 1 has function gaussian, and by energy sharp with margin 0.9 - 0.9 i/4 it is piecewise",
    ),
    "margin": (
        ("margin = [0.9, 0.9]", "margin = [0.8, 0.8]"),
        "layer 1 has margin 0.675000011920929, and by energy sharp with margin 0.8 - 0.8 i/4 it is 0.60000",
    ),
    "energy": (
        ('energy = "sharp"', 'energy = "eq4"'),
        "layer 1 has offset 0.675000011920929, and by energy eq4 with margin 0.9 - 0.9 i/4 it is 0.0",
    ),
    "no name": (
        ('energy = "sharp"\n', ""),
        "energy: it holds numbers of an energy and a margin, and method names not both",
    ),
    "number of layers": (
        ("num_layers = 4", "num_layers = 5"),
        "layer 1 has margin 0.675000011920929, and by energy sharp with margin 0.9 - 0.9 i/5 it is 0.72",
    ),
    "a layer that is not there": (
        ("layers = [1, 2]", "layers = [1, 4]"),
        "energy: layers are from 0 to 3",
    ),
    "a layer twice": (
        ("layers = [1, 2]", "layers = [1, 1]"),
        "energy: layers are not in rising order, each once",
    ),
    "a number too few": (
        ("alpha = [1.0, 1.0]", "alpha = [1.0]"),
        "energy: alpha has 1 numbers for 2 layers",
    ),
    "an unknown number": (("num_layers = 4", "num_layers = 4\nbeta = 1"), "energy.beta: unknown key"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_numbers_that_do_not_follow_from_the_name_are_refused(tmp_path: Path, case: str) -> None:
    path = tmp_path / "x.preset.toml"
    (old, new), reason = CONTRADICTIONS[case]
    text = preset_text(with_numbers(SHARP, [None, *numbers(SHARP)[1:3], None]), path)
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError) as caught:
        read_preset_file(path)
    assert str(caught.value).startswith(f"the preset file {path}: ")
    assert reason in str(caught.value)


def test_numbers_for_another_number_of_layers_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "vit-tiny"
    tiny_model("ViTForImageClassification").save_pretrained(folder)
    plain = load_model(str(folder))
    model = WHOLE.model.model_copy(
        update={"name": str(folder), "sha256": plain.sha256, "sequence_length": None, "weights": None}
    )
    path = tmp_path / "x.preset.toml"
    right = with_numbers(SHARP, numbers(SHARP, plain.family.shape(plain.model).num_layers))
    write_preset_file(path, right.model_copy(update={"model": model}))
    assert load_model(str(path)).sha256 == plain.sha256
    wrong = with_numbers(SHARP, numbers(SHARP, 6))
    write_preset_file(path, wrong.model_copy(update={"model": model}))
    with pytest.raises(InputError) as caught:
        load_model(str(path))
    assert str(caught.value) == (
        f"the preset file {path}: energy.num_layers is 6, and {folder} has 4 layers. "
        "Delete the table energy, whose numbers follow from method"
    )


def test_a_margin_over_a_file_has_its_own_numbers(tmp_path: Path) -> None:
    path = tmp_path / "x.preset.toml"
    write_preset_file(path, with_numbers(SHARP, numbers(SHARP)))
    over = MergeSettings(margin=(0.5, 0.0)).over(read_preset_file(path).method)
    found = numbers(over)
    assert all(each is not None for each in found)
    assert {(each.margin, each.offset, each.width) for each in found if each} == {
        (0.5, 0.5, to_float32(0.01))
    }
    jump = numbers(MergeSettings(energy="eq4").over(over))
    assert {(each.offset, each.width) for each in jump if each} == {(0.0, 1.0)}
