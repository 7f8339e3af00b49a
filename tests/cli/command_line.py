"""Run ``pitome`` in this process, which is quick, or in one of its own, which is how a user runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from pitome.cli.main import app
from tests.checkout import ROOT

QUICK = ("--parity-images", "4", "--batch", "1", "--batch", "2", "--latency-seconds", "0.2")
"""Options of ``pitome engine`` that check and measure little."""
QUICK_PLAN = ("--precision", "fp32", "--targets", "sm80")
"""Options of a plan that is built quickly: no second graph, code for one GPU."""
START = "from pitome.cli.main import main; main()"


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def message(self) -> str:
        """Stderr in one line, without the frames and line breaks that a terminal's width adds."""
        text = "".join(" " if "─" <= character <= "╿" else character for character in self.err)
        return " ".join(text.split())

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


def pitome(*arguments: str | Path) -> Outcome:
    """``pitome ARGUMENTS`` in this process; an error other than a readable one is raised."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    return Outcome(result.exit_code, result.stdout, result.stderr)


def start(
    *arguments: str | Path,
    code: str = START,
    environment: dict[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> subprocess.Popen[str]:
    """``pitome ARGUMENTS`` as a process of its own; ``code`` is the Python that starts it."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        preexec_fn=lambda: _prepare(before),
    )


def _prepare(before: Callable[[], None] | None) -> None:
    """Signals as a terminal's user has them: a test run behind nohup or & inherits some as ignored."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    if before is not None:
        before()


def finish(process: subprocess.Popen[str]) -> Outcome:
    """Wait for a process of ``start``."""
    out, err = process.communicate(timeout=1800)  # only what hangs takes so long
    return Outcome(process.returncode, out, err)


def make_variables() -> list[str]:
    """The variables that the Makefile hands on as options."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return re.findall(r"^#(?:engine|sweep|validate): *([A-Z_]+)\|", makefile, re.MULTILINE)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
