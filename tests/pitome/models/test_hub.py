"""The hub's answers, from a local server that speaks its protocol."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

COMMIT = "a" * 40
KEPT = (
    "1_Pooling/config.json",
    "LICENSE",
    "README.md",
    "modules.json",
    "preprocessor_config.json",
    "processor_config.json",
)
MODULES = b"""[
    {"path": "", "type": "sentence_transformers.models.Transformer"},
    {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
]"""
FILES = {
    "config.json": b'{"model_type": "vit"}',
    **{name: f"of {name}".encode() for name in KEPT},
    "modules.json": MODULES,
    "modeling_custom.py": b"import os",
    "onnx/model.onnx": b"another form",
    "LICENSE-../../escape": b"no name of a file",
    "model.safetensors": b"weights",
    "pytorch_model.bin": b"other",
}
SENTENCE = {
    "modules.json": b"""[
        {"path": "0_Transformer", "type": "sentence_transformers.models.Transformer"},
        {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"path": "2_Dense", "type": "sentence_transformers.models.Dense"},
        {"path": "3_Normalize", "type": "sentence_transformers.models.Normalize"}
    ]""",
    "0_Transformer/config.json": b"{}",
    "0_Transformer/tokenizer.json": b"{}",
    "0_Transformer/sentence_distilbert_config.json": b"{}",
    "0_Transformer/pytorch_model.bin": b"weights",
    "0_Transformer/tf_model.h5": b"another form",
    "1_Pooling/config.json": b"{}",
    "2_Dense/config.json": b"{}",
    "2_Dense/model.safetensors": b"weights",
    "README.md": b"---",
}
"""Of org/sentence."""
STATUS = {
    "org/private": 401,
    "org/forbidden": 403,
    "org/missing": 404,
    "org/a-dataset": 404,
    "org/gated": 403,
    "org/gated-anonymous": 401,
    "org/busy": 429,
    "org/broken": 503,
}
LISTED = {
    "org/empty": ["README.md"],
    "org/no-weights": ["config.json"],
    "org/adapter": ["adapter_config.json", "adapter_model.safetensors", "README.md"],
    "org/gguf": ["bert-q4.gguf", "README.md"],
    "org/onnx": ["config.json", "onnx/model.onnx"],
    "org/tensorflow": ["config.json", "tf_model.h5"],
    "org/diffusers": ["model_index.json", "unet/config.json"],
    "org/open-clip": ["open_clip_config.json", "open_clip_model.safetensors"],
    "org/below": ["0_Transformer/config.json", "0_Transformer/pytorch_model.bin"],
    "org/sentence": list(SENTENCE),
    "org/no-dense": [name for name in SENTENCE if name != "2_Dense/model.safetensors"],
    "org/a-part": ["config.json", "model-00001-of-00002.safetensors"],
}
FETCH = """
import json, sys
from pitome.errors import InputError
from pitome.hub_answers import HubUnreachableError
from pitome.models.hub import fetch
try:
    files = fetch(sys.argv[1], sys.argv[2] or None)
    there = [path for path in files.folder.rglob("*") if path.is_file()]
    names = sorted(str(path.relative_to(files.folder)) for path in there)
    print(json.dumps({"commit": files.commit, "names": names}))
except InputError as error:
    print(json.dumps({"error": str(error), "unreachable": isinstance(error, HubUnreachableError)}))
"""


class _Hub(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def _answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_GET(self):
        path = self.path.strip("/").partition("?")[0]
        if path.startswith("api/models/"):
            name = "/".join(path.split("/")[2:4])
            if name in STATUS:
                gated = (("X-Error-Code", "GatedRepo"),) if name.startswith("org/gated") else ()
                return self._answer(STATUS[name], b"{}", gated)
            if path.endswith("/revision/nowhere"):
                return self._answer(404, b"{}", (("X-Error-Code", "RevisionNotFound"),))
            names = LISTED.get(name, list(FILES))
            info = {"id": name, "sha": COMMIT, "siblings": [{"rfilename": file} for file in names]}
            return self._answer(200, json.dumps(info).encode(), (("Content-Type", "application/json"),))
        if path == "api/datasets/org/a-dataset":
            info = {"id": "org/a-dataset", "sha": COMMIT, "siblings": []}
            return self._answer(200, json.dumps(info).encode(), (("Content-Type", "application/json"),))
        if path.startswith("org/gated-files/"):
            return self._answer(403, b"", (("X-Error-Code", "GatedRepo"),))
        if path.startswith("org/broken-files/"):
            return self._answer(500)
        files = SENTENCE if path.startswith(("org/sentence/", "org/no-dense/")) else FILES
        body = files.get(path.partition("/resolve/")[2].partition("/")[2])
        if body is None:  # the library asks for more than models
            return self._answer(404)
        etag = hashlib.sha256(body).hexdigest()
        return self._answer(200, body, (("ETag", f'"{etag}"'), ("X-Repo-Commit", COMMIT)))

    do_HEAD = do_GET


@pytest.fixture(scope="module")
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def fetch(hub, tmp_path):
    """Calls `fetch` in a process of its own, since the library reads its settings at import."""

    def call(hub_id, revision="", endpoint=f"http://127.0.0.1:{hub.server_port}"):
        settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
        environment = {**os.environ, **settings, "NO_PROXY": "127.0.0.1", "HF_HUB_OFFLINE": "0"}
        command = [sys.executable, "-c", FETCH, hub_id, revision]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, check=True, timeout=60
        )
        return json.loads(done.stdout.splitlines()[-1])

    return call


NOWHERE = "http://127.0.0.1:9"


def test_fetches_safetensors_and_records_the_commit(fetch):
    wanted = sorted(["config.json", "model.safetensors", *KEPT])
    assert fetch("org/name") == {"commit": COMMIT, "names": wanted}


def test_the_files_of_modules_are_fetched_and_found_again(fetch):
    wanted = sorted(name for name in SENTENCE if not name.endswith(".h5"))
    answer = {"commit": COMMIT, "names": wanted}
    assert fetch("org/sentence") == answer
    assert fetch("org/sentence", endpoint=NOWHERE) == answer
    assert fetch("org/sentence", COMMIT, endpoint=NOWHERE) == answer


def test_unreachable_without_and_with_a_cached_copy(fetch):
    answer = fetch("org/name", endpoint=NOWHERE)
    assert answer["unreachable"]
    assert answer["error"].startswith("the model org/name: the hub can't be reached (")
    fetch("org/name")
    assert fetch("org/name", endpoint=NOWHERE)["commit"] == COMMIT
    assert fetch("org/name", COMMIT, endpoint=NOWHERE)["commit"] == COMMIT


@pytest.mark.parametrize(
    ("hub_id", "revision", "text"),
    [
        ("org/private", "", "the hub has no such model, or it is private (HTTP 401). Check the spelling"),
        (
            "org/missing",
            "",
            "the hub has no such model, or none that this account may see (HTTP 404). Check the spelling",
        ),
        (
            "org/forbidden",
            "",
            "the account that is logged in may not read it (HTTP 403). Log in with",
        ),
        ("org/a-dataset", "", "the hub has a data set of that name, and no model. Give a model's id"),
        ("org/busy", "", "the hub takes no more requests for now (HTTP 429). Wait, or log in"),
        (
            "org/gated",
            "",
            "access to it must be granted first (HTTP 403). Ask for access on "
            "https://huggingface.co/org/gated, then log in",
        ),
        ("org/gated-anonymous", "", "access to it must be granted first (HTTP 401)"),
        ("org/adapter", "", "it holds a PEFT adapter (adapter_config.json)"),
        ("org/gguf", "", "it has weights for llama.cpp (GGUF), which are quantised"),
        ("org/onnx", "", "it has an ONNX graph, in which tokens can't be merged any more"),
        ("org/tensorflow", "", "it has TensorFlow weights only"),
        ("org/diffusers", "", "it is a pipeline of diffusers"),
        ("org/open-clip", "", "it is a checkpoint of open_clip"),
        ("org/below", "", "these have one: 0_Transformer. Fetch it with `hf download org/below`"),
        (
            "org/a-part",
            "",
            "it has 1 of the 2 parts of its weights: model-00002-of-00002.safetensors is",
        ),
        ("org/gated-files", "", "access to it must be granted first (HTTP 403)"),
        # The library asks again for half a minute.
        pytest.param("org/broken-files", "", "the hub answered with HTTP 500", marks=pytest.mark.full),
        ("org/broken", "", "the hub answered with HTTP 503. Try again later"),
        (
            "org/name",
            "nowhere",
            "the model org/name at revision nowhere: the hub has no such revision (HTTP 404)",
        ),
        ("org/empty", "", "it has no config.json, so it is no transformers checkpoint"),
        ("org/no-dense", "", "2_Dense has neither model.safetensors nor pytorch_model.bin"),
        ("org/no-weights", "", "it has neither model.safetensors nor pytorch_model.bin"),
    ],
)
def test_a_refusal_is_no_missing_connection(fetch, hub_id, revision, text):
    answer = fetch(hub_id, revision)
    assert text in answer["error"]
    assert not answer["unreachable"]
