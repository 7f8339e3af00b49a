"""A bundle from the hub: pinned, verified, from the cache where there is no connection."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pitome.bundle import read_manifest, verify_bundle
from pitome.bundle.hub import HubName, fetch_bundle, parse_hub_name
from pitome.bundle.signing import sign_bundle, verify_signature
from pitome.errors import BundleError, InputError, SignatureError
from pitome.hub_answers import HubUnreachableError
from tests import hub_server
from tests.hub_server import NOWHERE, READER, Client, Hub, serving
from tests.pitome.bundle.bundle_cases import CONTENTS, OWN, changed, make_bundle, write_raw
from tests.pitome.bundle.keys import make_keys

NAME = "org/clip-b16"


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


@pytest.fixture
def commit(hub: Hub, folder: Path) -> str:
    """Of the bundle on the hub, in a repository with other files too."""
    return hub.put_folder(NAME, folder, **{"README.md": b"---\n---", "notes/x.bin": b"large" * 1000})


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def refusal(name: str = NAME, offline: bool | None = None) -> InputError | BundleError:
    with pytest.raises((InputError, BundleError)) as caught:
        fetch_bundle(name, offline)
    assert caught.value.exit_code == 2
    return caught.value


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("org/name", HubName("org/name")),
        ("org/name@v1.0", HubName("org/name", "v1.0")),
        ("org/name@refs/pr/1", HubName("org/name", "refs/pr/1")),
        ("a-b.c/D_e", HubName("a-b.c/D_e")),
        ("name", None),
        ("org/name@", None),
        ("./org/name", None),
        ("/org/name", None),
        ("build/clip/b16", None),
        ("../name", None),
        ("org/..", None),
        ("org/na me", None),
        ("org/näme", None),
        ("~/name", None),
        ("", None),
    ],
)
def test_names(text: str, name: HubName | None) -> None:
    assert parse_hub_name(text) == name


def test_what_is_no_name_of_the_hub() -> None:
    assert str(refusal("a/b/c")) == (
        "the bundle a/b/c: it is no repository of the hub. Give org/name or org/name@revision"
    )


def test_a_bundle_is_fetched_verified_and_pinned(client: Client, commit: str) -> None:
    got = fetch_bundle(NAME)
    assert got.name == commit
    assert got.is_relative_to(client.cache)
    assert names(got) == {*CONTENTS, *OWN}  # nothing that the manifest does not list
    assert not any(path.is_symlink() for path in got.rglob("*"))
    assert verify_bundle(got).model.name == "clip-b16"
    assert not list(got.parent.glob(".*"))


def test_its_files_take_no_room_twice(client: Client, commit: str) -> None:
    blobs = {path.stat().st_ino for path in client.cache.glob("models--*/blobs/*")}
    assert blobs == set()
    got = fetch_bundle(NAME)
    blobs = {path.stat().st_ino for path in client.cache.glob("models--*/blobs/*")}
    assert {path.stat().st_ino for path in got.rglob("*") if path.is_file()} <= blobs


def test_a_branch_moves_and_a_commit_stays(client: Client, hub: Hub, folder: Path, commit: str) -> None:
    first = fetch_bundle(NAME)
    (folder / "report.html").write_text("<html>anew")
    shutil.rmtree(folder)
    make_bundle(folder)
    second = hub.put_folder(NAME, folder, other=b"x")
    assert fetch_bundle(NAME).name == second
    assert fetch_bundle(f"{NAME}@main").name == second
    assert fetch_bundle(f"{NAME}@{commit}") == first


def test_a_pinned_commit_that_is_there_asks_nobody(client: Client, hub: Hub, commit: str) -> None:
    got = fetch_bundle(f"{NAME}@{commit}")
    hub.requests.clear()
    assert fetch_bundle(f"{NAME}@{commit}") == got
    assert hub.requests == []


def test_a_second_time_nothing_is_downloaded(client: Client, hub: Hub, commit: str) -> None:
    fetch_bundle(NAME)
    hub.requests.clear()
    fetch_bundle(NAME)
    assert hub.asked("GET /lfs") == hub.asked("GET /org") == []


def test_offline(client: Client, commit: str) -> None:
    error = refusal(offline=True)
    assert isinstance(error, HubUnreachableError)
    assert error.found == "the hub is not asked (HF_HUB_OFFLINE), and the local cache has not this bundle"
    got = fetch_bundle(NAME)
    client.turn_to(NOWHERE)
    for name in (NAME, f"{NAME}@main", f"{NAME}@{commit}"):
        assert fetch_bundle(name, offline=True) == got
    client.go_offline()
    assert fetch_bundle(NAME) == got
    assert "has not this revision of it" in refusal(f"{NAME}@another").found


def test_offline_after_a_commit_the_branch_is_not_known_and_the_commit_is_named(
    client: Client, commit: str
) -> None:
    fetch_bundle(f"{NAME}@{commit}")
    error = refusal(offline=True)
    assert error.found.endswith(f"the local cache has not this revision of it, but {commit}")
    assert error.remedy == f"Give {NAME}@{commit}, or fetch it once with a connection"


def test_offline_from_what_the_hubs_own_tool_fetched(client: Client, commit: str) -> None:
    from huggingface_hub import snapshot_download

    snapshot_download(NAME)
    client.go_offline()
    assert names(fetch_bundle(NAME)) == {*CONTENTS, *OWN}


def test_offline_with_a_part_of_it(client: Client, commit: str) -> None:
    from huggingface_hub import snapshot_download

    snapshot_download(NAME, allow_patterns=["manifest*"])
    client.go_offline()
    assert "the local cache lacks model.onnx" in refusal().found
    assert not list(client.cache.glob("models--*/bundles/*"))


def test_no_connection_is_said_where_the_cache_stands_in(client: Client, commit: str) -> None:
    client.turn_to(NOWHERE)
    error = refusal()
    assert isinstance(error, HubUnreachableError)
    assert error.found.startswith("the hub can't be reached (")
    client.turn_to(NOWHERE)


def test_a_commit_of_the_cache_is_named(client: Client, hub: Hub, commit: str) -> None:
    got = fetch_bundle(NAME)
    client.turn_to(NOWHERE)
    with pytest.warns(UserWarning, match=f"can't be reached.*commit {commit} of the local cache is taken"):
        assert fetch_bundle(NAME) == got


def test_the_signature_comes_along(client: Client, hub: Hub, folder: Path, tmp_path: Path) -> None:
    private, public = make_keys(tmp_path, "own")
    signed = sign_bundle(folder, private)
    commit = hub.put_folder(NAME, folder, **{"README.md": b"a card"})
    got = fetch_bundle(NAME)
    assert verify_signature(got, public) == signed
    client.go_offline()
    assert verify_signature(fetch_bundle(f"{NAME}@{commit}"), public) == signed
    with pytest.raises(SignatureError, match="another key"):
        verify_signature(got, make_keys(tmp_path, "other")[1])


# --- what is no bundle, or a bad one ----------------------------------------------------------------------


def test_a_checkpoint_is_no_bundle(client: Client, hub: Hub) -> None:
    hub.put(NAME, {"config.json": b"{}", "model.safetensors": b"weights" * 1000})
    assert str(refusal()) == (
        f"the bundle {NAME}: it is no bundle of pitome: it has no manifest.json. Give a repository that "
        f"`pitome push` wrote. Of a checkpoint make a bundle first: `pitome engine {NAME}`"
    )
    assert not hub.asked("/resolve/")
    assert not client.cache.exists()


def test_a_manifest_of_something_else(client: Client, hub: Hub) -> None:
    hub.put(NAME, {"manifest.json": b'{"short_name": "a web page"}'})
    assert "it has no manifest.json.sha256" in refusal().found
    hub.put(NAME, {"manifest.json": b'{"short_name": "a web page"}', "manifest.json.sha256": b"0"})
    assert "manifest.json.sha256 is damaged" in refusal().found


def test_a_schema_of_the_future(client: Client, hub: Hub, folder: Path) -> None:
    write_raw(folder, json.dumps({"schema_version": 3, "pitome_version": "9.1"}).encode())
    hub.put_folder(NAME, folder)
    assert "schema_version is 3" in refusal().found
    assert refusal().remedy == "Install the pitome that wrote it (9.1), or build the bundle again"


@pytest.mark.parametrize("name", ["model.onnx", "labels.json", "plans/model.fp16.sm80.plan"])
def test_a_damaged_file(client: Client, hub: Hub, folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[:-1] + b"?")
    commit = hub.put_folder(NAME, folder)
    error = refusal()
    assert str(error).startswith(f"the bundle {NAME}: {name} is damaged: expected sha256 ")
    assert error.remedy.startswith(
        "Ask who pushed it to push it again, or give another revision; where it is"
    )
    assert not list(client.cache.glob("models--*/bundles/*"))
    assert not list(client.cache.glob("models--*/bundles/.*"))
    assert "is damaged" in refusal(f"{NAME}@{commit}").found


def test_a_missing_file_is_told_before_anything_large_is_fetched(
    client: Client, hub: Hub, folder: Path
) -> None:
    (folder / "labels.json").unlink()
    hub.put_folder(NAME, folder)
    assert refusal().found == "its manifest lists labels.json, which the repository lacks"
    assert not hub.asked("/resolve/" + "model.onnx")


def test_a_file_of_another_size_is_told_before_it_is_fetched(client: Client, hub: Hub, folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"x" * 5000)
    hub.put_folder(NAME, folder)
    assert refusal().found == "model.onnx is damaged: expected 9 bytes, the hub has 5,000 bytes"
    assert not [each for each in hub.asked("/resolve/") if each.endswith("/model.onnx")]


@pytest.mark.parametrize(("name", "size"), [("manifest.json.sha256", 2000), ("model.sig", 17 * 1024 * 1024)])
def test_what_is_too_large_is_not_fetched(
    client: Client, hub: Hub, folder: Path, name: str, size: int
) -> None:
    hub.put_folder(NAME, folder, **{name: b" " * size})
    assert f"{name} has {size:,} bytes" in refusal().found
    assert not [each for each in hub.asked("/resolve/") if each.endswith(f"/{name}")]


def test_a_tokenizer_that_fills_the_disk_is_not_fetched(
    client: Client, hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pitome.bundle import hub as module

    monkeypatch.setattr(module, "_UNSIZED_LIMIT", 1000)
    hub.put_folder(NAME, folder, **{"labels.json": b" " * 1001})
    assert refusal().found == "labels.json has 1,001 bytes, and 1,000 is the limit of such a file"
    assert not [each for each in hub.asked("/resolve/") if each.endswith("/labels.json")]


def test_names_that_lead_out(client: Client, hub: Hub, folder: Path) -> None:
    for name in ("../../escape", "/etc/passwd", ".hidden"):
        document = changed("assets.0.file", name)
        write_raw(folder, json.dumps(document).encode())
        hub.put_folder(NAME, folder, **{name: b"x"})
        assert "assets[0].file" in refusal().found


def test_a_cached_copy_that_was_changed(client: Client, commit: str) -> None:
    got = fetch_bundle(NAME)
    path = got / "model.onnx"
    path.chmod(0o644)
    path.write_bytes(b"THE GRAPH")
    for name in (NAME, f"{NAME}@{commit}"):
        error = refusal(name)
        assert "model.onnx is damaged" in error.found
        assert error.remedy.endswith(f"where it is right on the hub, delete {got.parent.parent}")


# --- refusals of the hub ----------------------------------------------------------------------------------


def test_private(client: Client, hub: Hub, folder: Path, commit: str) -> None:
    hub.repositories[NAME].private = True
    assert "the hub has no such model, or it is private (HTTP 401)" in refusal().found
    client.log_in(READER)
    assert names(fetch_bundle(NAME)) >= set(OWN)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("org/missing", "the hub has no such model, or it is private (HTTP 401)"),
        (f"{NAME}@nowhere", "the hub has no such revision (HTTP 404)"),
        (f"{NAME}@{'0' * 40}", "the hub has no such revision (HTTP 404)"),
    ],
)
def test_what_is_not_there(client: Client, commit: str, name: str, text: str) -> None:
    assert text in refusal(name).found


@pytest.mark.parametrize(
    ("status", "text"),
    [(429, "takes no more requests for now (HTTP 429)"), (500, "the hub answered with HTTP 500")],
)
def test_the_hub_is_busy(client: Client, hub: Hub, commit: str, status: int, text: str) -> None:
    hub.faults["GET /api/models"] = status
    assert text in refusal().found


@pytest.mark.parametrize("answer", [b"<html>a proxy</html>", b"[]", b"null", b"{}", b'{"siblings": 1}'])
def test_what_is_no_hub(client: Client, hub: Hub, monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    def anything(self: Any, path: str, body: bytes) -> None:
        self._answer(200, answer, Content_Type="application/json")

    monkeypatch.setattr(hub_server._Handler, "_route", anything)
    assert refusal().asked == f"the bundle {NAME}"


def test_a_cache_that_can_not_be_written(client: Client, commit: str) -> None:
    fetch_bundle(NAME)
    (bundles,) = client.cache.glob("models--*/bundles")
    shutil.rmtree(bundles)
    bundles.write_text("no folder")
    assert "can't be written (File exists)" in refusal().found


def test_what_a_killed_process_left_goes(client: Client, commit: str) -> None:
    got = fetch_bundle(NAME)
    old, young = got.parent / ".partial-old", got.parent / ".partial-young"
    old.mkdir()
    young.mkdir()
    os.utime(old, (0, 0))
    shutil.rmtree(got)
    fetch_bundle(NAME)
    assert not old.exists()
    assert young.exists()


def test_many_at_once(client: Client, commit: str) -> None:
    got: list[Path] = []
    threads = [threading.Thread(target=lambda: got.append(fetch_bundle(NAME))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.name for path in got] == [commit] * 6
    assert read_manifest(got[0]).model.name == "clip-b16"
    assert [path.name for path in got[0].parent.iterdir()] == [commit]
