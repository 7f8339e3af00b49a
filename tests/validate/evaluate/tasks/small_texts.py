"""A made-up corpus, and an encoder that is a plain function: no model is needed to judge one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from pitome.validate.evaluate.datasets.orange_tab import LabelledTexts
from tests.validate.evaluate.function_runtime import FunctionRuntime

LENGTH, WIDTH, CLASSES = 12, 8, 3
WORDS = 30


def corpus(count: int, seed: int) -> LabelledTexts:
    """Documents of 2 to 15 words; two thirds of the words of class c are c, c + 3, c + 6, ..."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, CLASSES, count)
    texts = []
    for label in labels:
        words = generator.integers(1, WORDS, generator.integers(2, 16))
        own = generator.random(len(words)) < 2 / 3
        words[own] = 1 + label + CLASSES * (words[own] % (WORDS // CLASSES - 1))
        texts.append(" ".join(map(str, words)))
    return LabelledTexts(tuple(texts), labels, ("x", "y", "z"))


def encode(texts: Sequence[str]) -> dict[str, torch.Tensor]:
    """Words are numbers; 0 is padding."""
    ids = torch.zeros(len(texts), LENGTH, dtype=torch.int64)
    for row, text in enumerate(texts):
        words = [int(word) for word in text.split()][:LENGTH]
        ids[row, : len(words)] = torch.tensor(words)
    return {"input_ids": ids, "attention_mask": (ids > 0).long()}


def embedding(seed=0, noise=0.0):
    """An encoder: each word has a random vector; at padding there is rubbish. ``noise`` makes it worse."""
    generator = torch.Generator().manual_seed(seed)
    table = torch.randn(WORDS + 2, WIDTH, generator=generator)
    table[0] = torch.nan

    @FunctionRuntime
    def encoder(inputs):
        hidden = table[inputs["input_ids"]]
        disturbance = torch.randn(hidden.shape, generator=torch.Generator().manual_seed(1))
        return {"last_hidden_state": hidden + noise * disturbance}

    return encoder
