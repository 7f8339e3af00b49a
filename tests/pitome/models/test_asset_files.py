"""A bundle keeps a checkpoint's files byte for byte, and none that is not the checkpoint's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pitome.errors import InputError
from pitome.models import asset_files
from pitome.models.asset_files import asset_names, asset_role, read_assets

KEPT = {
    "config.json": "config",
    "preprocessor_config.json": "processor",
    "processor_config.json": "processor",
    "tokenizer.json": "tokenizer",
    "tokenizer_config.json": "tokenizer",
    "special_tokens_map.json": "tokenizer",
    "added_tokens.json": "tokenizer",
    "vocab.txt": "tokenizer",
    "vocab.json": "tokenizer",
    "merges.txt": "tokenizer",
    "spiece.model": "tokenizer",
    "sentencepiece.bpe.model": "tokenizer",
    "modules.json": "sentence",
    "sentence_bert_config.json": "sentence",
    "config_sentence_transformers.json": "sentence",
    "1_Pooling/config.json": "sentence",
    "2_Dense/config.json": "sentence",
    "README.md": "card",
    "LICENSE": "license",
    "LICENCE.txt": "license",
    "License.md": "license",
    "LICENSE-APACHE": "license",
    "NOTICE": "license",
    "COPYING": "license",
}
LEFT = (
    "model.safetensors",
    "pytorch_model.bin",
    "training_args.bin",
    "optimizer.pt",
    "modeling_custom.py",
    "licenses.py",
    "2_Dense/model.safetensors",
    "checkpoint-500/config.json",
    "manifest.json",
    "report.html",
    "labels.json",
    ".gitattributes",
    "LICENSE-../../../etc/passwd",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (*KEPT, *LEFT[:-1]):
        path = tmp_path / "checkpoint" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"of {name} \0\xff".encode("latin-1"))
    return tmp_path / "checkpoint"


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_assets(folder)
    return str(caught.value)


def test_what_is_kept_and_as_what(folder: Path) -> None:
    found = {file.name: file for file in read_assets(folder)}
    in_checkpoint = {"checkpoint_card.md": "README.md"}
    assert {in_checkpoint.get(name, name): file.role for name, file in found.items()} == KEPT
    for name, file in found.items():
        assert file.content == (folder / in_checkpoint.get(name, name)).read_bytes()
    assert asset_names([*KEPT, *LEFT]) == sorted(KEPT)
    assert {asset_role(name) for name in LEFT} == {None}


def test_a_name_that_no_bundle_takes_is_changed(folder: Path) -> None:
    for name in ("LICENSE (MIT).txt", "LICENSE [MIT].txt", "Licence \u00fc"):
        (folder / name).write_text(name)
    found = {file.name: file.content.decode("latin-1") for file in read_assets(folder)}
    assert found["LICENSE-MIT-.txt"] == "LICENSE (MIT).txt"
    assert found["LICENSE-MIT-.txt-2"] == "LICENSE [MIT].txt"
    assert found["Licence-"] == "Licence \u00c3\u00bc"


@pytest.mark.parametrize("name", ["tokenizer.json", "LICENSE", "README.md", "1_Pooling/config.json"])
def test_what_is_no_file_of_the_checkpoint_is_refused(folder: Path, name: str) -> None:
    path = folder / name
    outside = folder.parent / "secret"
    outside.write_text("a key")
    path.unlink()
    path.symlink_to(outside)
    assert refusal(folder) == (
        f"the file {path}: it is a link that leads out of the checkpoint. "
        "Put the file there, or remove the link"
    )
    path.unlink()
    os.mkfifo(path)
    assert f"the file {path}: it is not a regular file" in refusal(folder)
    path.unlink()
    path.symlink_to("/dev/zero")
    assert "it is a link that leads out of the checkpoint" in refusal(folder)
    path.unlink()
    path.symlink_to("gone")
    assert f"the file {path}: it can't be read (No such file" in refusal(folder)
    path.unlink()
    path.symlink_to(path.name)
    assert f"the file {path}: it can't be read (Too many levels" in refusal(folder)
    path.unlink()
    path.mkdir()
    assert f"the file {path}: it is not a regular file" in refusal(folder)


def test_a_pointer_of_git_lfs_is_not_the_file(folder: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n"
    (folder / "tokenizer.json").write_bytes(pointer)
    assert refusal(folder) == (
        f"the file {folder}/tokenizer.json: it is a pointer of Git LFS, not the file itself. "
        "Run `git lfs pull` in the checkpoint"
    )


def test_a_file_has_a_longest_length(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asset_files, "_USUAL_LIMIT", 1000)
    (folder / "LICENSE").write_bytes(b" " * 1000)
    assert read_assets(folder)
    (folder / "LICENSE").write_bytes(b" " * 1001)
    assert f"the file {folder}/LICENSE: it is longer than 1,000 bytes" in refusal(folder)


def test_a_folder_has_a_largest_number_of_files(folder: Path) -> None:
    for number in range(70):
        (folder / f"LICENSE.{number}").touch()
    assert "94 are named as processor, tokenizer or licence; 64 is the limit" in refusal(folder)


def test_links_of_the_hub_s_cache_are_files_of_the_checkpoint(folder: Path) -> None:
    repository = folder.parent / "models--org--name"
    (repository / "blobs").mkdir(parents=True)
    snapshot = repository / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (repository / "blobs" / "1").write_text("{}")
    (snapshot / "tokenizer.json").symlink_to("../../blobs/1")
    assert [(file.name, file.content) for file in read_assets(snapshot)] == [("tokenizer.json", b"{}")]
    (repository / "secret").write_text("a key")
    (snapshot / "LICENSE").symlink_to("../../secret")
    assert "it is a link that leads out of the checkpoint" in refusal(snapshot)


def test_a_link_inside_of_the_checkpoint_is_as_good_as_the_file(folder: Path) -> None:
    (folder / "LICENSE").unlink()
    (folder / "LICENSE").symlink_to("NOTICE")
    assert {file.name: file.content for file in read_assets(folder)}["LICENSE"] == b"of NOTICE \0\xff"
