"""`pitome.load` by the name of a repository: a folder goes first, and a typing error is told as one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pitome
from pitome.errors import BundleError, InputError
from pitome.runtime.place import bundle_folder
from tests.hub_server import NOWHERE, Client, serving
from tests.pitome.runtime.bundles import bundle_of

PIXELS = {"pixel_values": np.zeros((1, 3, 32, 32), np.float32)}


def test_a_folder_goes_before_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "org" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    for place in ("org/name", Path("org/missing"), "./org/missing", "/a/b/c", "x", ""):
        assert bundle_folder(place, offline=True) == Path(place)


def test_what_is_nowhere_is_said_of_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Client(monkeypatch, tmp_path / "home").turn_to(NOWHERE)
    with pytest.raises(InputError) as error:
        pitome.load("build/clip-b61", offline=True)
    assert "there is no such folder here, and of the hub's repositories: " in str(error.value)
    with pytest.raises(BundleError, match="there is no such folder"):
        pitome.load("./build/clip-b61")


@pytest.mark.parametrize("place", [None, 3, b"build/clip-b16", "build/clip\0-b16", ["build"]])
def test_what_is_no_path(place: object) -> None:
    with pytest.raises(InputError, match=r"it is no path\. Give a path, such as build/clip-b16"):
        pitome.load(place)  # type: ignore[arg-type]


@pytest.mark.slow
def test_from_the_hub_and_without_it(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = bundle_of(tmp_path_factory, "clip")
    with pitome.load(folder, threads=1) as bundle:
        wanted = bundle.run(PIXELS)["image_embeds"]
    client = Client(monkeypatch, tmp_path / "home")
    monkeypatch.chdir(tmp_path)
    with serving() as hub:
        client.turn_to(hub.url)
        commit = hub.put_folder("org/clip", folder)
        with pitome.load("org/clip", threads=1) as bundle:
            np.testing.assert_array_equal(bundle.run(PIXELS)["image_embeds"], wanted)
        with pytest.raises(InputError, match="no such revision"):
            pitome.load("org/clip@never")
    client.turn_to(NOWHERE)
    client.go_offline()
    for place in ("org/clip", f"org/clip@{commit}"):
        with pitome.load(place, threads=1) as bundle:
            np.testing.assert_array_equal(bundle.run(PIXELS)["image_embeds"], wanted)
    with pytest.raises(InputError, match="the local cache has not this bundle"):
        pitome.load("org/other")
