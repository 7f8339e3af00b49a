"""Every command that reads a bundle refuses one that was changed, and says which file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.cli.command_line import QUICK_PLAN, contents, pitome
from tests.engine.test_main_job import FILES


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_flipped_byte(copied: Path, name: str, place: str) -> None:
    path = copied / name
    data = bytearray(path.read_bytes())
    data[{"first": 0, "middle": len(data) // 2, "last": -1}[place]] ^= 1
    path.write_bytes(data)
    outcome = pitome("inspect", copied)
    assert outcome.code == 2
    assert outcome.out == ""
    # Manifest and digest accuse each other; everything else is accused alone.
    assert f"bundle {copied}: " in outcome.message
    assert f"{name} is damaged" in outcome.message or f"{name} or manifest.json.sha256 is damaged" in (
        outcome.message
    )
    assert "Run `make engine` for this model again" in outcome.message


@pytest.mark.parametrize(
    "command",
    [("validate",), ("bench",), ("build", *QUICK_PLAN), ("compare",)],
    ids=lambda command: command[0],
)
def test_no_command_works_on_a_damaged_bundle(copied: Path, command: tuple[str, ...]) -> None:
    with (copied / "model.onnx").open("ab") as file:
        file.write(b"\0")
    before = contents(copied)
    name, *options = command
    bundles = [copied, copied] if name == "compare" else [copied]
    outcome = pitome(name, *bundles, *options)
    assert outcome.code == 2
    assert "model.onnx is damaged: expected " in outcome.message
    assert contents(copied.parent) == {f"{copied.name}/{file}": data for file, data in before.items()}


def test_missing_file(copied: Path) -> None:
    (copied / "model.fp16.onnx").unlink()
    outcome = pitome("inspect", copied)
    assert outcome.code == 2
    assert f"bundle {copied}: model.fp16.onnx is missing" in outcome.message


def test_unknown_schema_version(copied: Path) -> None:
    document = json.loads((copied / "manifest.json").read_text())
    data = json.dumps({**document, "schema_version": 99, "pitome_version": "7.0"}).encode()
    (copied / "manifest.json").write_bytes(data)
    digest = f"{hashlib.sha256(data).hexdigest()}  manifest.json\n"
    (copied / "manifest.json.sha256").write_text(digest)
    outcome = pitome("inspect", copied)
    assert outcome.code == 2
    assert "its schema_version is 99, and this pitome reads 2" in outcome.message
    assert "Install the pitome that wrote it (7.0), or build the bundle again" in outcome.message


def test_folder_that_is_no_bundle(tmp_path: Path) -> None:
    outcome = pitome("inspect", tmp_path)
    assert outcome.code == 2
    assert f"bundle {tmp_path}: it is not a bundle (it has no manifest.json)" in outcome.message
    assert "Give the folder that `make engine` wrote" in outcome.message
