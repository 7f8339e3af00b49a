"""Wheels come from the index once, complete and with the pinned hash, or not at all."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pitome.plugins.tools.pinned_wheels import Pinned, Unusable, Wheel, fetch
from tests.plugins.fake_installations import index_is, put_wheel

TOOLS = Pinned("tools-1.0", (), "some_tools/data/", 7, 8, machine=None)
FILES = {
    "some_tools/data/bin/tool": "#!/bin/sh\n",
    "some_tools/data/share/text": "text",
    "some_tools/code.py": "",
}


@pytest.fixture(autouse=True)
def package_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    index_is(tmp_path / "wheels", monkeypatch)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_wheel_is_unpacked_once(tmp_path: Path, cache: Path, said: list[str]) -> None:
    wheel = put_wheel(tmp_path / "wheels", FILES, executable="some_tools/data/bin/tool")
    tools = replace(TOOLS, wheels=(wheel,))
    folder = fetch(tools, cache, said.append)
    assert sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()) == [
        "bin/tool",
        "share/text",
    ]
    subprocess.run([folder / "bin/tool"], check=True)
    assert not (folder / "share/text").stat().st_mode & 0o111
    assert list(cache.iterdir()) == [folder]
    assert said == [f"downloading some-tools==1.0 from PyPI (7 MB, unpacked 8 MB) to {folder}"]
    next((tmp_path / "wheels").glob("*.whl")).unlink()  # no network any more
    assert fetch(tools, cache, said.append) == folder
    assert len(said) == 1


def test_wheel_of_another_hash_is_refused(tmp_path: Path, cache: Path, said: list[str]) -> None:
    wheel = put_wheel(tmp_path / "wheels", FILES)
    other = replace(TOOLS, wheels=(replace(wheel, sha256="0" * 64),))
    with pytest.raises(Unusable, match=r"pip could not download it .*DO NOT MATCH THE HASHES"):
        fetch(other, cache, said.append)
    assert list(cache.iterdir()) == []


def test_another_hash_is_another_folder(cache: Path) -> None:
    one, other = (replace(TOOLS, wheels=(Wheel("some-tools", "1.0", digit * 64),)) for digit in "01")
    assert one.folder(cache) != other.folder(cache)


def test_unfinished_download_does_not_count(tmp_path: Path, cache: Path, said: list[str]) -> None:
    (cache / "making-abc" / "unpacked" / "some_tools" / "data").mkdir(parents=True)
    tools = replace(TOOLS, wheels=(put_wheel(tmp_path / "wheels", FILES),))
    assert (fetch(tools, cache, said.append) / "share/text").read_text() == "text"


def test_cache_that_cannot_be_written(tmp_path: Path, said: list[str]) -> None:
    file = tmp_path / "file"
    file.touch()
    tools = replace(TOOLS, wheels=(put_wheel(tmp_path / "wheels", FILES),))
    with pytest.raises(Unusable, match=f"can't write to {file}/cache: Not a directory"):
        fetch(tools, file / "cache", said.append)


def test_wheels_of_another_machine_are_not_tried(cache: Path, said: list[str]) -> None:
    with pytest.raises(Unusable, match="the pinned wheels are for Linux on riscv128, this is "):
        fetch(replace(TOOLS, machine="riscv128"), cache, said.append)
    assert said == []
