"""`make X` and `pitome X` in a text are commands that there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import typer.main

from pitome.cli.main import app
from tests.checkout import ROOT

PLACES = ("README.md", "docs", "pitome", "cli", "engine", "export", "validate", "plugins", "examples")
COMMAND = re.compile(
    r"`(make|pitome) ([a-z][a-z-]*)|^(?:    |\$ )?(make|pitome) ([a-z][a-z-]*)", re.MULTILINE
)


def texts() -> Iterator[tuple[Path, str]]:
    for place in PLACES:
        path = ROOT / place
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        for file in files:
            if file.suffix in (".py", ".md", ".j2", ".toml") and file.is_file():
                yield file, file.read_text(encoding="utf-8")


def test_every_command_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    known = {
        "make": set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE)),
        "pitome": set(typer.main.get_group(app).commands),
    }
    unknown = [
        f"{file.relative_to(ROOT)}: {program} {name}"
        for file, text in texts()
        for program, name in (
            (found[1] or found[3], found[2] or found[4]) for found in COMMAND.finditer(text)
        )
        if name not in known[program]
    ]
    assert unknown == []


def test_the_pattern_finds_commands() -> None:
    found = [match[0] for match in COMMAND.finditer("run `make engine` or `pitome build x`\nmake help\n")]
    assert found == ["`make engine", "`pitome build", "make help"]
