"""Files of a checkpoint that a bundle keeps: processor, tokenizer, licence, card. Imports no torch."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pitome.bundle.record import AssetRole
from pitome.errors import InputError
from pitome.regular_file import UnusableFileError, read_regular_file

_ROLES: dict[str, AssetRole] = {
    "config.json": "config",
    "preprocessor_config.json": "processor",
    "processor_config.json": "processor",
    "tokenizer.json": "tokenizer",
    "tokenizer_config.json": "tokenizer",
    "special_tokens_map.json": "tokenizer",
    "added_tokens.json": "tokenizer",
    "vocab.txt": "tokenizer",
    "vocab.json": "tokenizer",
    "merges.txt": "tokenizer",
    "spiece.model": "tokenizer",
    "sentencepiece.bpe.model": "tokenizer",
    "tokenizer.model": "tokenizer",
    "modules.json": "sentence",
    "sentence_bert_config.json": "sentence",
    "config_sentence_transformers.json": "sentence",
    "README.md": "card",
}
CARD_NAME = "checkpoint_card.md"
"""Of the checkpoint's README.md in a bundle: on the hub, README.md is the bundle's own card."""
_SENTENCE_MODULE = re.compile(r"[0-9]+_[A-Za-z]+/config\.json")
"""Of sentence-transformers: ``1_Pooling/config.json``."""
_LEGAL = re.compile(r"(licen[sc]e|notice|copying)([._ -][^/]*)?", re.IGNORECASE)
_MEBIBYTE = 1024 * 1024
_LIMITS: dict[AssetRole, int] = {"tokenizer": 128 * _MEBIBYTE, "card": 4 * _MEBIBYTE}
_USUAL_LIMIT = _MEBIBYTE
"""A configuration is some kilobytes; one with the names of 20,000 classes half of this."""
_MOST_FILES = 64
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True)
class AssetFile:
    """A file of a checkpoint, as it is to lie in the bundle."""

    name: str
    """In the bundle, with ``/`` between folders."""
    role: AssetRole
    content: bytes


def asset_role(name: str) -> AssetRole | None:
    """What a checkpoint's file is for, by its name inside of it; None where a bundle has no use for it."""
    if name in _ROLES:
        return _ROLES[name]
    if _SENTENCE_MODULE.fullmatch(name):
        return "sentence"
    return "license" if _LEGAL.fullmatch(name) else None


def asset_names(names: Iterable[str]) -> list[str]:
    """Those of a checkpoint's files that a bundle keeps, in order."""
    return sorted(name for name in names if asset_role(name) is not None)


def read_assets(folder: Path) -> tuple[AssetFile, ...]:
    """The files of a checkpoint that its bundle keeps, byte for byte.

    Args:
        folder: the checkpoint's.

    Raises:
        InputError: one of them is a pipe, a device or a folder, leads out of the checkpoint, is a pointer of
            Git LFS in place of the file, is too long, or can't be read.
    """
    found: dict[str, AssetFile] = {}
    names = asset_names(_names(folder))
    if len(names) > _MOST_FILES:
        raise InputError(
            f"the files of {folder}",
            f"{len(names)} are named as processor, tokenizer or licence; {_MOST_FILES} is the limit",
            "Remove what does not belong to the model",
        )
    for name in names:
        role = asset_role(name)
        assert role is not None  # asset_names
        kept = AssetFile(_bundle_name(name, found), role, _read(folder, name, role))
        found[kept.name] = kept
    return tuple(found.values())


def _names(folder: Path) -> Iterator[str]:
    """Names in the folder and one level below it: whatever they are, reading decides."""
    for path in sorted(folder.iterdir()):
        yield path.name
        if path.is_dir() and re.fullmatch("[0-9]+_[A-Za-z]+", path.name):
            yield from (f"{path.name}/{inner.name}" for inner in sorted(path.iterdir()))


def _bundle_name(name: str, taken: Iterable[str]) -> str:
    """A name that a bundle takes: letters, digits and ``_ . + -``."""
    if name == "README.md":
        return CARD_NAME
    if name in _ROLES or _SENTENCE_MODULE.fullmatch(name):
        return name
    plain = re.sub(r"[^A-Za-z0-9._+-]+", "-", name)[:100]
    names = (plain if number == 1 else f"{plain}-{number}" for number in range(1, _MOST_FILES + 2))
    return next(each for each in names if each not in taken)


def _read(folder: Path, name: str, role: AssetRole) -> bytes:
    path = folder / name
    asked = f"the file {path}"
    try:
        if not _belongs_to(folder, path):
            raise InputError(
                asked,
                "it is a link that leads out of the checkpoint",
                "Put the file there, or remove the link",
            )
        content = read_regular_file(path, _LIMITS.get(role, _USUAL_LIMIT))
    except UnusableFileError as error:
        raise InputError(asked, f"it {error}", "Put the checkpoint's own file there, or remove it") from None
    except OSError as error:
        raise InputError(asked, f"it can't be read ({error.strerror})", "Fetch the file again") from error
    if content.startswith(_LFS_POINTER):
        raise InputError(
            asked, "it is a pointer of Git LFS, not the file itself", "Run `git lfs pull` in the checkpoint"
        )
    return content


def _belongs_to(folder: Path, path: Path) -> bool:
    """Whether a file lies in the checkpoint, or, of the hub's cache, among the files of its repository.

    Who gave the checkpoint is not to choose which of the user's files go into a bundle.
    """
    root = Path(os.path.realpath(folder))
    # Of the cache, snapshots/COMMIT holds links to blobs/DIGEST.
    cache = root.parent.parent if root.parent.name == "snapshots" else root
    target = Path(os.path.realpath(path))
    return target.is_relative_to(root) or target.is_relative_to(cache / "blobs")
