"""Builds of a small bundle, in this process and in a child that may be killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from pitome.bundle.publishing import build_folder
from tests.checkout import ROOT

# What a child process runs: it writes a bundle to argv[1], with BODY in the middle.
CHILD = """
import os, signal, sys, time
from pathlib import Path
from pitome.bundle import publishing as publish
from pitome.errors import PitomeError
from tests.pitome.bundle.publish_cases import complete
final = Path(sys.argv[1])
try:
    {before}
    with publish.build_folder(final) as folder:
        complete(folder, "new")
        {body}
except PitomeError as error:
    sys.exit(str(error))
"""


def complete(folder: Path, text: str) -> None:
    """Write what makes a folder a bundle, as far as publishing looks at it."""
    (folder / "plans").mkdir()
    (folder / "plans" / "model.plan").write_text(text)
    (folder / "manifest.json").write_text('{"pitome_version": "0.1.0"}')
    (folder / "manifest.json.sha256").write_text("its digest")


def text_of(final: Path) -> str:
    return (final / "plans" / "model.plan").read_text()


def beside(final: Path) -> set[str]:
    """List what lies in the folder that holds the bundle, the bundle itself left out."""
    return {path.name for path in final.parent.iterdir()} - {final.name}


def start_child(final: Path, body: str, before: str = "pass") -> subprocess.Popen[str]:
    script = CHILD.format(before=before, body=body)
    return subprocess.Popen(
        [sys.executable, "-c", script, str(final)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_line(child: subprocess.Popen[str]) -> None:
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"


WAIT = "print('ready', flush=True); sys.stdin.read()"


def build(final: Path, text: str, body: Callable[[Path], object] = lambda folder: None) -> None:
    """Build a bundle that holds a text, and do something else before it is complete."""
    with build_folder(final) as folder:
        complete(folder, text)
        body(folder)


def check_next_build(final: Path) -> None:
    with build_folder(final) as folder:
        complete(folder, "next")
    assert text_of(final) == "next"
    assert beside(final) == {"clip-b16.lock"}
