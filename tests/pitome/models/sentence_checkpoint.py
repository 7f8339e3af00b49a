"""A tiny sentence-transformers folder, written as the library writes it, without the library."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tests.tiny_models import tiny_text_model
from tests.validate.text_checkpoint import write_tokenizer

TYPES = {
    "Transformer": "sentence_transformers.models.Transformer",
    "Pooling": "sentence_transformers.models.Pooling",
    "Dense": "sentence_transformers.models.Dense",
    "Normalize": "sentence_transformers.models.Normalize",
}
MEAN = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}
CLS = {"word_embedding_dimension": 32, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
MAX = {"word_embedding_dimension": 32, "pooling_mode_max_tokens": True, "pooling_mode_mean_tokens": False}


def dense(in_features: int, out_features: int, **changes: Any) -> dict[str, Any]:
    """The configuration of a Dense module."""
    usual = {"bias": True, "activation_function": "torch.nn.modules.activation.Tanh"}
    return {"in_features": in_features, "out_features": out_features, **usual, **changes}


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def write_sentence_checkpoint(
    folder: Path,
    pooling: dict[str, Any],
    after: Sequence[dict[str, Any] | None] = (),
    *,
    model: str = "BertModel",
    inner: str = "",
    lengths: dict[str, Any] | None = None,
) -> Path:
    """Write the folder and return it.

    Args:
        folder: where.
        pooling: content of 1_Pooling/config.json.
        after: a Dense module's configuration each, None for Normalize.
        model: class of the encoder.
        inner: folder of the encoder in it, such as 0_Transformer.
        lengths: content of sentence_bert_config.json.
    """
    place = folder / inner
    tiny_text_model(model).save_pretrained(place)
    write_tokenizer(place)
    write_json(place / "sentence_bert_config.json", lengths or {"max_seq_length": 24, "do_lower_case": False})
    modules = [("Transformer", inner), ("Pooling", "1_Pooling")]
    write_json(folder / "1_Pooling" / "config.json", pooling)
    generator = torch.Generator().manual_seed(3)
    for number, content in enumerate(after, start=2):
        kind = "Normalize" if content is None else "Dense"
        modules.append((kind, f"{number}_{kind}"))
        (folder / f"{number}_{kind}").mkdir()
        if content is not None:
            write_json(folder / f"{number}_Dense" / "config.json", content)
            sizes = (content["out_features"], content["in_features"])
            tensors = {"linear.weight": torch.randn(*sizes, generator=generator) * 0.3}
            if content["bias"]:
                tensors["linear.bias"] = torch.randn(sizes[0], generator=generator) * 0.3
            save_file(tensors, folder / f"{number}_Dense" / "model.safetensors")
    listed = [
        {"idx": number, "name": str(number), "path": path, "type": TYPES[kind]}
        for number, (kind, path) in enumerate(modules)
    ]
    write_json(folder / "modules.json", listed)
    return folder
