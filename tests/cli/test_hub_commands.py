"""push, sign and verify as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command_line import pitome
from tests.hub_server import NOWHERE, WRITER, Client, Hub, serving
from tests.pitome.bundle.bundle_cases import CONTENTS, OWN, make_bundle
from tests.pitome.bundle.keys import make_keys

NAME = "org/clip-b16"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "clip-b16")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with serving() as server:
        Client(monkeypatch, tmp_path / "home").turn_to(server.url)
        yield server


def test_sign_and_verify(folder: Path, tmp_path: Path) -> None:
    private, public = make_keys(tmp_path, "own")
    signed = pitome("sign", folder, "--key", private)
    assert signed.code == 0, signed.err
    assert f"{folder}/model.sig is of {len(CONTENTS) + 2} files, by the key " in signed.out
    found = pitome("verify", folder, "--key", public, "--json")
    assert found.code == 0
    assert json.loads(found.out)["files"].keys() == {*CONTENTS, *OWN}
    (folder / "extra").touch()
    refused = pitome("verify", folder, "--key", public, "--json")
    assert (refused.code, json.loads(refused.out)["exit_code"]) == (2, 2)
    assert "added since it was signed: extra" in json.loads(refused.out)["error"]


@pytest.mark.parametrize("package", ["model_signing", "cryptography"])
def test_without_the_extra(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    private, _ = make_keys(tmp_path, "own")
    for name in [name for name in sys.modules if name.partition(".")[0] in (package, "model_signing")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    refused = pitome("sign", folder, "--key", private)
    assert refused.code == 2
    assert f"the Python package {package} is not installed; the extra sign brings it" in refused.message
    assert not (folder / "model.sig").exists()


def test_verify_checks_the_manifest_too(folder: Path, tmp_path: Path) -> None:
    """A signature of a damaged bundle would be one all the same."""
    from model_signing.signing import Config

    private, public = make_keys(tmp_path, "own")
    (folder / "model.onnx").write_bytes(b"another")
    Config().use_elliptic_key_signer(private_key=private).sign(folder, folder / "model.sig")
    refused = pitome("verify", folder, "--key", public)
    assert refused.code == 2
    assert "model.onnx is damaged" in refused.message


@pytest.mark.parametrize("command", ["sign", "verify"])
def test_a_key_is_asked_for(folder: Path, command: str) -> None:
    refused = pitome(command, folder)
    assert refused.code == 2
    assert "--key" in refused.message


def test_a_dry_run_shows_what_would_be_sent_and_asks_nobody(hub: Hub, folder: Path) -> None:
    shown = pitome("push", folder, NAME, "--dry-run")
    assert shown.code == 0, shown.err
    assert f"would go to {NAME}, branch main: {len(CONTENTS) + 3} files" in shown.out
    assert "plans/model.fp16.sm80.plan" in shown.out
    assert 'library_name: "pitome"' in shown.out
    document = json.loads(pitome("push", folder, NAME, "--dry-run", "--json").out)
    assert {file["file"] for file in document["files"]} == {*CONTENTS, *OWN, "README.md"}
    assert "commit" not in document
    assert hub.requests == []


def test_push(hub: Hub, folder: Path) -> None:
    done = pitome("push", folder, NAME, "--token", WRITER, "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["commit"] == hub.repositories[NAME].branches["main"]
    assert WRITER not in done.out + done.err
    told = pitome("push", folder, NAME, "--token", WRITER).out
    assert f'load it with pitome.load("{NAME}@{document["commit"]}")' in told


def test_without_a_token(hub: Hub, folder: Path) -> None:
    refused = pitome("push", folder, NAME)
    assert refused.code == 2
    assert "there is no token of the hub" in refused.message


@pytest.mark.slow
def test_in_a_process_of_its_own_with_the_hubs_own_settings(hub: Hub, folder: Path, tmp_path: Path) -> None:
    settings = {
        **{"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "another"), "HF_TOKEN": WRITER},
        **{"HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1,localhost"},
    }

    def run(code: str, **more: str) -> str:
        environment = {**os.environ, **settings, **more}
        done = subprocess.run(
            [sys.executable, "-c", code, str(folder)],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    arguments = f"sys.argv = ['pitome', 'push', sys.argv[1], '{NAME}']"
    run(f"import sys; {arguments}; from pitome.cli.main import main; main()")
    fetch = f"from pitome.bundle.hub import fetch_bundle; print(fetch_bundle('{NAME}'))"
    got = run(fetch)
    assert Path(got).name == hub.repositories[NAME].branches["main"]
    assert run(fetch, HF_ENDPOINT=NOWHERE, HF_HUB_OFFLINE="1") == got
