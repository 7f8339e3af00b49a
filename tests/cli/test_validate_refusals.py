"""``pitome validate``: what can't be done is refused first, before minutes of parity."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.command_line import pitome

LONG = ("--parity-images", "100000")
"""Parity on so many images would outlast the test."""


@pytest.fixture(scope="module")
def exported(clip_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("refused")
    outcome = pitome("export", clip_folder, "--out", out, "--precision", "fp32", "--ratio", "0.8")
    assert outcome.code == 0, outcome.err
    return out / "clip-tiny"


def refusal(bundle: Path, *options: str | Path, loaded: bool = False) -> str:
    """The message, after parity was seen not to begin, nor the model to be loaded where it need not be."""
    outcome = pitome("validate", bundle, *LONG, *options)
    assert outcome.code == 2, outcome.err
    assert "Check parity" not in outcome.err
    assert ("Load " in outcome.err) == loaded
    assert not bundle.with_name(f"{bundle.name}.validation.html").exists()
    return outcome.message


def test_a_task_of_no_name(exported: Path) -> None:
    message = refusal(exported, "--task", "typo")
    assert "error: the task typo: there is none of this name. Choose one of r8, r52, " in message
    assert "photos, photos-all, images:FOLDER, texts:FILE, imagefolder:FOLDER, hf:NAME" in message
    alone = refusal(exported, "--task", "none", "--task", "photos")
    assert "the task none and the task photos: none stands for no task at all. Give none alone" in alone
    message = refusal(exported, "--task", "imagefolder:")
    assert "error: the task imagefolder: it does not say on which data. Write imagefolder:FOLDER" in message


def test_a_task_that_does_not_fit_the_model(exported: Path) -> None:
    message = refusal(exported, "--task", "photos", "--task", "r8", loaded=True)
    assert (
        "error: the task r8 with clip-tiny: it needs a text encoder, and the model computes "
        "image-embedding. Choose photos" in message
    )


def test_a_place_that_cannot_be_recorded_into(exported: Path) -> None:
    lock = exported.with_name(f"{exported.name}.lock")
    lock.unlink(missing_ok=True)
    lock.mkdir()
    try:
        assert "cannot be written (a folder has the lock's name)" in refusal(exported, "--record")
    finally:
        lock.rmdir()


def test_the_folder_that_one_is_in(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(exported)
    outcome = pitome("validate", ".", *LONG, "--task", "typo")
    assert outcome.code == 2
    assert "the task typo: there is none of this name" in outcome.message
    assert "it is not a bundle" in pitome("validate", "/", "--task", "none").message


def test_data_that_is_not_there(exported: Path, tmp_path: Path) -> None:
    message = refusal(exported, "--data", tmp_path / "nothing")
    assert f"error: the data in {tmp_path / 'nothing'}: there is no such folder. Choose another" in message
    assert "nothing" in refusal(exported, "--task", f"imagefolder:{tmp_path / 'nothing'}", loaded=True)


def test_thresholds_and_sweeps_that_cannot_be_read(exported: Path, tmp_path: Path) -> None:
    message = refusal(exported, "--thresholds", tmp_path / "limits.toml")
    assert "limits.toml: the file can't be read (No such file or directory)" in message
    message = refusal(exported, "--sweep", tmp_path / "a.jsonl")
    assert "a.jsonl: it is no file of `pitome sweep`" in message


def test_a_page_that_cannot_be_written(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for page, reason in (
        (tmp_path, "Is a directory"),
        (tmp_path / "file" / "page.html", "Not a directory"),
        (tmp_path / ("n" * 300), "File name too long"),
    ):
        message = refusal(exported, "--report", page)
        assert f"the report {page}: it can't be written ({reason}). Choose another --report" in message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"], "nothing is left behind"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_page_in_a_folder_that_is_read_only(exported: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert f"(no permission to write {tmp_path})" in refusal(exported, "--report", tmp_path / "page.html")
