"""Texts to tokens of a fixed number, by the checkpoint's own ``tokenizer.json``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitome.errors import InputError
from pitome.models.plain_file import check_plain_file

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor

TOKENIZER_FILE = "tokenizer.json"
_PADDING = "[PAD]"


def load_tokenizer(folder: Path, config: Any, sequence_length: int) -> Tokenizer | None:
    """The tokenizer of a checkpoint, set to pad and cut every text to ``sequence_length`` tokens.

    Returns:
        None where the folder has no ``tokenizer.json``.

    Raises:
        InputError: the file is none, or can't be read, or knows more tokens than the model.
    """
    from tokenizers import Tokenizer

    path = folder / TOKENIZER_FILE
    if not os.path.lexists(path):
        return None
    check_plain_file(path)
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises plain Exception
        raise InputError(
            f"the tokenizer {path}", f"it can't be read ({error})", "Fetch the file again"
        ) from error
    if tokenizer.get_vocab_size() > config.vocab_size:
        raise InputError(
            f"the tokenizer {path}",
            f"it has {tokenizer.get_vocab_size()} tokens, the model knows {config.vocab_size}",
            "Give the tokenizer.json that belongs to the model",
        )
    tokenizer.enable_truncation(sequence_length)
    padding = config.pad_token_id or 0
    tokenizer.enable_padding(
        length=sequence_length, pad_id=padding, pad_token=tokenizer.id_to_token(padding) or _PADDING
    )
    return tokenizer


def encode_texts(tokenizer: Tokenizer, texts: Sequence[str]) -> dict[str, Tensor]:
    """Texts as a model takes them: input_ids and attention_mask, int64 [n, L] each.

    Raises:
        InputError: there are none.
    """
    import torch

    if not texts:
        raise InputError("texts to encode", "there are none", "Give at least one")
    encoded = tokenizer.encode_batch(list(texts))
    return {
        "input_ids": torch.tensor([part.ids for part in encoded], dtype=torch.int64),
        "attention_mask": torch.tensor([part.attention_mask for part in encoded], dtype=torch.int64),
    }
