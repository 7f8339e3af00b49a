"""What is refused of a bundle that is signed, and signatures that were rewritten."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pitome.bundle.signing import verify_signature
from pitome.errors import SignatureError


def refusal(folder: Path, key: Path) -> SignatureError:
    with pytest.raises(SignatureError) as caught:
        verify_signature(folder, key)
    assert caught.value.exit_code == 2
    assert str(caught.value).startswith(f"the signature of {folder}: ")
    return caught.value


def found(error: SignatureError) -> tuple[str, str]:
    return error.kind, error.found


def rewrite(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    document = json.loads((folder / "model.sig").read_bytes())
    change(document)
    (folder / "model.sig").write_text(json.dumps(document))


def rewrite_statement(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    def of_document(document: dict[str, Any]) -> None:
        envelope = document["dsseEnvelope"]
        statement = json.loads(base64.b64decode(envelope["payload"]))
        change(statement)
        envelope["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()

    rewrite(folder, of_document)
