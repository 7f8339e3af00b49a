"""A bundle holds its checkpoint's files, labels and card, and is found again wherever it is moved."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from pitome import engine
from pitome.bundle import CardRecord, Manifest, read_manifest, verify_bundle
from pitome.engine.options import BenchOptions, ExportOptions, ModelOptions, PlaceOptions, ScheduleOptions
from pitome.engine.prepare import reload
from pitome.engine.progress import Silent
from pitome.errors import BundleError, InputError
from tests.cli.command_line import contents, pitome
from tests.shared import shared_folder

FILES = {
    "preprocessor_config.json": '{"size": 32, "image_processor_type": "ViTImageProcessor"}',
    "tokenizer_config.json": "{}",
    "LICENSE": "Do what you like",
    "README.md": "---\nlicense: mit\nlanguage: en\ntags: {a: b}\ndatasets: {a: b}\n---\n# A model",
}


@pytest.fixture
def checkpoint(vit_folder: Path, tmp_path: Path) -> Path:
    """A classifier with all that comes with a model, and something that does not."""
    return checkpoint_in(tmp_path, vit_folder)


def checkpoint_in(folder: Path, classifier: Path) -> Path:
    checkpoint = Path(shutil.copytree(classifier, folder / "models" / "vit"))
    for name, text in FILES.items():
        (checkpoint / name).write_text(text)
    (checkpoint / "1_Pooling").mkdir()
    (checkpoint / "1_Pooling" / "config.json").write_text("{}")
    (checkpoint / "training_args.bin").write_bytes(b"a pickle")
    return checkpoint


@pytest.fixture
def together(vit_folder: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models/vit and its bundle build/vit, which were made elsewhere and moved here."""

    def make(folder: Path) -> None:
        exported(checkpoint_in(folder, vit_folder), folder / "build")

    return Path(shutil.copytree(shared_folder(tmp_path_factory, "model-and-bundle", make), tmp_path / "here"))


def exported(model: Path | str, out: Path, **options: object) -> Path:
    chosen = ExportOptions(
        ModelOptions(str(model), **options), ScheduleOptions(r=1), precision="fp32", place=PlaceOptions(out)
    )
    return engine.export(chosen).folder


