"""A bundle's tokenizer and image steps, tried in a process of their own before this one opens them.

They are a stranger's files that a library in another language reads: it has panicked on some, and one may ask
for all memory or for ever. There that ends a process with limits; here it is an error that says so.
"""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pitome.child_process import module_environment
from pitome.errors import BackendError, BundleError

if TYPE_CHECKING:
    from pitome.bundle.preprocess_record import ImagePreprocess

SECONDS = 60
"""How long it may take; a tokenizer of 250,000 tokens takes 2."""
MEMORY = 4 * 1024**3
"""Bytes of address space; importing what is needed takes 0.14 GB."""
_MODULE = "pitome.runtime.first_opening_child"
_tried: set[str] = set()
_lock = threading.Lock()


@dataclass(frozen=True)
class TokenizerSource:
    """What a tokenizer is made from; the fields are those of `pitome.models.tokenizer.load_tokenizer`."""

    folder: str
    """With the bundle's files of it."""
    vocab_size: int
    pad_token_id: int
    sequence_length: int
    lower_case: bool = False


def try_opening(
    asked: str,
    tokenizer: TokenizerSource | None,
    image: ImagePreprocess | None,
    *,
    seconds: float = SECONDS,
    memory: int = MEMORY,
) -> None:
    """Open them in a process of its own; what has passed once is not tried again in this process.

    Args:
        asked: the bundle, as an error says it.
        tokenizer: to be made, and to encode a few texts; None = there is none.
        image: steps that an image of one colour is taken through; None = there are none.
        seconds: after which it has failed.
        memory: bytes of address space that it may take.

    Raises:
        BundleError: a file can't be used, or whoever read it crashed, took too long or too much memory.
        BackendError: the process can't be started.
    """
    request = {
        "tokenizer": None if tokenizer is None else asdict(tokenizer),
        "image": None if image is None else image.model_dump(mode="json"),
    }
    key = _key(request, tokenizer)
    if key in _tried:
        return
    what = " and ".join(
        name for name, part in (("its tokenizer", tokenizer), ("the steps for its images", image)) if part
    )
    limits = {"seconds": seconds, "memory": memory}
    try:
        # -P: what lies in the working directory is not imported.
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-P", "-m", _MODULE],
            input=json.dumps({**request, **limits}),
            capture_output=True,
            text=True,
            env={**module_environment(), "TOKENIZERS_PARALLELISM": "false", "OPENBLAS_NUM_THREADS": "1"},
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _failed(asked, f"opening {what} took more than {seconds:g} seconds") from None
    except OSError as error:
        raise BackendError(
            asked,
            f"no process can be started to try {what} in ({error.strerror})",
            "Let this process start others",
        ) from error
    told = _answer(done.stdout)
    if told is not None and "fits" in told and done.returncode == 0:
        with _lock:
            _tried.add(key)
        return
    if told is not None and "found" in told:
        raise _failed(asked, f"{told['asked']}: {told['found']}", told["remedy"])
    raise _failed(asked, f"opening {what} in a process of its own {_ended(done)}")


def _failed(asked: str, found: str, remedy: str = "") -> BundleError:
    again = "Do not use the bundle: get it again from where it was built, or build it again"
    return BundleError(asked, found, f"{remedy}. {again}" if remedy else again)


def _answer(text: str) -> dict[str, str] | None:
    lines = text.strip().splitlines()
    try:
        found = json.loads(lines[-1]) if lines else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _ended(done: subprocess.CompletedProcess[str]) -> str:
    """How it ended, and its last words."""
    code = done.returncode
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    said = [line.strip() for line in done.stderr.splitlines() if line.strip() and "note: " not in line]
    return f"{how} ({said[-1][:200]})" if said else how


def _key(request: Mapping[str, object], tokenizer: TokenizerSource | None) -> str:
    digest = hashlib.sha256()
    if tokenizer is not None:
        request = {**request, "tokenizer": {**asdict(tokenizer), "folder": ""}}
        for path in sorted(path for path in Path(tokenizer.folder).rglob("*") if path.is_file()):
            digest.update(path.relative_to(tokenizer.folder).as_posix().encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    digest.update(json.dumps(request, sort_keys=True).encode())
    return digest.hexdigest()
