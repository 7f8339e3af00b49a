"""``embed.json``: what a folder of embeddings was made from, so that nothing else goes on with it."""

from __future__ import annotations

import json
import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from pitome.bundle.record import Count, Positive, Record, Sha256, Text
from pitome.errors import InputError
from pitome.models.task import Modality
from pitome.regular_file import UnusableFileError, read_regular_file
from pitome.serving.embed.options import Dtype, EmbedOptions
from pitome.serving.embed.work_list import ListRecord, same_list
from pitome.version import __version__

RECORD_NAME = "embed.json"
_LIMIT = 2**20
_ANOTHER_FOLDER = "Give another folder with --out"
_PACKAGES = ("numpy", "onnxruntime", "pillow", "pyarrow", "tokenizers")
"""That decide about the bytes."""


class UsedOptions(Record):
    """The options that decide about the embeddings."""

    modality: Modality
    column: str | None
    id_column: str | None
    keep: tuple[str, ...]
    shard_rows: Positive
    batch_size: Positive
    dtype: Dtype
    truncate: bool
    prompt: str | None
    runs: Text
    """The file of the bundle, and by what."""


class ListDigests(Record):
    """The list of inputs."""

    inputs: Positive
    sha256: Sha256
    times_sha256: Sha256


class Counts(Record):
    """What became of them."""

    embedded: Count
    failed: Count
    cut: Count
    shards: Positive
    dimension: Positive
    remarks: dict[str, int]


class RunRecord(Record):
    """The whole of ``embed.json``."""

    schema_version: Literal[1] = 1
    pitome_version: Text
    bundle_sha256: Sha256
    model: Text
    options: UsedOptions
    list: ListDigests
    versions: dict[str, str]
    result: Counts | None = None
    """None: not all shards are there yet."""


def used_options(options: EmbedOptions, modality: Modality, runs: str) -> UsedOptions:
    """Of all options those that decide about the embeddings; not how many processes make them, or where."""
    names = UsedOptions.model_fields.keys() - {"modality", "runs"}
    return UsedOptions(modality=modality, runs=runs, **{name: getattr(options, name) for name in names})


def identity_text(bundle_sha256: str, options: UsedOptions) -> str:
    """What every shard's digest begins with."""
    return json.dumps({"bundle": bundle_sha256, **options.model_dump(mode="json")}, sort_keys=True) + "\n"


def installed_versions() -> dict[str, str]:
    """Of the packages that decide about the bytes."""
    found = {"pitome": __version__}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # onnxruntime-gpu, for instance
            continue
    return found


def read_record(folder: Path) -> RunRecord | None:
    """What is there; None where nothing is.

    Raises:
        InputError: the folder holds something else, or a record that can't be read.
    """
    path = folder / RECORD_NAME
    if not path.exists():
        _refuse_foreign(folder)
        return None
    try:
        return RunRecord.model_validate_json(read_regular_file(path, _LIMIT))
    except (OSError, UnusableFileError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"go on with {folder}", f"its {RECORD_NAME} can't be read ({reason})", _ANOTHER_FOLDER
        ) from None


def write_record(folder: Path, record: RunRecord) -> None:
    """Complete or not at all."""
    path, partial = folder / RECORD_NAME, folder / f".{RECORD_NAME}.partial-{os.getpid()}"
    with partial.open("w", encoding="utf-8") as file:
        file.write(json.dumps(record.model_dump(mode="json"), indent=2, sort_keys=True) + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def check_same(folder: Path, before: RunRecord, now: RunRecord) -> None:
    """Refuse to go on with what was begun with something else.

    Raises:
        InputError: another bundle, option or list; the first difference is named.
    """
    asked = f"go on with {folder}"
    if before.bundle_sha256 != now.bundle_sha256:
        raise InputError(
            asked,
            f"it was begun with another bundle: the digest of its manifest is {before.bundle_sha256}, "
            f"and that of {now.model} {now.bundle_sha256}",
            f"Give the bundle that it was begun with. {_ANOTHER_FOLDER} for this one",
        )
    for name in UsedOptions.model_fields:
        old, new = getattr(before.options, name), getattr(now.options, name)
        if old != new:
            raise InputError(
                asked,
                f"it was begun with {_told(name, old)}, and this is {_told(name, new)}",
                f"Repeat the command as it was. {_ANOTHER_FOLDER} for this one",
            )
    difference = same_list(_list(before), _list(now))
    if difference is not None:
        raise InputError(
            asked,
            f"it was begun with other inputs: {difference}",
            f"Restore them as they were. {_ANOTHER_FOLDER} for these",
        )


def changed_versions(before: RunRecord, now: RunRecord) -> str | None:
    """Which packages are others than when it was begun; None where all are the same."""
    names = sorted(before.versions.keys() | now.versions.keys())
    told = [
        f"{name} {before.versions.get(name, 'none')} then, {now.versions.get(name, 'none')} now"
        for name in names
        if before.versions.get(name) != now.versions.get(name)
    ]
    return "; ".join(told) or None


def _list(record: RunRecord) -> ListRecord:
    return ListRecord(**record.list.model_dump())


def _told(name: str, value: object) -> str:
    if name == "runs":
        return f"{value} as what computes it"
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return flag if value else f"without {flag}"
    if value is None or value == ():
        return f"without {flag}"
    return " ".join(f"{flag} {each}" for each in (value if isinstance(value, tuple) else (value,)))


def _refuse_foreign(folder: Path) -> None:
    """What no run wrote is not written into."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"write {folder}", "it is a file", _ANOTHER_FOLDER)
    there = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    if there:
        raise InputError(
            f"write {folder}", f"the folder holds something else, such as {there[0]}", _ANOTHER_FOLDER
        )
