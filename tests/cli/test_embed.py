"""``pitome embed`` as a user runs it: kill -9, Ctrl-C, messages, JSON."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.command_line import finish, pitome, start
from tests.pitome.serving.embed.conftest import image_bundle, photos
from tests.pitome.serving.embed.embeddings import published, shards_of

__all__ = ["image_bundle", "photos"]

MANY = 1_500
OPTIONS = ("--shard-rows", "100", "--batch-size", "8", "--workers", "1", "--threads", "1")


@pytest.fixture
def many(photos: Path, tmp_path: Path) -> Path:
    """A list of one image so many times: enough for a run to be met at work."""
    path = tmp_path / "many.txt"
    path.write_text(f"{photos / '00.png'}\n" * MANY, encoding="utf-8")
    return path


def wait_for_shards(out: Path, process: subprocess.Popen[str], count: int = 2) -> None:
    while len(shards_of(out)) < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def descendants(process: int) -> list[int]:
    children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="utf-8")
    return [int(child) for child in children.split()]


def test_kill_9_and_on(image_bundle: Path, many: Path, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert pitome("embed", image_bundle, many, "--out", whole, *OPTIONS).code == 0
    for count in (1, 4):  # killed twice
        process = start("embed", image_bundle, many, "--out", out, *OPTIONS)
        wait_for_shards(out, process, count)
        children = descendants(process.pid)
        assert children
        process.kill()
        process.communicate()
        deadline = time.monotonic() + 20
        while any(Path(f"/proc/{child}/exe").exists() for child in children):
            assert time.monotonic() < deadline, "a process that decodes outlived the run"
            time.sleep(0.01)
        before = {path.name: path.read_bytes() for path in shards_of(out)}
        assert count <= len(before) < MANY // 100
    outcome = pitome("embed", image_bundle, many, "--out", out, *OPTIONS, "--json")
    assert outcome.code == 0
    assert outcome.document["reused_shards"] == len(before)
    assert published(out) == published(whole)


def test_ctrl_c(image_bundle: Path, many: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start("embed", image_bundle, many, "--out", out, *OPTIONS, before=os.setpgrp)
    wait_for_shards(out, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the processes that decode, too
    outcome = finish(process)
    assert outcome.code == 130
    done = len(shards_of(out))
    assert (
        f"error: stopped by SIGINT; {done} of 15 shards are in {out}: the same command goes on"
        in outcome.message
    )
    assert "Traceback" not in outcome.err
    assert pitome("embed", image_bundle, many, "--out", out, *OPTIONS).code == 0


def test_what_is_printed(image_bundle: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    outcome = pitome("embed", image_bundle, photos, "--out", out)
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[0] == "30 of 32 inputs embedded: 16 x float32, 1 shards"
    assert lines[2:] == [
        "not embedded: 1 it is none of the formats that are read",
        "not embedded: 1 it is empty",
        f"2 inputs and their reasons are in {out}/errors.parquet",
        f"wrote {out}",
    ]
    assert "left out of the folders: 1 hidden, 1 with another ending" in outcome.message
    assert "embed: 0 of 32" in outcome.message
    again = pitome("embed", image_bundle, photos, "--out", out, "--json")
    assert json.loads(again.out)["reused_shards"] == 1


def test_refusals(image_bundle: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for arguments, told in (
        ([image_bundle, photos], "Missing option"),
        ([photos, photos, "--out", out], "it is not a bundle"),
        ([image_bundle, tmp_path / "gone", "--out", out], "there is no such file or folder"),
        ([image_bundle, photos, "--out", out, "--keep", "a", "--keep", "a"], "it is given twice"),
        ([image_bundle, photos, "--out", out, "--keep", "a"], "no table is among the paths"),
        ([image_bundle, photos, "--out", out, "--column", ""], "no column is named so"),
        ([image_bundle, photos, "--out", out, "--shard-rows", "0"], "Invalid value"),
        ([image_bundle, photos, "--out", out, "--ray", "127.0.0.1:1"], "there is no cluster to join"),
        ([image_bundle, photos, "--out", "/proc/x"], "it can't be made"),
    ):
        outcome = pitome("embed", *arguments)
        assert (outcome.code, outcome.out) == (2, "")
        assert told in outcome.message or told.lower() in outcome.message, outcome.message
        assert not out.exists()
