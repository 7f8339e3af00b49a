"""A key, and a bundle that it signed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pitome.bundle.signing import sign_bundle
from tests.pitome.bundle.bundle_cases import make_bundle
from tests.pitome.bundle.keys import make_keys


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_keys(tmp_path_factory.mktemp("keys"), "own")


@pytest.fixture(scope="module")
def signed_once(tmp_path_factory: pytest.TempPathFactory, keys: tuple[Path, Path]) -> Path:
    made = make_bundle(tmp_path_factory.mktemp("signed") / "clip-b16")
    sign_bundle(made, keys[0])
    return made


@pytest.fixture
def signed_folder(tmp_path: Path, signed_once: Path) -> Path:
    """A bundle that is signed."""
    return Path(shutil.copytree(signed_once, tmp_path / "clip-b16"))
