"""docs/runtime.md is true: its examples run, in their order, on small bundles under its names."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.checkout import ROOT
from tests.pitome.runtime.bundles import bundle_of

PAGE = (ROOT / "docs" / "runtime.md").read_text(encoding="utf-8")
PLACES = {
    "clip-b16": "clip",
    "fashion-clip": "whole-clip",
    "fashion-vit": "classifier",
    "minilm-l6": "sentence",
}
"""Bundles of the page, and what takes their place."""


def test_its_links_resolve() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target


@pytest.mark.slow
def test_its_examples_run(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """And load neither torch nor transformers."""
    (tmp_path / "build").mkdir()
    for name, kind in PLACES.items():
        (tmp_path / "build" / name).symlink_to(bundle_of(tmp_path_factory, kind))
    numbers = np.random.default_rng(0)
    for name in ("cat.jpg", "dog.jpg"):
        Image.fromarray(numbers.integers(0, 256, (50, 60, 3), np.uint8)).save(tmp_path / name)
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) == 5
    assert set(re.findall(r'"build/([\w-]+)"', PAGE)) == PLACES.keys()
    program = "\n".join(blocks)
    ending = "import sys\nprint(*sorted({'torch', 'transformers', 'onnx'} & sys.modules.keys()), 'end')\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\n{ending}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "end"
    assert "model.onnx by onnxruntime" in done.stdout
