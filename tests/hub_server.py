"""A stand-in of the hub: its HTTP interface for models, as far as huggingface_hub speaks it, with uploads.

Repositories have branches and commits; small files go into a commit as they are, large ones by Git LFS with
one PUT or in parts, as the real hub asks for it. What a request may do depends on its token. Everything that
was asked is in ``requests``, and ``faults`` makes the answers to some of it errors.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

WRITER, READER = "hf_writer", "hf_reader"
"""Tokens: of who may write into ``org``, and of who may read all that is private there."""
LARGE = 1024
"""Bytes from which on a file goes by Git LFS."""
PART = 3000
"""Bytes of a part, of what is longer than this."""
ATTRIBUTES = {".gitattributes": b"*.onnx filter=lfs\n"}


@dataclass
class Repository:
    """A repository of a model."""

    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """The files of each, by its digest."""
    branches: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def commit(self, branch: str, files: dict[str, bytes], message: str) -> str:
        """Make files the content of a branch."""
        told = f"{branch} {message} {len(self.commits)} {sorted(files)}"
        sha = hashlib.sha1(told.encode(), usedforsecurity=False).hexdigest()
        self.commits[sha] = dict(files)
        self.branches[branch] = sha
        self.messages.append(message)
        return sha

    def at(self, revision: str) -> str | None:
        """The commit that a branch or a commit is."""
        return self.branches.get(revision, revision if revision in self.commits else None)

    @property
    def files(self) -> dict[str, bytes]:
        """The content of main."""
        return self.commits[self.branches["main"]]


class Hub(ThreadingHTTPServer):
    """The server with all that it knows."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Repository] = {}
        self.large: dict[str, bytes] = {}
        self.parts: dict[tuple[str, int], bytes] = {}
        self.requests: list[str] = []
        self.tokens_seen: set[str] = set()
        self.faults: dict[str, int] = {}
        """Status by a part of ``METHOD /path``."""
        self.before_commit: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def storage(self) -> str:
        """Of large files: another host, as of the real hub, whose answers have no headers of the hub."""
        return f"http://localhost:{self.server_port}"

    def put(self, name: str, files: dict[str, bytes], private: bool = False) -> str:
        """A repository with these files; its commit."""
        repository = self.repositories.setdefault(name, Repository(private))
        return repository.commit("main", ATTRIBUTES | files, "put there")

    def put_folder(self, name: str, folder: Path, **extra: bytes) -> str:
        """A repository with the files of a folder."""
        paths = [path for path in folder.rglob("*") if path.is_file()]
        return self.put(name, {str(path.relative_to(folder)): path.read_bytes() for path in paths} | extra)

    def asked(self, text: str) -> list[str]:
        """The requests that have a text in them."""
        return [each for each in self.requests if text in each]


