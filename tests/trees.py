"""A copy of the checkout as git has it, links included."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.checkout import ROOT


def copy_of_the_checkout(folder: Path) -> Path:
    """Tracked files and those not yet tracked; nothing that is built."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        target = folder / name
        if (ROOT / name).exists():  # deleted, but not yet for git
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target, follow_symlinks=False)
    return folder