def test_files_labels_and_facts(checkpoint: Path, tmp_path: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    names = {str(number): f"kind {6 - number}" for number in reversed(range(7))}
    (checkpoint / "config.json").write_text(json.dumps({**config, "id2label": names}))
    bundle = exported(checkpoint, tmp_path / "build")
    manifest = verify_bundle(bundle)
    assert {asset.file: asset.role for asset in manifest.assets} == {
        "1_Pooling/config.json": "sentence",
        "LICENSE": "license",
        "bom.cdx.json": "bom",
        "checkpoint_card.md": "card",
        "config.json": "config",
        "labels.json": "labels",
        "preprocessor_config.json": "processor",
        "tokenizer_config.json": "tokenizer",
    }
    for name in ("config.json", *FILES):
        kept = bundle / ("checkpoint_card.md" if name == "README.md" else name)
        assert kept.read_bytes() == (checkpoint / name).read_bytes()
    assert json.loads((bundle / "labels.json").read_text()) == [f"kind {6 - number}" for number in range(7)]
    assert manifest.model.num_labels == 7
    assert manifest.model.card == CardRecord(license="mit", languages=("en",))
    assert "the model card's datasets is left out: it is no text and no list of texts" in manifest.model.notes
    shown = pitome("inspect", bundle).out
    assert "mit, LICENSE" in shown
    assert "1 processor, 1 tokenizer, 1 sentence, 1 config, 7 labels" in " ".join(shown.split())

    # Another file, another manifest; and what stays is taken from the checkpoint as it is now.
    (checkpoint / "LICENSE").write_text("Do what I like")
    (checkpoint / "tokenizer_config.json").unlink()
    again = read_manifest(exported(checkpoint, tmp_path / "build"))
    assert {asset.file for asset in manifest.assets} - {asset.file for asset in again.assets} == {
        "tokenizer_config.json"
    }
    assert again.onnx == manifest.onnx
    assert verify_bundle(bundle) == again


def test_what_is_written_into_a_bundle_keeps_them(together: Path) -> None:
    bundle = together / "build" / "vit"
    before = verify_bundle(bundle)
    engine.bench(bundle, BenchOptions(batches=(1,), latency_seconds=0.1, record=True))
    after = verify_bundle(bundle)
    assert after.assets == before.assets
    assert "1_Pooling/config.json" in {asset.file for asset in after.assets}


def test_labels_that_can_not_be_used_are_said(checkpoint: Path, tmp_path: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    names = {str(number): "" if number == 1 else str(number) for number in range(7)}
    (checkpoint / "config.json").write_text(json.dumps({**config, "id2label": names}))
    model = read_manifest(exported(checkpoint, tmp_path / "build")).model
    assert model.num_labels is None
    found = "its name of 1 is no text of 1 to 1000 characters"
    assert f"no labels.json: the id2label of config.json can't be used, {found}" in model.notes


def test_random_weights_come_without_files(checkpoint: Path, tmp_path: Path) -> None:
    manifest = read_manifest(exported(checkpoint, tmp_path / "build", weights="random"))
    assert [asset.role for asset in manifest.assets] == ["bom"]
    assert manifest.model.notes == (
        "no processor, tokenizer, label or licence files: random weights are of no checkpoint",
    )


def test_a_file_that_can_not_be_taken_is_refused_before_anything_is_written(
    checkpoint: Path, tmp_path: Path
) -> None:
    (checkpoint / "LICENSE").unlink()
    os.mkfifo(checkpoint / "LICENSE")
    with pytest.raises(InputError, match="LICENSE: it is not a regular file"):
        exported(checkpoint, tmp_path / "build")
    assert not (tmp_path / "build").exists()


# --- where things are -------------------------------------------------------------------------------------


def found(bundle: Path, where: str | None = None) -> Path:
    folder = reload(bundle, read_manifest(bundle), Silent(), where).loaded.folder
    assert folder is not None
    return folder.resolve()


@pytest.mark.full
def test_no_byte_of_a_bundle_names_a_folder_of_the_machine(checkpoint: Path, tmp_path: Path) -> None:
    outcome = pitome(
        "engine", checkpoint, "--out", tmp_path / "build", "--precision", "fp32", "--targets", "sm80",
        "--parity-images", "2", "--batch", "1", "--latency-seconds", "0.1", "--r", "1",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    bundle = tmp_path / "build" / "vit"
    outcome = pitome("validate", bundle, "--parity-images", "2", "--task", "none", "--record")
    assert outcome.code == 0, outcome.err
    manifest = verify_bundle(bundle)
    assert manifest.model.weights.source == manifest.build.model.model == "../../models/vit"
    for name, data in contents(bundle).items():
        assert str(tmp_path).encode() not in data, name
        assert os.fsencode(Path.home() / "") not in data or str(Path.home()) == "/", name


def test_both_can_move_together(together: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert found(together / "build" / "vit") == together / "models" / "vit"


@pytest.mark.full
def test_a_model_beside_the_bundle_is_found(together: Path) -> None:
    (together / "build" / "vit").rename(together / "build" / "merged")
    (together / "models" / "vit").rename(together / "build" / "vit")
    assert found(together / "build" / "merged") == together / "build" / "vit"


def test_a_model_that_is_nowhere_has_to_be_named(together: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle, elsewhere = together / "build" / "vit", together / "elsewhere"
    (together / "models" / "vit").rename(elsewhere)
    monkeypatch.chdir("/")
    outcome = pitome("validate", bundle, "--task", "none")
    assert outcome.code == 2
    assert (
        f"the model of {bundle}: it was built from ../../models/vit (as seen from the bundle), and it is not "
        f"at {together}/models/vit or ../../models/vit. Say where the model is now with --weights FOLDER, or "
        "put it beside the bundle"
    ) in outcome.message
    assert found(bundle, str(elsewhere)) == elsewhere


def test_another_model_in_its_place_is_refused(together: Path, clip_folder: Path) -> None:
    with pytest.raises(BundleError, match="its weights had the digest"):
        found(together / "build" / "vit", str(clip_folder))


@pytest.mark.full
def test_weights_of_a_folder_beside_a_model_of_another_one(checkpoint: Path, tmp_path: Path) -> None:
    weights = Path(shutil.copytree(checkpoint, tmp_path / "weights" / "vit"))
    bundle = exported(checkpoint, tmp_path / "build", weights=str(weights))
    build = read_manifest(bundle).build.model
    assert (build.model, build.weights) == ("../../models/vit", "../../weights/vit")
    assert found(bundle) == weights
    weights.rename(tmp_path / "elsewhere")
    assert found(bundle, str(tmp_path / "elsewhere")) == tmp_path / "elsewhere"


@pytest.mark.full
def test_an_older_bundle_names_the_model_from_where_it_was_built(
    together: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, checkpoint = together / "build" / "vit", together / "models" / "vit"
    manifest = read_manifest(bundle)

    def named(text: str) -> Manifest:
        build = manifest.build.model_copy(update={"model": ModelOptions(text)})
        return manifest.model_copy(update={"build": build})

    monkeypatch.chdir(together)
    for text in ("models/vit", "./models/vit", str(checkpoint)):
        loaded = reload(bundle, named(text), Silent()).loaded
        assert loaded.folder is not None
        assert loaded.folder.resolve() == checkpoint