class _Refused(Exception):
    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        self.status, self.code, self.message = status, code, message


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, status: int, body: bytes | Any = b"", **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        if not isinstance(body, bytes):
            headers["Content-Type"] = "application/json"
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _work(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        path = unquote(urlsplit(self.path).path).strip("/")
        told = f"{self.command} /{path}"
        self.server.requests.append(told)
        self.token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        self.server.tokens_seen.add(self.token)
        try:
            for part, status in self.server.faults.items():
                if part in told:
                    raise _Refused(status)
            self._route(path, body)
        except _Refused as refused:
            headers = {"X_Error_Code": refused.code} if refused.code else {}
            if refused.message:
                headers["X_Error_Message"] = refused.message
            self._answer(refused.status, {"error": refused.message or "no"}, **headers)

    do_GET = do_HEAD = do_POST = do_PUT = _work

    def _route(self, path: str, body: bytes) -> None:
        for method, pattern, work in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match and self.command in method:
                return work(self, *match.groups(), body)
        raise _Refused(404)

    def _repository(self, name: str, write: bool = False) -> Repository:
        found = self.server.repositories.get(name)
        readable = found is not None and (not found.private or self.token in (WRITER, READER))
        if found is None or not readable:
            raise _Refused(404 if self.token else 401, "RepoNotFound", "Repository not found")
        if write and self.token != WRITER:
            raise _Refused(403 if self.token else 401, "", "You do not have write access")
        return found

    def _commit(self, repository: Repository, revision: str) -> str:
        sha = repository.at(revision)
        if sha is None:
            raise _Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return sha

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        if self.token != WRITER:
            raise _Refused(403 if self.token else 401, "", "You don't have the rights to create a model")
        if asked.get("organization") != "org":
            raise _Refused(403, "", "You don't have the rights to create a model under this namespace")
        name = f"{asked['organization']}/{asked['name']}"
        if name in self.server.repositories:
            raise _Refused(409, "", "You already created this model repo")
        self.server.put(name, {}, private=asked.get("visibility") == "private")
        self._answer(200, {"url": f"{self.server.url}/{name}"})

    def info(self, name: str, revision: str | None, _: bytes) -> None:
        repository = self._repository(name)
        sha = self._commit(repository, revision or "main")
        siblings = [
            {"rfilename": path, "size": len(data), "blobId": _git_digest(data)}
            for path, data in repository.commits[sha].items()
        ]
        self._answer(200, {"id": name, "sha": sha, "private": repository.private, "siblings": siblings})

    def tree(self, name: str, revision: str, _: bytes) -> None:
        repository = self._repository(name)
        files = repository.commits[self._commit(repository, revision)]
        self._answer(200, [_leaf(path, data) for path, data in files.items()])

    def branch(self, name: str, branch: str, _: bytes) -> None:
        repository = self._repository(name, write=True)
        if branch in repository.branches:
            raise _Refused(409, "", "Reference already exists")
        repository.branches[branch] = repository.branches["main"]
        self._answer(201, {})

    def preupload(self, name: str, revision: str, body: bytes) -> None:
        repository = self._repository(name, write=True)
        there = repository.commits[self._commit(repository, revision)]
        files = []
        for each in json.loads(body)["files"]:
            data = there.get(each["path"])
            mode = "lfs" if each["size"] >= LARGE else "regular"
            oid = None
            if data is not None:
                oid = hashlib.sha256(data).hexdigest() if mode == "lfs" else _git_digest(data)
            files.append({"path": each["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self._answer(200, {"files": files})

    def batch(self, name: str, body: bytes) -> None:
        self._repository(name, write=True)
        asked = json.loads(body)
        assert asked["operation"] == "upload"
        objects = []
        for each in asked["objects"]:
            oid, size = each["oid"], each["size"]
            found: dict[str, Any] = {"oid": oid, "size": size}
            if oid not in self.server.large:
                upload: dict[str, Any] = {"href": f"{self.server.storage}/lfs/{oid}"}
                if size > PART:
                    count = -(-size // PART)
                    urls = {str(n): f"{self.server.storage}/lfs/{oid}/{n}" for n in range(1, count + 1)}
                    upload["header"] = {"chunk_size": str(PART), **urls}
                verify = {"href": f"{self.server.url}/{name}.git/lfs/verify"}
                found["actions"] = {"upload": upload, "verify": verify}
            objects.append(found)
        self._answer(200, {"transfer": "basic", "objects": objects})

    def put_large(self, oid: str, body: bytes) -> None:
        if hashlib.sha256(body).hexdigest() != oid:
            raise _Refused(400)
        self.server.large[oid] = body
        self._answer(200)

    def put_part(self, oid: str, number: str, body: bytes) -> None:
        self.server.parts[oid, int(number)] = body
        self._answer(200, ETag=f'"{hashlib.sha256(body).hexdigest()}"')

    def complete(self, oid: str, body: bytes) -> None:
        asked = json.loads(body)
        whole = b"".join(self.server.parts[oid, part["partNumber"]] for part in asked["parts"])
        assert hashlib.sha256(whole).hexdigest() == oid == asked["oid"]
        self.server.large[oid] = whole
        self._answer(200, {})

    def verify(self, _: str, body: bytes) -> None:
        asked = json.loads(body)
        if len(self.server.large[asked["oid"]]) != asked["size"]:
            raise _Refused(400)
        self._answer(200, {})

    def commit(self, name: str, branch: str, body: bytes) -> None:
        self.server.before_commit()
        repository = self._repository(name, write=True)
        if branch not in repository.branches:
            raise _Refused(404, "RevisionNotFound", "Invalid branch")
        head = repository.branches[branch]
        files = dict(repository.commits[head])
        message = ""
        for line in body.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "header":
                message = value["summary"]
                if value.get("parentCommit", head) != head:
                    raise _Refused(412, "", "A commit has happened since. Please refresh and try again.")
            elif item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                files[value["path"]] = self.server.large[value["oid"]]
            else:
                assert item["key"] == "deletedFile", item
                del files[value["path"]]
        sha = repository.commit(branch, files, message)
        self._answer(200, {"commitUrl": f"{self.server.url}/{name}/commit/{sha}", "commitOid": sha})

    def validate_card(self, body: bytes) -> None:
        import yaml

        content = json.loads(body)["content"]
        front = content.split("---\n")[1]
        facts = yaml.safe_load(front)
        wrong = [
            {"message": f'"{key}" must be a string'}
            for key in ("license", "library_name", "pipeline_tag")
            if key in facts and not isinstance(facts[key], str)
        ]
        if facts.get("license") == "other" and "license_name" not in facts:
            wrong.append({"message": '"license_name" is required'})
        for each in facts.get("base_model", []):
            if not re.fullmatch(r"[\w.-]+/[\w.-]+", each):
                wrong.append({"message": f'"base_model" with value "{each}" is not valid'})
        self._answer(400 if wrong else 200, {"errors": wrong, "warnings": []})

    def resolve(self, name: str, revision: str, path: str, _: bytes) -> None:
        repository = self._repository(name)
        sha = self._commit(repository, revision)
        data = repository.commits[sha].get(path)
        if data is None:
            raise _Refused(404, "EntryNotFound", "Entry not found")
        headers = {"X_Repo_Commit": sha, "ETag": f'"{_git_digest(data)}"'}
        if len(data) >= LARGE:
            oid = hashlib.sha256(data).hexdigest()
            self.server.large.setdefault(oid, data)
            linked = {"X_Linked_Size": str(len(data)), "X_Linked_Etag": f'"{oid}"'}
            return self._answer(302, **headers, **linked, Location=f"{self.server.storage}/lfs/{oid}")
        self._answer(200, data, **headers)

    def get_large(self, oid: str, _: bytes) -> None:
        self._answer(200, self.server.large[oid], ETag=f'"{oid}"')


def _leaf(path: str, data: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "file", "path": path, "size": len(data), "oid": _git_digest(data)}
    if len(data) >= LARGE:
        found["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
    return found


def _git_digest(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


_NAME = r"([\w.-]+/[\w.-]+)"
_ROUTES: tuple[tuple[tuple[str, ...], str, Callable[..., None]], ...] = (
    (("POST",), r"api/repos/create", _Handler.create),
    (("POST",), r"api/validate-yaml", _Handler.validate_card),
    (("GET",), rf"api/models/{_NAME}(?:/revision/(.+))?", _Handler.info),
    (("GET",), rf"api/models/{_NAME}/tree/([^/]+)", _Handler.tree),
    (("POST",), rf"api/models/{_NAME}/branch/(.+)", _Handler.branch),
    (("POST",), rf"api/models/{_NAME}/preupload/(.+)", _Handler.preupload),
    (("POST",), rf"api/models/{_NAME}/commit/(.+)", _Handler.commit),
    (("POST",), rf"{_NAME}\.git/info/lfs/objects/batch", _Handler.batch),
    (("POST",), rf"{_NAME}\.git/lfs/verify", _Handler.verify),
    (("PUT",), r"lfs/([0-9a-f]{64})", _Handler.put_large),
    (("PUT",), r"lfs/([0-9a-f]{64})/(\d+)", _Handler.put_part),
    (("POST",), r"lfs/([0-9a-f]{64})", _Handler.complete),
    (("GET", "HEAD"), r"lfs/([0-9a-f]{64})", _Handler.get_large),
    (("GET", "HEAD"), rf"{_NAME}/resolve/([^/]+)/(.+)", _Handler.resolve),
)


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub that answers within the ``with`` block."""
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()


NOWHERE = "http://127.0.0.1:9"
"""Where nobody answers."""


class Client:
    """huggingface_hub in this process, turned to a hub; it reads its settings once, at import."""

    def __init__(self, patch: pytest.MonkeyPatch, home: Path) -> None:
        self._patch, self.cache = patch, home / "hub"
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
            patch.delenv(name, raising=False)
        self._set(HF_HUB_CACHE=str(self.cache), HF_TOKEN_PATH=str(home / "token"))
        self._set(HF_HUB_DISABLE_XET=True, HF_HUB_OFFLINE=False)
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")

    def _set(self, **settings: object) -> None:
        from huggingface_hub import constants

        for name, value in settings.items():
            self._patch.setattr(constants, name, value)

    def turn_to(self, url: str) -> None:
        """Ask this hub from now on."""
        template = url + "/{repo_id}/resolve/{revision}/{filename}"
        self._set(ENDPOINT=url, HUGGINGFACE_CO_URL_TEMPLATE=template)

    def go_offline(self) -> None:
        """As HF_HUB_OFFLINE=1 does it."""
        self._set(HF_HUB_OFFLINE=True)

    def log_in(self, token: str) -> None:
        """As HF_TOKEN does it."""
        self._patch.setenv("HF_TOKEN", token)
