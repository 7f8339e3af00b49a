"""After a power cut the name of a bundle points to whole files: they are on the disk before the name is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pitome.bundle import publishing as publish
from tests.pitome.bundle.publish_cases import build, complete, text_of


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[int, str]]:
    """What is flushed, each file or folder by its inode, with the text of the bundle at that time."""
    found: list[tuple[int, str]] = []
    fsync = os.fsync
    final = tmp_path / "clip-b16"

    def record(descriptor: int) -> None:
        fsync(descriptor)
        text = text_of(final) if (final / "manifest.json").exists() else ""
        found.append((os.fstat(descriptor).st_ino, text))

    monkeypatch.setattr(os, "fsync", record)
    return found


@pytest.mark.parametrize("exchange", [True, False])
@pytest.mark.parametrize("before", ["", "old"])
def test_all_is_flushed_before_the_name_and_the_name_at_the_end(
    tmp_path: Path,
    flushed: list[tuple[int, str]],
    before: str,
    exchange: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not exchange:
        monkeypatch.setattr(publish, "_exchange", lambda one, other: False)
    final = tmp_path / "clip-b16"
    if before:
        final.mkdir()
        complete(final, before)
    build(final, "new")
    inside = {final.stat().st_ino, *(path.stat().st_ino for path in final.rglob("*"))}
    assert {inode for inode, text in flushed if text == before} == inside
    assert [inode for inode, text in flushed if text == "new"] == [tmp_path.stat().st_ino]
