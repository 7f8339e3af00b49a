"""Reading a checkpoint's files: configuration, and weights without ever running code from them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitome.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

CONFIG_FILES = ("config.json", "preprocessor_config.json", "processor_config.json", "tokenizer.json")
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
        InputError: it is missing, is no JSON object, or names no ``model_type``.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(
            f"the model in {folder}",
            "the folder has no config.json",
            "Give the folder that save_pretrained wrote, with config.json and model.safetensors",
        )
    config = read_json(path)
    if "model_type" not in config:
        raise InputError(f"the model in {folder}", "its config.json has no model_type", "Add the model_type")
    if not isinstance(config["model_type"], str):
        raise InputError(
            f"the model in {folder}",
            f"the model_type of its config.json is {config['model_type']!r}, not a name",
            "Correct the model_type",
        )
    return config


def read_json(path: Path) -> dict[str, Any]:
    """A file that holds one JSON object.

    Raises:
        InputError: it can't be read as one.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # the last one where brackets nest too deeply
        raise InputError(
            f"the file {path}", f"it is no valid JSON ({error})", "Fetch the file again"
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"the file {path}", "it holds no JSON object", "Fetch the file again")
    return content


def read_weights(folder: Path) -> tuple[dict[str, Tensor], str]:
    """All tensors of a checkpoint, on the CPU, and the SHA-256 of its file.

    Where there are several files it is the SHA-256 of the lines "SHA-256, two blanks, name" in name order.

    Raises:
        InputError: no weights, a damaged file, or one that only unrestricted pickle could read.
    """
    names = choose_weight_files([path.name for path in folder.iterdir()])
    if not names:
        raise InputError(
            f"the weights in {folder}",
            "the folder has neither model.safetensors nor pytorch_model.bin, nor all parts of one",
            "Give a folder with weights, or WEIGHTS=random",
        )
    tensors: dict[str, Tensor] = {}
    for name in names:
        path = folder / name
        tensors.update(_read_safetensors(path) if path.suffix == ".safetensors" else _read_restricted(path))
    return tensors, files_sha256(folder / name for name in names)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"the weights {path}", f"the file is damaged or incomplete ({error})", "Fetch the file again"
        ) from error


def _read_restricted(path: Path) -> dict[str, Tensor]:
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # The restricted reader refuses before it runs anything; its error class is pickle's own.
        if type(error).__name__ == "UnpicklingError":
            raise InputError(
                f"the weights {path}",
                "only unrestricted pickle could read the file, which could run any code; nothing was run",
                "Convert the checkpoint to safetensors where you trust it",
            ) from error
        raise InputError(
            f"the weights {path}", f"the file is damaged or incomplete ({error})", "Fetch the file again"
        ) from error
    if not isinstance(content, Mapping) or not all(
        isinstance(value, torch.Tensor) for value in content.values()
    ):
        raise InputError(
            f"the weights {path}",
            "the file holds more than a table of tensors",
            "Save the model's state_dict alone",
        )
    return dict(content)


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
