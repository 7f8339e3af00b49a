"""A hub to push to, and a bundle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub_server import Client, Hub, serving
from tests.pitome.bundle.bundle_cases import make_bundle


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving() as server:
        yield server


@pytest.fixture
def client(hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Client:
    made = Client(monkeypatch, tmp_path / "home")
    made.turn_to(hub.url)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "clip-b16")
