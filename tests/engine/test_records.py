"""Versions in records: onnxruntime has several distributions, and an environment any one of them."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import onnxruntime
import pytest

from pitome.engine.records import installed_version
from pitome.runtime.installation import DISTRIBUTIONS


def test_what_is_installed_here() -> None:
    assert installed_version("torch") == version("torch")
    assert installed_version("onnxruntime") == onnxruntime.__version__
    assert installed_version("no-such-package") is None


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_onnxruntime_by_any_of_its_distributions(
    distribution: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / f"{distribution.replace('-', '_')}-1.24.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.24.0\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])  # an environment with nothing else
    assert installed_version("onnxruntime") == "1.24.0"
    assert installed_version("torch") is None


def test_onnxruntime_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert installed_version("onnxruntime") is None
