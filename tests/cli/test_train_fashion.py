"""examples/train_fashion.py: what it refuses before it opens a data set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import ROOT


@pytest.mark.parametrize(("limit", "steps"), [("2", 0), ("4", 2)])
def test_fewer_images_than_its_learning_rate_needs(tmp_path: Path, limit: str, steps: int) -> None:
    script = ROOT / "examples" / "train_fashion.py"
    done = subprocess.run(
        [sys.executable, script, "--limit", limit, "--batch", "4", "--out", tmp_path / "out"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=600,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: training on {limit} images with --batch 4: a stage has {steps} steps, and its learning rate "
        "needs 3 to rise and fall. Give --limit 12 or more, or a smaller --batch\n"
    )
    assert not (tmp_path / "out").exists()
