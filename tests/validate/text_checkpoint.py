"""A tiny BERT checkpoint with a tokenizer of words, written as the hub's folders are."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pitome.validate.sentences import SENTENCES
from tests.tiny_models import VOCABULARY, tiny_text_model


def write_text_checkpoint(folder: Path) -> None:
    """config.json, model.safetensors, tokenizer.json; texts of at most 40 tokens, one for each word.

    As with real tokenizers, the shorter half of the package's sentences is mostly padding.
    """
    tiny_text_model("BertModel").save_pretrained(folder)
    write_tokenizer(folder)


def write_tokenizer(folder: Path) -> None:
    """tokenizer.json: the most usual words of this package's sentences, 50 with the special tokens."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    usual = Counter(" ".join(SENTENCES).split()).most_common()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(word for word, _ in usual)][:VOCABULARY]
    tokenizer = Tokenizer(
        models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
