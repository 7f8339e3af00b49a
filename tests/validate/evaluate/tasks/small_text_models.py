"""Checkpoints of tiny text models with a tokeniser of few words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pitome.models.loading import LoadedModel, load_model
from tests.tiny_models import SEQUENCE_LENGTH, tiny_text_model

WORDS = ("[PAD]", "[UNK]", "text", "bad", "good")


def load_tiny_text_model(name: str, folder: Path, **config: Any) -> LoadedModel:
    """A model of one of ``TEXT_MODELS``, saved in ``folder`` and loaded; ``config`` is set before."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    model = tiny_text_model(name)
    for key, value in config.items():
        setattr(model.config, key, value)
    model.save_pretrained(folder)
    tokenizer = Tokenizer(
        models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    return load_model(str(folder), sequence_length=SEQUENCE_LENGTH)
