"""Bundles that are loaded once for a module's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pitome
from pitome.runtime.bundle import Bundle
from tests.pitome.runtime.bundles import bundle_of

Load = Callable[[str], Bundle]


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Load]:
    """The loaded bundle of a kind of `tests.pitome.runtime.bundles`."""
    opened: dict[str, Bundle] = {}

    def get(kind: str) -> Bundle:
        if kind not in opened:
            opened[kind] = pitome.load(bundle_of(tmp_path_factory, kind), threads=1)
        return opened[kind]

    yield get
    for bundle in opened.values():
        bundle.close()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three files of noise of several sizes."""
    folder, found = tmp_path_factory.mktemp("photos"), []
    numbers = np.random.default_rng(3)
    for place in range(3):
        found.append(folder / f"{place}.png")
        Image.fromarray(numbers.integers(0, 256, (40 + place, 50, 3), np.uint8)).save(found[-1])
    return found
