"""The text half of a CLIP checkpoint: captions to vectors, always unmerged PyTorch in float32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from pitome.errors import InputError
from pitome.models.checkpoint import read_config
from pitome.models.families import all_families
from pitome.models.tokenizer import TOKENIZER_FILE, encode_texts, load_tokenizer
from pitome.models.weight_files import read_weights
from pitome.runtime.pytorch import PyTorchRuntime
from pitome.validate.runs import run_batch

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from pitome.models.loading import LoadedModel

_VECTORS = "text_embeds"
_PREFIXES = ("text_model.", "text_projection.")
BATCH = 64


class TextTower:
    """A text model with its projection (`Family.text_tower`) and its tokeniser."""

    def __init__(self, model: Any, tokenizer: Tokenizer) -> None:
        """``tokenizer`` pads and truncates to the model's length."""
        self._runtime, self._tokenizer = PyTorchRuntime(model, (_VECTORS,)), tokenizer

    def embed(self, captions: Sequence[str]) -> Tensor:
        """Captions -> float32 [captions, C], each of length 1."""
        parts = []
        for start in range(0, len(captions), BATCH):
            encoded = encode_texts(self._tokenizer, captions[start : start + BATCH])
            parts.append(functional.normalize(run_batch(self._runtime, encoded)[_VECTORS], dim=-1))
        return torch.cat(parts)

    def embed_classes(self, captions: Sequence[Sequence[str]]) -> Tensor:
        """For each class its captions -> float32 [classes, C]: their vectors' mean, again of length 1."""
        vectors = [self.embed(texts).mean(dim=0) for texts in captions]
        return functional.normalize(torch.stack(vectors), dim=-1)


def text_tower_of(loaded: LoadedModel) -> TextTower:
    """The text tower that was loaded with the model, or else that of its checkpoint.

    Raises:
        InputError: as `load_text_tower`.
    """
    if loaded.text is None or loaded.folder is None:
        return load_text_tower(loaded.folder)
    tower = loaded.text.loaded
    return TextTower(tower.model, _required(tower.tokenizer, loaded.folder))


def load_text_tower(folder: Path | None) -> TextTower:
    """The text tower of a checkpoint folder: config.json, model.safetensors and tokenizer.json.

    Raises:
        InputError: no folder, a file that is missing or unreadable, or weights without a text tower.
    """
    asked = "captions for an image-text task"
    if folder is None:
        raise InputError(
            asked,
            "the model has random weights, or no folder, and so no text tower",
            "Use MODEL=fashion-clip, or a CLIP checkpoint with its text tower",
        )
    config = read_config(folder)
    tensors, _ = read_weights(folder)
    text = {name: value for name, value in tensors.items() if name.startswith(_PREFIXES)}
    model_class = _model_class(config.get("model_type"))
    whole = all(any(name.startswith(prefix) for name in text) for prefix in _PREFIXES)
    if model_class is None or not whole:
        raise InputError(
            f"{asked} from {folder}",
            "its checkpoint has no CLIP text tower",
            "Give the folder of a whole CLIP checkpoint",
        )
    return TextTower(*_build(folder, model_class, config, text))


def is_vision_alone(folder: Path) -> bool:
    """Whether a checkpoint's own configuration is that of a model without a text tower."""
    return _model_class(read_config(folder).get("model_type")) is None


def _model_class(model_type: object) -> str | None:
    """Of the text tower in a whole model's checkpoint; None where there is none."""
    return next((family.text_tower for family in all_families() if family.name == model_type), None)


def _build(
    folder: Path, model_class: str, config: Mapping[str, Any], tensors: dict[str, Tensor]
) -> tuple[Any, Tokenizer]:
    import transformers

    whole: Any = transformers.AutoConfig.for_model(**config)
    text_config = whole.text_config
    text_config.projection_dim = whole.projection_dim
    model = getattr(transformers, model_class)._from_config(text_config, attn_implementation="sdpa")
    positions = "text_model.embeddings.position_ids"  # a buffer, which older checkpoints stored
    missing, extra = model.load_state_dict(
        {name: value.float() for name, value in tensors.items() if name != positions}, strict=False
    )
    if missing or extra:
        raise InputError(
            f"the text tower in {folder}",
            f"its weights do not fit: {len(missing)} missing, {len(extra)} left over "
            f"({[*missing, *extra][0]})",
            "Give the weights that belong to this config.json",
        )
    return model.eval(), _tokenizer(folder, text_config)


def _tokenizer(folder: Path, config: Any) -> Tokenizer:
    return _required(load_tokenizer(folder, config, config.max_position_embeddings).tokenizer, folder)


def _required(tokenizer: Tokenizer | None, folder: Path) -> Tokenizer:
    if tokenizer is None:
        raise InputError(
            f"the tokeniser of the text tower in {folder}",
            f"there is no {TOKENIZER_FILE}",
            f"Put the checkpoint's {TOKENIZER_FILE} beside its weights",
        )
    return tokenizer
