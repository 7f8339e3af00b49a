"""How a hostile MODEL is written: into an empty folder, from tiny checkpoints of real classes."""

from __future__ import annotations

import json
import shutil
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.tiny_models import tiny_model, tiny_text_model

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:1234\nsize 5\n"


@dataclass(frozen=True)
class Hostile:
    """One MODEL that is refused."""

    name: str
    """What it is, as the page calls it."""
    make: Callable[[Path, Path], str | Path]
    """(folder with tiny checkpoints, empty folder) -> MODEL."""
    found: str
    """What the message says was found, in part."""
    remedy: str
    """What it says is to be done, in part."""


def write_bases(folder: Path) -> None:
    """The tiny checkpoints, by name of their class."""
    for name in ("ViTModel", "ViTForImageClassification"):
        tiny_model(name).save_pretrained(folder / name)
    for name in ("BertModel", "BertForSequenceClassification", "DistilBertModel"):
        tiny_text_model(name).save_pretrained(folder / name)
    tiny_model("CLIPVisionModel").save_pretrained(folder / "CLIPVisionModel")


def copy(bases: Path, folder: Path, base: str) -> Path:
    shutil.copytree(bases / base, folder, dirs_exist_ok=True)
    return folder


def with_config(base: str = "ViTModel", **changes: Any) -> Callable[[Path, Path], Path]:
    """A checkpoint with other values in its config.json; the value ``...`` takes a key out."""

    def make(bases: Path, folder: Path) -> Path:
        path = copy(bases, folder, base) / "config.json"
        content = json.loads(path.read_text()) | changes
        path.write_text(json.dumps({key: value for key, value in content.items() if value is not ...}))
        return folder

    return make


def with_bytes(name: str, content: bytes, base: str = "ViTModel") -> Callable[[Path, Path], Path]:
    """A checkpoint one of whose files holds something else."""

    def make(bases: Path, folder: Path) -> Path:
        (copy(bases, folder, base) / name).write_bytes(content)
        return folder

    return make


def with_text(change: Callable[[str], str]) -> Callable[[Path, Path], Path]:
    """A checkpoint with its config.json written otherwise."""

    def make(bases: Path, folder: Path) -> Path:
        path = copy(bases, folder, "ViTModel") / "config.json"
        path.write_text(change(path.read_text()))
        return folder

    return make


def replaced(change: Callable[[Path], object], name: str = "config.json") -> Callable[[Path, Path], Path]:
    """A checkpoint with something else in place of a file."""

    def make(bases: Path, folder: Path) -> Path:
        path = copy(bases, folder, "ViTModel") / name
        path.unlink()
        change(path)
        return folder

    return make


def with_files(*names: str, **contents: Any) -> Callable[[Path, Path], Path]:
    """A folder with files of these names, in which there is nothing of a checkpoint."""

    def make(bases: Path, folder: Path) -> Path:
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(b"content")
        for name, content in contents.items():
            (folder / f"{name}.json").write_text(json.dumps(content))
        return folder

    return make


def run_with_config(bases: Path, folder: Path) -> Path:
    """A Trainer's folder with a config.json, whose weights lie in a checkpoint below."""
    copy(bases, folder, "ViTModel")
    copy(bases, folder / "checkpoint-500", "ViTModel")
    (folder / "model.safetensors").unlink()
    return folder


