"""Wheels from the package index, each pinned by version and hash."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


class DownloadError(Exception):
    """pip did not download what was pinned; the text is its reason."""


def download_wheels(pinned: Mapping[str, str], folder: Path) -> list[Path]:
    """Fetch wheels into an empty folder, by the pip of this Python, and without what they depend on.

    Args:
        pinned: requirement (``"name==version"``) to sha256 of its wheel, hexadecimal.
        folder: an empty folder.

    Returns:
        The wheels, sorted by name.

    Raises:
        DownloadError: pip failed, or a file has not the pinned hash.
    """
    requirements = folder / "requirements.txt"
    lines = [f"{requirement} --hash=sha256:{sha256}\n" for requirement, sha256 in pinned.items()]
    requirements.write_text("".join(lines), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
    ]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes"]
    command += ["--dest", str(folder), "--requirement", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or len(wheels) != len(pinned):
        errors = [
            line for line in done.stderr.splitlines() if line.startswith("ERROR") or "No module" in line
        ]
        raise DownloadError(
            f"pip could not download it ({errors[-1] if errors else f'exit code {done.returncode}'})"
        )
    return wheels
