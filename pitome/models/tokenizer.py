"""Texts to tokens of a fixed number, by the checkpoint's own tokenizer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitome.errors import InputError, PitomeError
from pitome.models.tokenizer_files import TOKENIZER_FILE, TokenizerContent, read_tokenizer_content
from pitome.text_inputs import ATTENTION_MASK, INPUT_IDS, TOKEN_TYPE_IDS

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer
    from torch import Tensor

__all__ = ["TOKENIZER_FILE", "FoundTokenizer", "Text", "encode_texts", "load_tokenizer"]

Text = str | tuple[str, str]
"""A text, or the two of a pair."""
_PADDING = "[PAD]"
_PROBE = "a"


@dataclass(frozen=True)
class FoundTokenizer:
    """A checkpoint's tokenizer, or why there is none."""

    tokenizer: Tokenizer | None
    """Pads behind and cuts to the model's length."""
    notes: tuple[str, ...] = ()
    """Which of its settings were set aside, a sentence each."""


def load_tokenizer(
    folder: Path, config: Any, sequence_length: int, lower_case: bool = False
) -> FoundTokenizer:
    """The tokenizer of a checkpoint, set to pad and cut every text to ``sequence_length`` tokens at its end.

    It is made from ``tokenizer.json``, or else from BERT's ``vocab.txt``. What ``tokenizer_config.json`` says
    of lower case, accents and Chinese characters holds, as it does in ``transformers``.

    Args:
        folder: the checkpoint's.
        config: the model's, whose vocabulary and padding token are used.
        sequence_length: tokens of every text.
        lower_case: make the texts lower case first, as a sentence-transformers checkpoint may ask.

    Raises:
        InputError: a file that can't be read, a tokenizer that fails on any text, or one that knows more
            tokens than the model.
    """
    content = read_tokenizer_content(folder)
    if content.json is None:
        return FoundTokenizer(None, content.notes)
    tokenizer = _build(content)
    _check_vocabulary(content.path, tokenizer, config)
    notes = [*content.notes, *_set_aside(content, tokenizer, sequence_length)]
    if lower_case:
        _lower_case_first(tokenizer)
    with as_tokenizer_error(f"the tokenizer {content.path}"):
        tokenizer.enable_truncation(sequence_length)
        padding = config.pad_token_id or 0
        tokenizer.enable_padding(
            length=sequence_length, pad_id=padding, pad_token=tokenizer.id_to_token(padding) or _PADDING
        )
        probes = tokenizer.encode_batch([_PROBE, (_PROBE, _PROBE)])
    largest = max(max(probe.ids) for probe in probes)
    if largest >= config.vocab_size:
        raise _unknown_token(content.path, largest, str(tokenizer.id_to_token(largest)), "", config)
    return FoundTokenizer(tokenizer, tuple(notes))


def encode_texts(tokenizer: Tokenizer, texts: Sequence[Text], num_token_types: int = 0) -> dict[str, Tensor]:
    """Texts as a model takes them.

    Args:
        tokenizer: pads and cuts to the model's length.
        texts: single ones and pairs, at least one.
        num_token_types: of a model that takes them; 0 = it does not.

    Returns:
        input_ids and attention_mask, and token_type_ids where the model takes them; int64 [n, L] each.

    Raises:
        InputError: there are none, a length that has no room for the tokens around a text, or a tokenizer
            that fails or gives token types that the model has not.
    """
    import torch

    if not texts:
        raise InputError("texts to encode", "there are none", "Give at least one")
    with as_tokenizer_error("texts to encode"):
        encoded = tokenizer.encode_batch(list(texts))
    _check_lengths(tokenizer, encoded)
    found = {
        INPUT_IDS: [part.ids for part in encoded],
        ATTENTION_MASK: [part.attention_mask for part in encoded],
    }
    if num_token_types:
        found[TOKEN_TYPE_IDS] = [part.type_ids for part in encoded]
        largest = max(max(row) for row in found[TOKEN_TYPE_IDS])
        if largest >= num_token_types:
            raise InputError(
                "texts to encode",
                f"the tokenizer gives the token type {largest}, the model has {num_token_types}",
                "Give the tokenizer.json that belongs to the model",
            )
    return {name: torch.tensor(rows, dtype=torch.int64) for name, rows in found.items()}


@contextmanager
def as_tokenizer_error(asked: str) -> Iterator[None]:
    """Turn what the library raises into an InputError: plain Exception, or a panic, which is none."""
    try:
        yield
    except (PitomeError, MemoryError):
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise  # an interrupt
        raise InputError(
            asked,
            f"the tokenizer fails ({str(error).strip() or type(error).__name__})",
            "Fetch the file again",
        ) from error


def _check_lengths(tokenizer: Tokenizer, encoded: Sequence[Encoding]) -> None:
    """The library leaves a text as it is where the length has no room for what stands around it."""
    length = (tokenizer.padding or {}).get("length")
    for part in encoded if length else ():
        if len(part.ids) != length:
            raise InputError(
                "texts to encode",
                f"one has {len(part.ids)} tokens after it was cut to {length}: those at its ends "
                "alone are more",
                "Choose a larger SEQUENCE_LENGTH",
            )


def _build(content: TokenizerContent) -> Tokenizer:
    from tokenizers import Tokenizer

    assert content.json is not None
    with as_tokenizer_error(f"the tokenizer {content.path}"):
        try:
            return Tokenizer.from_str(content.json)
        except Exception as error:  # the library raises plain Exception
            raise InputError(
                f"the tokenizer {content.path}", f"it can't be read ({error})", "Fetch the file again"
            ) from error


def _check_vocabulary(path: Path, tokenizer: Tokenizer, config: Any) -> None:
    """Refuse (InputError) tokens that the model has no row for: it would look them up behind its table."""
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    beyond = sorted((number, token) for token, number in vocabulary.items() if number >= config.vocab_size)
    if not beyond:
        return
    number, token = beyond[0]
    raise _unknown_token(
        path, number, token, f" and {len(beyond) - 1} more" if len(beyond) > 1 else "", config
    )


def _unknown_token(path: Path, number: int, token: str, more: str, config: Any) -> InputError:
    return InputError(
        f"the tokenizer {path}",
        f"its token {token!r} has the number {number}{more}, and the model knows {config.vocab_size} tokens, "
        f"0 to {config.vocab_size - 1}",
        "Give the tokenizer that belongs to the model; where tokens were added, save the model after "
        "model.resize_token_embeddings(len(tokenizer))",
    )


def _set_aside(content: TokenizerContent, tokenizer: Tokenizer, sequence_length: int) -> Iterator[str]:
    """What the file says of padding and cutting and is not done."""
    padding, truncation = tokenizer.padding or {}, tokenizer.truncation or {}
    if "left" in (padding.get("direction"), content.padding_side):
        yield (
            "The tokenizer pads in front of the texts; here they are padded behind, because the class token "
            "stands first"
        )
    if "left" in (truncation.get("direction"), content.truncation_side):
        yield "The tokenizer cuts texts at their beginning; here they are cut at their end"
    longest = truncation.get("max_length", sequence_length)
    if longest != sequence_length:
        yield (
            f"The tokenizer's own setting cuts texts to {longest} tokens; here they are padded and cut to "
            f"{sequence_length} (SEQUENCE_LENGTH)"
        )


def _lower_case_first(tokenizer: Tokenizer) -> None:
    from tokenizers import normalizers

    own = tokenizer.normalizer
    first = normalizers.Lowercase()
    tokenizer.normalizer = first if own is None else normalizers.Sequence([first, own])