def pooling(bases: Path, folder: Path) -> Path:
    """A folder of sentence-transformers without its model."""
    (folder / "1_Pooling").mkdir()
    content = {"word_embedding_dimension": 384, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling/config.json").write_text(json.dumps(content))
    return folder


def inside(name: str, make: Callable[[Path, Path], str | Path]) -> Callable[[Path, Path], Path]:
    """A folder, or a file, of what another case makes is MODEL."""
    return lambda bases, folder: Path(make(bases, folder)) / name


def with_tensors(
    change: Callable[[dict[str, Tensor]], object], base: str = "ViTModel"
) -> Callable[[Path, Path], Path]:
    """A checkpoint with other tensors."""

    def make(bases: Path, folder: Path) -> Path:
        path = copy(bases, folder, base) / "model.safetensors"
        tensors = load_file(path)
        change(tensors)
        save_file(tensors, path, metadata={"format": "pt"})
        return folder

    return make


def pickled(
    change: Callable[[dict[str, Tensor]], object], base: str = "ViTModel"
) -> Callable[[Path, Path], Path]:
    """A checkpoint as a pickle: of what ``change`` returns, or else of the tensors that it has changed."""

    def make(bases: Path, folder: Path) -> Path:
        tensors = load_file(copy(bases, folder, base) / "model.safetensors")
        (folder / "model.safetensors").unlink()
        other = change(tensors)
        torch.save(tensors if other is None else other, folder / "pytorch_model.bin")
        return folder

    return make


def with_header(change: Callable[[dict[str, Any], bytes], bytes]) -> Callable[[Path, Path], Path]:
    """A checkpoint whose weight file is written by hand: (header, data) -> the file."""

    def make(bases: Path, folder: Path) -> Path:
        path = copy(bases, folder, "ViTModel") / "model.safetensors"
        raw = path.read_bytes()
        (size,) = struct.unpack("<Q", raw[:8])
        path.write_bytes(change(json.loads(raw[8 : 8 + size]), raw[8 + size :]))
        return folder

    return make


def written(header: str, data: bytes) -> bytes:
    encoded = header.encode()
    return struct.pack("<Q", len(encoded)) + encoded + data


def of_tensorflow(header: dict[str, Any], data: bytes) -> bytes:
    """A file that says so."""
    return written(json.dumps({**header, "__metadata__": {"format": "tf"}}), data)


def overlapping(header: dict[str, Any], data: bytes) -> bytes:
    names = [name for name in header if name != "__metadata__"]
    header[names[1]] = dict(header[names[0]])
    return written(json.dumps(header), data)


def twice(header: dict[str, Any], data: bytes) -> bytes:
    name = next(name for name in header if name != "__metadata__")
    text = json.dumps(header)
    return written(f"{text[:-1]}, {json.dumps(name)}: {json.dumps(header[name])}}}", data)


def cut(header: dict[str, Any], data: bytes) -> bytes:
    return written(json.dumps(header), data[:-50])


class Trap:
    """A pickle that would make a file when it is read."""

    def __reduce__(self) -> Any:
        return open, ("/tmp/pitome-hostile-pickle-was-run", "w")


def bomb(bases: Path, folder: Path) -> Path:
    """An archive that would grow a thousandfold."""
    torch.save({"weight": torch.zeros(4_000_000)}, folder / "plain.bin")
    copy(bases, folder, "ViTModel")
    (folder / "model.safetensors").unlink()
    with (
        zipfile.ZipFile(folder / "plain.bin") as plain,
        zipfile.ZipFile(folder / "pytorch_model.bin", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for entry in plain.infolist():
            packed.writestr(entry.filename, plain.read(entry))
    (folder / "plain.bin").unlink()
    return folder


def script(bases: Path, folder: Path) -> Path:
    copy(bases, folder, "ViTModel")
    (folder / "model.safetensors").unlink()
    torch.jit.script(torch.nn.Linear(2, 2)).save(folder / "pytorch_model.bin")
    return folder


def sharded(change: Callable[[Path], object]) -> Callable[[Path, Path], Path]:
    """A checkpoint in parts, with something wrong about them."""

    def make(bases: Path, folder: Path) -> Path:
        tiny_model("ViTModel").save_pretrained(folder, max_shard_size="40KB")
        change(folder)
        return folder

    return make


def with_index(folder: Path, change: Callable[[dict[str, str]], object]) -> None:
    path = folder / "model.safetensors.index.json"
    content = json.loads(path.read_text())
    change(content["weight_map"])
    path.write_text(json.dumps(content))


def first_part(folder: Path) -> Path:
    return min(folder.glob("model-*.safetensors"))


def same_tensor_in_two_parts(folder: Path) -> None:
    first, second = sorted(folder.glob("model-*.safetensors"))[:2]
    tensors = load_file(second)
    name, value = next(iter(load_file(first).items()))
    save_file({**tensors, name: value}, second, metadata={"format": "pt"})


def bytes_in_place(name: str, content: bytes) -> Callable[[Path, Path], Path]:
    """A checkpoint with this file in place of its weights."""
    return replaced(lambda path: path.with_name(name).write_bytes(content), "model.safetensors")


def put(name: str, value: Tensor | Callable[[], Tensor]) -> Callable[[dict[str, Tensor]], None]:
    """Another tensor; a callable where making it warns."""
    return lambda tensors: tensors.update({name: value if isinstance(value, Tensor) else value()})


def every(change: Callable[[Tensor], Tensor]) -> Callable[[dict[str, Tensor]], None]:
    return lambda tensors: tensors.update({name: change(value) for name, value in tensors.items()})


def quantised(method: str, **settings: Any) -> Callable[[Path, Path], Path]:
    return with_config(quantization_config={"quant_method": method, **settings})


def without_weights(bases: Path, folder: Path, name: str) -> Path:
    copy(bases, folder, "ViTModel")
    (folder / "model.safetensors").unlink()
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"content")
    return folder


BIAS = "layernorm.bias"
QUANTISED_REMEDY = "Choose the checkpoint that it was made from"
CORRECT = "Correct the file"
FETCH = "Fetch the file again"
