"""A checkpoint's files: which there are, what its configuration says, and their digests. Imports no torch."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitome.errors import InputError
from pitome.models.other_formats import (
    adapter,
    instead_of_checkpoint,
    instead_of_config,
    is_of_timm,
    list_folder,
)
from pitome.models.plain_file import read_json

if TYPE_CHECKING:
    from torch import Tensor

_FORMATS = (
    ("model.safetensors", re.compile(r"model-\d+-of-\d+\.safetensors")),
    ("pytorch_model.bin", re.compile(r"pytorch_model-\d+-of-\d+\.bin")),
)
"""The single file and the parts of each format, best first."""


def choose_weight_files(names: Sequence[str]) -> list[str]:
    """The names of the weight files to read among a checkpoint's: safetensors first; all parts, or none."""
    for single, part in _FORMATS:
        if single in names:
            return [single]
        parts = sorted(name for name in names if part.fullmatch(name))
        if parts and len(parts) == int(parts[0].rpartition("-of-")[2].partition(".")[0]):
            return parts
    return []


def has_weights(folder: Path) -> bool:
    """Whether `read_weights` finds a file to read."""
    return bool(choose_weight_files([path.name for path in folder.iterdir()]))


def read_config(folder: Path) -> dict[str, Any]:
    """A checkpoint's ``config.json``.

    Raises:
        InputError: it is missing, is no JSON object, or names no ``model_type``; or the folder holds another
            thing than a checkpoint of transformers.
    """
    path, asked = folder / "config.json", f"the model in {folder}"
    try:
        names = list_folder(folder)
    except OSError as error:
        raise InputError(
            asked, f"the folder can't be read ({error.strerror})", "Check the path and who may read it"
        ) from error
    instead = adapter(names) or (None if os.path.lexists(path) else instead_of_checkpoint(names))
    if instead is not None:
        raise InputError(asked, instead.found, instead.remedy)
    config = read_json(path)
    if "model_type" not in config or is_of_timm(config):
        instead = instead_of_config(config)
        if instead is not None:
            raise InputError(asked, instead.found, instead.remedy)
        raise InputError(asked, "its config.json has no model_type", "Add the model_type")
    _check_names(asked, config)
    return config


def _check_names(asked: str, config: Mapping[str, Any]) -> None:
    """Messages repeat these, so they have to be names, and few."""
    model_type, architectures = config["model_type"], config.get("architectures")
    if not _is_name(model_type):
        raise InputError(
            asked,
            f"the model_type of its config.json is {_shown(model_type)}, not a name",
            "Correct the model_type",
        )
    listed = architectures if isinstance(architectures, list) else []
    if architectures is not None and (
        not isinstance(architectures, list) or len(listed) > 10 or not all(map(_is_name, listed))
    ):
        raise InputError(
            "the model's config.json",
            f"its architectures are {_shown(architectures)}, not a list of names of classes",
            "Correct the file",
        )


def _is_name(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 100


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def files_sha256(paths: Iterable[Path]) -> str:
    """SHA-256 of one file, or of the list of the SHA-256 of several (see `read_weights`)."""
    digests = []
    for path in paths:
        with path.open("rb") as file:
            digests.append((hashlib.file_digest(file, "sha256").hexdigest(), path.name))
    if len(digests) == 1:
        return digests[0][0]
    lines = "".join(f"{digest}  {name}\n" for digest, name in sorted(digests, key=lambda item: item[1]))
    return hashlib.sha256(lines.encode()).hexdigest()


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over name, dtype, shape and bytes of every tensor, in name order."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
