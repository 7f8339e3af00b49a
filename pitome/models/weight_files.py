"""The weights of a checkpoint, read without ever running code from them.

Whatever a file says of itself is held against its length before anything is allocated for it.
"""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitome.errors import InputError
from pitome.models.checkpoint import choose_weight_files, files_sha256
from pitome.models.memory import check_memory
from pitome.models.other_formats import instead_of_weights, list_folder
from pitome.models.plain_file import check_plain_file, read_json

if TYPE_CHECKING:
    from torch import Tensor

_LARGEST_HEADER = 100_000_000
"""Bytes of a safetensors header; the library's own limit."""
_DAMAGED = "the file is damaged or incomplete"
_FETCH_AGAIN = "Fetch the file again"
_RESTRICTED = "only unrestricted pickle could read the file, which could run any code; nothing was run"
_CONVERT = "Convert the checkpoint to safetensors where you trust it"
_STATE_DICT = "Save the model's state_dict alone"


def read_weights(folder: Path) -> tuple[dict[str, Tensor], str]:
    """All tensors of a checkpoint, on the CPU, and the SHA-256 of its file.

    Where there are several files it is the SHA-256 of the lines "SHA-256, two blanks, name" in name order.

    Raises:
        InputError: no weights, a damaged file, one that only unrestricted pickle could read, a tensor that is
            in two files, or one that is sparse, quantised, complex or has no values.
    """
    names = weight_files(folder)
    for name in names:
        check_plain_file(folder / name)
    tensors: dict[str, Tensor] = {}
    for name in names:
        path = folder / name
        found = _read_safetensors(path) if path.suffix == ".safetensors" else _read_restricted(path)
        twice = sorted(tensors.keys() & found.keys())
        if twice:
            raise InputError(
                f"the weights in {folder}",
                f"the tensor {twice[0]} is in two of its files, {name} the second one",
                "Fetch the whole checkpoint again",
            )
        tensors |= found
    return tensors, files_sha256(folder / name for name in names)


def weight_files(folder: Path) -> list[str]:
    """The names of the files with a checkpoint's weights.

    Raises:
        InputError: there are none, or not all that its index names.
    """
    names = list_folder(folder)
    chosen = choose_weight_files(names)
    if len(chosen) == 1 and "-of-" not in chosen[0]:
        return chosen
    for index in ("model.safetensors.index.json", "pytorch_model.bin.index.json"):
        if index in names and (not chosen or Path(chosen[0]).suffix in index):
            return _indexed(folder, index, names)
    if chosen:
        return chosen
    instead = instead_of_weights(names)
    raise InputError(f"the weights in {folder}", instead.found, instead.remedy)


def _indexed(folder: Path, index: str, names: Sequence[str]) -> list[str]:
    table = read_json(folder / index).get("weight_map")
    asked, suffix = f"the file {folder / index}", ".safetensors" if "safetensors" in index else ".bin"
    if not isinstance(table, dict) or not table or not all(isinstance(each, str) for each in table.values()):
        raise InputError(asked, "it has no weight_map from tensors to files", _FETCH_AGAIN)
    files = sorted(set(table.values()))
    outside = [name for name in files if Path(name).name != name or not name.endswith(suffix)]
    if outside:
        raise InputError(
            asked, f"it names {outside[0]!r}, which is no {suffix} file of its folder", "Correct the file"
        )
    missing = [name for name in files if name not in names]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise InputError(
            asked,
            f"it names {', '.join(missing[:3])}{more}, missing of its {len(files)} files",
            "Fetch the whole checkpoint again",
        )
    return files


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    _check_header(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, AttributeError) as error:
        # The last three where this version of PyTorch has no type for a number of the file.
        raise InputError(f"the weights {path}", f"{_DAMAGED} ({error})", _FETCH_AGAIN) from error


def _check_header(path: Path) -> None:
    """Refuse what the library reads all the same, or reports in words of its own."""
    asked, length = f"the weights {path}", path.stat().st_size
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if length < 8 or size > length - 8:
            raise InputError(
                asked,
                f"{_DAMAGED}: its header would have {size} bytes, and the file has {length}",
                _FETCH_AGAIN,
            )
        if size > _LARGEST_HEADER:
            raise InputError(asked, f"{_DAMAGED}: its header has {size} bytes", _FETCH_AGAIN)
        header = file.read(size)
    try:
        content = json.loads(header, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise InputError(asked, f"{_DAMAGED}: its header is no valid JSON ({error})", _FETCH_AGAIN) from error
    metadata = content.get("__metadata__") if isinstance(content, dict) else None
    library = metadata.get("format") if isinstance(metadata, dict) else None
    if library in ("tf", "flax"):
        name = "TensorFlow" if library == "tf" else "Flax"
        raise InputError(
            asked,
            f"they are in the form of {name}",
            "Choose a checkpoint with PyTorch weights, or convert it",
        )


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r} is there twice")
        found[name] = value
    return found


def _read_restricted(path: Path) -> dict[str, Tensor]:
    import torch

    asked = f"the weights {path}"
    _check_archive(path)
    check_memory(asked, path.stat().st_size, "Convert the checkpoint to safetensors, which needs less")
    try:
        with warnings.catch_warnings():  # of pickles by other writers; what can't be read is said below
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # The restricted reader refuses before it runs anything; its error class is pickle's own.
        if type(error).__name__ == "UnpicklingError":
            raise InputError(asked, _RESTRICTED, _CONVERT) from error
        raise InputError(asked, f"{_DAMAGED} ({_first_line(error)})", _FETCH_AGAIN) from error
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in content.items()
    ):
        raise InputError(asked, "the file holds more than a table of tensors", _STATE_DICT)
    return dict(content)


def _check_archive(path: Path) -> None:
    """Refuse an archive that would grow when it is read, or that is a programme; PyTorch never compresses."""
    asked = f"the weights {path}"
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(asked, f"{_DAMAGED} ({error})", _FETCH_AGAIN) from error
    if any(entry.filename.endswith("/constants.pkl") for entry in entries):
        raise InputError(asked, "it is a TorchScript programme, not a table of tensors", _STATE_DICT)
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries) or (
        sum(entry.file_size for entry in entries) > path.stat().st_size
    ):
        raise InputError(
            asked, "its archive is compressed, as PyTorch never writes one", "Fetch the file again"
        )


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
