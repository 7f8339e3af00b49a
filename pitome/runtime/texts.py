"""Texts as a bundle's model takes them, by the tokenizer and the prompts that lie in the bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pitome.arguments import check_flag
from pitome.errors import InputError
from pitome.models.sentence_files import Prompts
from pitome.models.tokenizer import Text, as_tokenizer_error
from pitome.runtime.protocol import Array
from pitome.text_inputs import ATTENTION_MASK, INPUT_IDS, TOKEN_TYPE_IDS

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer


@dataclass(frozen=True)
class PreparedTexts:
    """Texts as arrays, in the order in which they were given."""

    arrays: dict[str, Array]
    """Input name -> int64 [n, L]."""
    lengths: Array
    """int64 [n]: tokens of each text before it was cut, those at its ends and of a prompt included."""
    limit: int
    """Tokens of the longest text that the model takes."""

    @property
    def too_long(self) -> list[int]:
        """The places of the texts that were cut."""
        return [int(place) for place in np.flatnonzero(self.lengths > self.limit)]

    def rows(self, places: Array | slice) -> dict[str, Array]:
        """The arrays of some of them."""
        return {name: values[places] for name, values in self.arrays.items()}


class TextPreparation:
    """A tokenizer and prompts; it changes nothing of itself, so that threads can share it.

    Args:
        tokenizer: pads and cuts to the model's length.
        limit: tokens of the longest text.
        inputs: names of the model's inputs.
        prompts: of the checkpoint.
        prompt_in_vector: whether the tokens of a prompt may be pooled with those of the text.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        limit: int,
        inputs: Sequence[str],
        *,
        prompts: Prompts | None = None,
        prompt_in_vector: bool = True,
    ) -> None:
        from tokenizers import Tokenizer

        self.limit, self.prompts = limit, prompts or Prompts()
        self._inputs = tuple(inputs)
        self._prompt_in_vector = prompt_in_vector
        self._padding_id = int((tokenizer.padding or {}).get("pad_id", 0))
        with as_tokenizer_error("the bundle's tokenizer"):
            self._cutting = Tokenizer.from_str(tokenizer.to_str())
            self._cutting.no_padding()
            self._whole = Tokenizer.from_str(tokenizer.to_str())
            self._whole.no_padding()
            self._whole.no_truncation()

    def prepare(
        self, texts: Sequence[Text], prompt: str | None = None, truncate: bool = False
    ) -> PreparedTexts:
        """Texts as arrays, padded behind to the model's length.

        Args:
            texts: single ones, or pairs.
            prompt: name of one of the checkpoint's prompts, put in front of every text; None = its default
                one, if it has any; "" = none.
            truncate: cut texts that are too long at their end; False = refuse them.

        Raises:
            InputError: there are none, one is no text, too long or empty of tokens, or there is no such
                prompt.
        """
        check_flag("truncate", truncate)
        given = self._checked(texts, self._prompt(prompt))
        encoded = self._encode(self._whole, given)
        lengths = np.array([len(each) for each in encoded], np.int64)
        long = np.flatnonzero(lengths > self.limit)
        if len(long) and not truncate:
            first = int(long[0])
            more = f", and {len(long) - 1} more are too long" if len(long) > 1 else ""
            raise InputError(
                f"text {first + 1} of {len(given)}",
                f"it has {lengths[first]} tokens, and the model takes {self.limit}{more}",
                "Shorten it, or let truncate=True cut it at its end",
            )
        if len(long):
            for place, cut in zip(
                long, self._encode(self._cutting, [given[place] for place in long]), strict=True
            ):
                encoded[place] = cut
        return PreparedTexts(self._arrays(encoded), lengths, self.limit)

    def lengths(self, texts: Sequence[Text], prompt: str | None = None) -> Array:
        """int64 [n]: the tokens of each text. Errors as of `prepare`, but for the length."""
        encoded = self._encode(self._whole, self._checked(texts, self._prompt(prompt)))
        return np.array([len(each) for each in encoded], np.int64)

    def _prompt(self, name: str | None) -> str:
        wanted = self.prompts.default if name is None else name
        if wanted is None or (isinstance(wanted, str) and not wanted and wanted not in self.prompts.texts):
            return ""
        if not isinstance(wanted, str) or wanted not in self.prompts.texts:
            known = ", ".join(map(repr, self.prompts.texts))
            raise InputError(
                f"prompt={wanted!r}",
                f"the checkpoint has the prompts {known}" if known else "the checkpoint has no prompts",
                "Choose one of them, or leave prompt out"
                if known
                else "Write it in front of the texts yourself",
            )
        text = self.prompts.texts[wanted]
        if text and not self._prompt_in_vector:
            raise InputError(
                f"prompt={wanted!r}",
                "the checkpoint leaves the tokens of a prompt out of the vector, and merged tokens can't be "
                "left out",
                'Give prompt="", which puts none in front',
            )
        return text

    def _checked(self, texts: Sequence[Text], prompt: str) -> list[Text]:
        if not texts:
            raise InputError("texts", "there are none", "Give at least one")
        found: list[Text] = []
        for place, text in enumerate(texts, 1):
            pair = (
                isinstance(text, tuple | list)
                and len(text) == 2
                and all(isinstance(each, str) for each in text)
            )
            if not pair and not isinstance(text, str):
                kind = "None" if text is None else f"of the type {type(text).__name__}"
                raise InputError(
                    f"text {place} of {len(texts)}", f"it is {kind}", "Give a text, or a pair of texts"
                )
            for each in (text,) if isinstance(text, str) else text:
                _check_characters(each, place, len(texts))
            found.append(prompt + text if isinstance(text, str) else (prompt + text[0], text[1]))
        return found

    def _encode(self, tokenizer: Tokenizer, texts: Sequence[Text]) -> list[Encoding]:
        with as_tokenizer_error("texts to encode"):
            return list(tokenizer.encode_batch(list(texts)))

    def _arrays(self, encoded: Sequence[Encoding]) -> dict[str, Array]:
        shape = (len(encoded), self.limit)
        ids, mask = np.full(shape, self._padding_id, np.int64), np.zeros(shape, np.int64)
        types = np.zeros(shape, np.int64)
        for row, each in enumerate(encoded):
            length = len(each.ids)
            if not 0 < length <= self.limit:
                raise InputError(
                    f"text {row + 1} of {len(encoded)}",
                    f"it has {length} tokens cut to {self.limit}: those at its ends alone are more"
                    if length
                    else "the tokenizer makes no token of it",
                    "Build the model with a larger SEQUENCE_LENGTH" if length else "Leave it out",
                )
            ids[row, :length], mask[row, :length], types[row, :length] = (
                each.ids,
                each.attention_mask,
                each.type_ids,
            )
        found = {INPUT_IDS: ids, ATTENTION_MASK: mask}
        if TOKEN_TYPE_IDS in self._inputs:
            found[TOKEN_TYPE_IDS] = types
        return {name: values for name, values in found.items() if name in self._inputs}


def _check_characters(text: str, place: int, count: int) -> None:
    """The library raises something else at half a character."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(
            f"text {place} of {count}",
            "it holds half a character (a lone surrogate)",
            'Read it as UTF-8, or with errors="replace"',
        ) from None
