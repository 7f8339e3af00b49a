"""Caches, locks and names that can't be used end in exit code 2, with the place, the reason and a way out."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pitome.errors import InputError
from pitome.models.packaged import cache_errors, packaged_folder
from tests.cli.command_line import Outcome, finish, pitome, start

LONG = "x" * 300


def refused(outcome: Outcome, *parts: str) -> None:
    assert outcome.code == 2, outcome.err
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    for part in parts:
        assert part in outcome.message


def with_cache(cache: str | Path) -> Outcome:
    return finish(start("engine", "minilm-l6", "--dry-run", environment={"PITOME_CACHE": str(cache)}))


def test_a_cache_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    remedy = "Name a folder that can be written with the environment variable PITOME_CACHE"
    place = f"the cache folder {tmp_path / 'cache'}"
    refused(with_cache(tmp_path / "cache"), f"{place}: ", "can't be used (File exists)", remedy)


def test_a_cache_in_which_nothing_can_be_made() -> None:
    refused(with_cache("/proc/cache"), "the cache folder /proc/cache: /proc/cache can't be used (")


def test_a_cache_in_which_no_lock_can_be_made() -> None:
    refused(with_cache("/proc"), "the cache folder /proc: /proc/minilm-l6.lock can't be used (")


def test_a_cache_whose_lock_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "minilm-l6.lock").mkdir()
    refused(with_cache(tmp_path), f"{tmp_path}/minilm-l6.lock can't be used (Is a directory)")


def test_a_cache_with_too_long_a_name(tmp_path: Path) -> None:
    refused(with_cache(tmp_path / LONG), "can't be used (File name too long)")


def test_a_cache_that_holds_everything_needs_no_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PITOME_CACHE", str(tmp_path))
    monkeypatch.setattr("pitome.models.packaged._is_complete", lambda folder: True)
    (tmp_path / "minilm-l6.lock").mkdir()
    assert packaged_folder("minilm-l6").parent == tmp_path


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EIO])
def test_what_the_system_says_of_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setenv("PITOME_CACHE", str(tmp_path))
    with pytest.raises(InputError) as caught, cache_errors():
        raise OSError(number, os.strerror(number), str(tmp_path / "file"))
    assert str(caught.value) == (
        f"the cache folder {tmp_path}: {tmp_path / 'file'} can't be used ({os.strerror(number)}). "
        "Name a folder that can be written with the environment variable PITOME_CACHE"
    )
    elsewhere = OSError(number, os.strerror(number), "/elsewhere/file")
    with pytest.raises(OSError, match="elsewhere") as other, cache_errors():
        raise elsewhere
    assert other.value is elsewhere


def test_an_unmerged_graph_in_a_cache_that_is_a_file(
    clip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "build"
    assert pitome("export", clip_folder, "--out", out, "--precision", "fp32").code == 0
    (tmp_path / "cache").touch()
    monkeypatch.setenv("PITOME_CACHE", str(tmp_path / "cache"))
    refused(
        pitome("bench", out / "clip-tiny", "--batch", "1", "--latency-seconds", "0.1"),
        f"the cache folder {tmp_path / 'cache'}: {tmp_path / 'cache'}",
        "can't be used (Not a directory)",
    )


def test_a_lock_that_is_a_folder(clip_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "clip-tiny.lock").mkdir()
    refused(
        pitome("export", clip_folder, "--out", tmp_path, "--precision", "fp32"),
        f"write {tmp_path / 'clip-tiny'}: ",
        "clip-tiny.lock cannot be written (a folder has the lock's name)",
        "Choose a folder that you can write with OUT=",
    )


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("file", "cannot be written (Not a directory)"),
        ("loop", "leads back to itself"),
        (LONG, "name too long"),
        ("\udcff", "its name holds bytes that are no UTF-8"),
    ],
)
def test_an_out_that_no_bundle_can_lie_in(clip_folder: Path, tmp_path: Path, out: str, reason: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    refused(pitome("export", clip_folder, "--out", tmp_path / out, "--precision", "fp32"), reason)


def test_an_out_where_nothing_can_be_made(clip_folder: Path) -> None:
    refused(
        pitome("export", clip_folder, "--out", "/proc/x"), "write /proc/x/clip-tiny: ", "cannot be written ("
    )


def test_an_out_where_no_lock_can_be_made(clip_folder: Path) -> None:
    """It is not taken for one that another process holds."""
    for command in ("export", "engine"):
        outcome = pitome(command, clip_folder, "--out", "/proc", "--precision", "fp32")
        refused(outcome, "write /proc/clip-tiny: /proc/clip-tiny.lock cannot be written (No such file")
        assert "another" not in outcome.message


@pytest.fixture(scope="module")
def exported(clip_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported")
    assert pitome("export", clip_folder, "--out", out, "--precision", "fp32").code == 0
    return out / "clip-tiny"


RECORDS = {"bench": "--resume", "sweep": "--out", "tune": "--records"}
"""Commands, and their option for a file that they go on with."""


NO_FILE = "the file can't be used (No such file or directory)"


@pytest.mark.parametrize(
    ("command", "place", "reason"),
    [
        ("sweep", "/proc/x", NO_FILE),
        ("tune", "/proc/x", NO_FILE),
        ("bench", "/proc/x", NO_FILE),
        ("bench", "/proc/x/y", NO_FILE),
        ("bench", "/dev/full", "it is no regular file"),
        ("bench", "folder", "the file can't be used (Is a directory)"),
        ("bench", "file/x", "the file can't be used (File exists)"),
        ("bench", "locked", "the file can't be used (Is a directory)"),
        ("bench", LONG, "the file can't be used (File name too long)"),
    ],
)
def test_records_that_cannot_be_written(
    clip_folder: Path, exported: Path, tmp_path: Path, command: str, place: str, reason: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "locked.lock").mkdir()
    (tmp_path / "file").touch()
    words = ("bench", exported) if command == "bench" else (command, clip_folder, "--task", "photos")
    outcome = pitome(*words, RECORDS[command], tmp_path / place)
    refused(outcome, f"resuming from {tmp_path / place}: {reason}. Name a file that can be written to")
    assert "Measure latency" not in outcome.err
    assert "Sweep" not in outcome.err


def test_records_that_another_process_writes_are_still_told(exported: Path, tmp_path: Path) -> None:
    from pitome.validate.resume import ResumableLog

    with ResumableLog.open(tmp_path / "x.jsonl", {}):
        outcome = pitome("bench", exported, "--resume", tmp_path / "x.jsonl", "--latency-seconds", "0.1")
    refused(outcome, f"resuming from {tmp_path / 'x.jsonl'}: another process is writing to it. Wait for it")


def test_a_preset_file_that_cannot_be_written(clip_folder: Path) -> None:
    outcome = pitome("tune", clip_folder, "--task", "photos", "--out", "/proc")
    refused(outcome, "resuming from /proc/clip-tiny.sweep.jsonl: the file can't be used (No such file")


def test_a_report_that_cannot_be_written(exported: Path) -> None:
    words = ("--task", "none", "--parity-images", "4", "--report", "/proc/x.html")
    refused(
        pitome("validate", exported, *words), "the report /proc/x.html: it can't be written (No such file"
    )


def test_names_that_are_too_long() -> None:
    refused(pitome("engine", f"org/{LONG}", "--dry-run"), "cannot be written (File name too long)")
    refused(pitome("engine", LONG, "--dry-run"), f"{LONG}: ", "File name too long")
    refused(pitome("engine", "fashion-vit", "--weights", LONG, "--dry-run"), LONG, "File name too long")
    refused(pitome("inspect", LONG), LONG)


def test_a_home_that_nobody_has() -> None:
    refused(pitome("engine", "~nobody-here/model", "--dry-run"), "there is no user of that name")
