"""A wrong file in the place of a manifest or its digest is not read into memory."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path

import pytest

from pitome.bundle import is_bundle
from pitome.bundle.verification import weights_named
from tests.pitome.bundle.bundle_cases import OWN, document, make_bundle, refusal, write_raw

MANIFEST_LIMIT = 64 * 1024 * 1024
DIGEST_LIMIT = 1024


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "clip-b16")


def lengthen(path: Path, length: int) -> None:
    """Append zeros, which take no room on the disk."""
    os.truncate(path, length)


@pytest.mark.parametrize(("name", "limit"), [(OWN[0], MANIFEST_LIMIT), (OWN[1], DIGEST_LIMIT)])
def test_a_longer_file_is_refused_for_its_length(folder: Path, name: str, limit: int) -> None:
    lengthen(folder / name, limit + 1)
    assert refusal(folder) == (
        f"bundle {folder}: {name} is longer than {limit:,} bytes. Run `make engine` for this model again"
    )


@pytest.mark.parametrize("name", OWN)
def test_one_of_that_length_is_read(folder: Path, name: str) -> None:
    lengthen(folder / name, MANIFEST_LIMIT if name == OWN[0] else DIGEST_LIMIT)
    assert "is damaged" in refusal(folder)


def test_the_weights_of_a_longer_manifest_are_not_looked_for(folder: Path) -> None:
    data = json.dumps(document()).encode()
    named = document()["model"]["weights"]["sha256"]
    write_raw(folder, data.ljust(MANIFEST_LIMIT))
    assert weights_named(folder) == named
    write_raw(folder, data.ljust(MANIFEST_LIMIT + 1))
    assert weights_named(folder) is None


def test_a_longer_manifest_alone_makes_no_bundle(folder: Path) -> None:
    (folder / OWN[1]).unlink()
    lengthen(folder / OWN[0], MANIFEST_LIMIT)
    assert is_bundle(folder)
    lengthen(folder / OWN[0], MANIFEST_LIMIT + 1)
    assert not is_bundle(folder)


def test_the_rest_of_a_longer_file_is_not_even_read(folder: Path) -> None:
    lengthen(folder / OWN[0], 4 * MANIFEST_LIMIT)
    tracemalloc.start()
    try:
        assert "is longer than" in refusal(folder)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2 * MANIFEST_LIMIT
