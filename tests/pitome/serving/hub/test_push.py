"""What a push leaves on the hub, and what it refuses before anything is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pitome.bundle import Manifest, write_manifest
from pitome.bundle.hub import fetch_bundle
from pitome.bundle.signing import sign_bundle, verify_signature
from pitome.errors import BundleError, InputError, SignatureError
from pitome.hub_answers import HubUnreachableError
from pitome.serving.hub.push import Pushed, PushOptions, plan_push, push_bundle
from tests.hub_server import LARGE, NOWHERE, PART, READER, WRITER, Client, Hub
from tests.pitome.bundle.bundle_cases import CONTENTS, OWN, document, sha256, write_raw
from tests.pitome.bundle.keys import make_keys

NAME = "org/clip-b16"
WRITING = PushOptions(token=WRITER)


def pushed(folder: Path, **options: Any) -> Pushed:
    chosen = PushOptions(**{"token": WRITER, **options})
    return push_bundle(plan_push(folder, NAME, chosen), chosen)


def refusal(folder: Path, name: str = NAME, **options: Any) -> InputError | BundleError:
    chosen = PushOptions(**{"token": WRITER, **options})
    with pytest.raises((InputError, BundleError)) as caught:
        push_bundle(plan_push(folder, name, chosen), chosen)
    assert caught.value.exit_code == 2
    assert WRITER not in str(caught.value)
    return caught.value


def random_document() -> dict[str, Any]:
    found = document()
    found["model"]["weights"] |= {"source": "random", "random": True, "seed": 0, "revision": None}
    found["accuracy"] = []
    return found


def test_everything_is_there_in_one_commit(client: Client, hub: Hub, folder: Path) -> None:
    found = pushed(folder)
    repository = hub.repositories[NAME]
    assert not repository.private
    assert repository.branches["main"] == found.commit
    assert repository.messages == ["put there", "pitome push clip-b16"]
    assert repository.files.keys() == {*CONTENTS, *OWN, "README.md", ".gitattributes"}
    for name in (*CONTENTS, *OWN):
        assert repository.files[name] == (folder / name).read_bytes()
    assert b'library_name: "pitome"' in repository.files["README.md"]
    assert found.url == f"{hub.url}/{NAME}/commit/{found.commit}"
    assert len(hub.asked("/commit/")) == 1


def test_large_files_go_by_lfs_in_one_piece_or_in_parts(client: Client, hub: Hub, folder: Path) -> None:
    pushed(folder)
    manifest = (folder / "manifest.json").read_bytes()
    assert len(manifest) > PART
    assert hub.asked(f"PUT /lfs/{sha256(manifest)}/2")
    assert hub.asked(f"POST /lfs/{sha256(manifest)}")
    card = hub.repositories[NAME].files["README.md"]
    assert LARGE <= len(card) < PART
    assert hub.asked(f"PUT /lfs/{sha256(card)}")


def test_what_was_pushed_can_be_loaded(client: Client, folder: Path) -> None:
    commit = pushed(folder).commit
    got = fetch_bundle(f"{NAME}@{commit}")
    assert {str(path.relative_to(got)) for path in got.rglob("*") if path.is_file()} == {*CONTENTS, *OWN}


def test_a_signed_bundle_stays_signed(client: Client, folder: Path, tmp_path: Path) -> None:
    private, public = make_keys(tmp_path, "own")
    signed = sign_bundle(folder, private)
    pushed(folder)
    assert verify_signature(fetch_bundle(NAME), public) == signed


def test_again_is_no_new_commit(client: Client, hub: Hub, folder: Path) -> None:
    assert pushed(folder) == pushed(folder)
    assert len(hub.repositories[NAME].commits) == 2


def test_another_bundle_replaces_the_one_before(client: Client, hub: Hub, folder: Path) -> None:
    pushed(folder)
    found = document()
    found["graphs"][0]["plans"] = found["graphs"][0]["plans"][1:]
    found["report"] = None
    for name in ("report.html", "plans/model.fp16.sm80.plan"):
        (folder / name).unlink()
    found["build"]["plan"] |= {"backend": "tensorrt"}
    write_manifest(folder, Manifest.model_validate(found))
    assert pushed(folder).removed == ("plans/model.fp16.sm80.plan", "report.html")
    files = hub.repositories[NAME].files
    assert files.keys() >= {".gitattributes", "README.md", "model.onnx"}
    assert "report.html" not in files


def test_a_branch_is_made(client: Client, hub: Hub, folder: Path) -> None:
    found = pushed(folder, revision="v1")
    repository = hub.repositories[NAME]
    assert repository.branches["v1"] == found.commit != repository.branches["main"]
    assert repository.files.keys() == {".gitattributes"}
    assert fetch_bundle(f"{NAME}@v1").name == found.commit
    assert pushed(folder, revision="v1").commit == found.commit


def test_private(client: Client, hub: Hub, folder: Path) -> None:
    pushed(folder, private=True)
    assert hub.repositories[NAME].private
    pushed(folder, private=True)
    with pytest.raises(InputError, match="or it is private"):
        fetch_bundle(NAME)


def test_the_environment_has_the_token(client: Client, hub: Hub, folder: Path, tmp_path: Path) -> None:
    error = refusal(folder, token=None)
    assert error.found == "there is no token of the hub: nobody is logged in, and HF_TOKEN is not set"
    assert hub.requests == []
    client.log_in(WRITER)
    pushed(folder, token=None)
    assert hub.tokens_seen == {WRITER, ""} or hub.tokens_seen == {WRITER}


# --- what is not sent -------------------------------------------------------------------------------------


def test_what_is_planned_asks_nobody(client: Client, hub: Hub, folder: Path) -> None:
    plan = plan_push(folder, NAME)
    assert hub.requests == []
    assert {file.name for file in plan.files} == {*CONTENTS, *OWN, "README.md"}
    by_name = {file.name: file for file in plan.files}
    assert (by_name["model.onnx"].size, by_name["model.onnx"].sha256) == (9, sha256(CONTENTS["model.onnx"]))
    assert plan.size == sum(file.size for file in plan.files)


def test_files_of_ones_own_are_not_sent(client: Client, hub: Hub, folder: Path) -> None:
    (folder / ".env").write_text("SECRET=1")
    (folder / "README.md").write_text("mine")
    with pytest.warns(UserWarning, match="does not list"):
        plan = plan_push(folder, NAME)
    assert plan.not_sent == (".env", "README.md")
    push_bundle(plan, WRITING)
    files = hub.repositories[NAME].files
    assert ".env" not in files
    assert files["README.md"] == plan.card.encode()


def test_random_weights_need_leave(client: Client, hub: Hub, folder: Path) -> None:
    write_manifest(folder, Manifest.model_validate(random_document()))
    error = refusal(folder)
    assert str(error).startswith(f"push {folder} to {NAME}: its weights are random: ")
    assert "--allow-random" in error.remedy
    assert hub.requests == []
    pushed(folder, allow_random=True)
    assert b"Random weights" in hub.repositories[NAME].files["README.md"]


def test_a_damaged_bundle(client: Client, hub: Hub, folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"another")
    assert "model.onnx is damaged" in str(refusal(folder))
    assert hub.requests == []


def test_a_signature_of_another_state(client: Client, hub: Hub, folder: Path, tmp_path: Path) -> None:
    sign_bundle(folder, make_keys(tmp_path, "own")[0])
    write_raw(folder, (folder / "manifest.json").read_bytes().replace(b'"a1"', b'"a2"'))
    error = refusal(folder)
    assert isinstance(error, SignatureError)
    assert error.found == "changed since it was signed: manifest.json, manifest.json.sha256"
    (folder / "model.sig").write_text("{}")
    assert "model.sig is damaged" in str(refusal(folder))
    assert hub.requests == []


def test_a_bundle_whose_readme_is_the_checkpoints(client: Client, folder: Path) -> None:
    found = document()
    (folder / "README.md").write_bytes(b"a card")
    found["assets"].append({"file": "README.md", "sha256": sha256(b"a card"), "role": "card"})
    write_manifest(folder, Manifest.model_validate(found))
    assert "its README.md is the checkpoint's card" in str(refusal(folder))


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("clip-b16", {}, "clip-b16 is no name of a repository"),
        ("a/b/c", {}, "a/b/c is no name of a repository"),
        ("../clip", {}, "../clip is no name of a repository"),
        ("", {}, "is no name of a repository"),
        ("org/a b", {}, "org/a b is no name of a repository"),
        (f"{NAME}@v1", {}, f"Give {NAME} and --revision v1"),
        (NAME, {"revision": "a" * 40}, "a push makes a new commit on a branch"),
        (NAME, {"revision": ""}, "a push makes a new commit on a branch"),
        (NAME, {"token": "hf_x\ny"}, "the token holds blanks or other letters that no token has"),
        (NAME, {"token": "gehe\u00efm"}, "the token holds blanks or other letters that no token has"),
    ],
)
def test_names_and_tokens(
    client: Client, hub: Hub, folder: Path, name: str, options: dict[str, str], text: str
) -> None:
    error = str(refusal(folder, name, **options))
    assert text in error
    assert options.get("token", "no token") not in error
    assert hub.requests == []


# --- what the hub has against it --------------------------------------------------------------------------


def test_something_else_is_not_replaced(client: Client, hub: Hub, folder: Path) -> None:
    hub.put(NAME, {"config.json": b"{}", "model.safetensors": b"weights"})
    for revision in (None, "v1"):
        error = refusal(folder, revision=revision)
        assert "holds something other than a bundle (config.json, model.safetensors)" in error.found
    assert hub.repositories[NAME].branches.keys() == {"main"}
    assert not hub.asked("preupload")


def test_a_repository_with_a_card_only_is_taken(client: Client, hub: Hub, folder: Path) -> None:
    hub.put(NAME, {"README.md": b"soon"})
    pushed(folder)
    assert hub.repositories[NAME].files["README.md"] != b"soon"


def test_a_public_repository_is_not_called_private(client: Client, hub: Hub, folder: Path) -> None:
    pushed(folder)
    assert refusal(folder, private=True).found == "the repository is there and public"


@pytest.mark.parametrize(
    ("token", "name", "text"),
    [
        (READER, NAME, 'the token may not write there (HTTP 403: "'),
        ("hf_nobody", NAME, "the token may not write there (HTTP 403"),
        (WRITER, "others/clip", "the token may not write there (HTTP 403"),
    ],
)
def test_who_may_not_write(client: Client, hub: Hub, folder: Path, token: str, name: str, text: str) -> None:
    assert text in refusal(folder, name, token=token).found
    assert hub.repositories == {}


def test_who_may_read_and_not_write(client: Client, hub: Hub, folder: Path) -> None:
    pushed(folder)
    (folder / "model.sig").unlink(missing_ok=True)
    error = refusal(folder, token=READER)
    assert "the token may not write there (HTTP 403" in error.found
    assert error.found.endswith("; the revision is as it was")


@pytest.mark.parametrize(
    ("part", "status", "text"),
    [
        ("POST /api/repos/create", 401, "the hub does not take the token (HTTP 401"),
        ("POST /api/repos/create", 402, "the hub asks for payment (HTTP 402"),
        ("POST /api/models/org/clip-b16/commit", 413, "the hub finds it too large (HTTP 413"),
        ("POST /api/models/org/clip-b16/commit", 500, "the hub answered with an error (HTTP 500"),
        ("POST /api/models/org/clip-b16/preupload", 403, "the token may not write there (HTTP 403"),
        ("POST /org/clip-b16.git/info/lfs", 404, "the hub has no such repository or branch for this token"),
        ("PUT /lfs", 403, "the token may not write there (HTTP 403"),
        ("POST /org/clip-b16.git/lfs/verify", 400, "the hub answered with an error (HTTP 400"),
    ],
)
def test_an_error_on_the_way_leaves_the_revision(
    client: Client, hub: Hub, folder: Path, part: str, status: int, text: str
) -> None:
    hub.faults[part] = status
    error = refusal(folder)
    assert text in error.found
    assert error.found.endswith("; the revision is as it was")
    repository = hub.repositories.get(NAME)
    assert repository is None or repository.files.keys() == {".gitattributes"}


def test_somebody_else_pushes_meanwhile(client: Client, hub: Hub, folder: Path) -> None:
    pushed(folder)
    (folder / "report.html").write_bytes(b"<html>")
    found = document()
    found["pitome_version"] = "0.2.0"
    write_manifest(folder, Manifest.model_validate(found))
    hub.before_commit = lambda: hub.put(NAME, {"theirs": b"x"}) and None
    assert "somebody else pushed there at the same time (HTTP 412" in refusal(folder).found
    assert "theirs" in hub.repositories[NAME].files


def test_a_file_that_is_changed_while_it_is_sent(
    client: Client, hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pitome.serving.hub import push

    monkeypatch.setattr(push, "_SMALL", 8)  # else it is in memory
    plan = plan_push(folder, NAME, WRITING)
    (folder / "model.onnx").write_bytes(b"The graph" * 500)
    with pytest.raises(BundleError, match=r"model\.onnx was changed while it was sent"):
        push_bundle(plan, WRITING)
    assert hub.repositories[NAME].files.keys() == {".gitattributes"}


def test_no_connection(client: Client, folder: Path) -> None:
    client.turn_to(NOWHERE)
    error = refusal(folder)
    assert isinstance(error, HubUnreachableError)
    assert error.found.startswith("the hub can't be reached (")
    client.go_offline()
    assert refusal(folder).found == "HF_HUB_OFFLINE is set, so nothing can be sent"


@pytest.mark.parametrize("answer", [b"<html>a proxy</html>", b"[]", b"null", b"{}", b'{"files": 1}'])
def test_what_is_no_hub(
    client: Client, hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    from tests import hub_server

    def anything(self: Any, path: str, body: bytes) -> None:
        self._answer(200, answer, Content_Type="application/json")

    monkeypatch.setattr(hub_server._Handler, "_route", anything)
    assert refusal(folder).asked == f"push {folder} to {NAME}"
