"""What ``make`` would run, without running it."""

from __future__ import annotations

import os
import shlex
import subprocess

from tests.checkout import ROOT

STAMPS = (".venv/.build-ready", ".venv/.validate-ready", ".venv/.test-ready")
"""What says that .venv is as it must be; made or not, the dry run takes them as new."""
MARKER = "PITOME_MAKE_VARIABLES="
"""What a line with `pitome` in it begins with."""


def make_lines(*words: str, environment: dict[str, str] | None = None) -> list[str]:
    """The lines of shell that ``make WORDS`` runs; raises CalledProcessError where make refuses."""
    old = [f"--old-file={stamp}" for stamp in STAMPS]
    done = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", *old, *words],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        | (environment or {}),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def pitome_runs(*words: str, environment: dict[str, str] | None = None) -> list[list[str]]:
    """The arguments of every ``pitome`` that ``make WORDS`` runs."""
    lines = make_lines(*words, environment=environment)
    return [shlex.split(line)[2:] for line in lines if line.startswith(MARKER)]


def pitome_arguments(*words: str, environment: dict[str, str] | None = None) -> list[str]:
    """The arguments of the one ``pitome`` that ``make WORDS`` runs."""
    found = pitome_runs(*words, environment=environment)
    assert len(found) == 1, f"make {shlex.join(words)} runs {found}"
    return found[0]
