"""Texts as tokens, a chunk ahead of the model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np

from pitome.errors import InputError
from pitome.regular_file import UnusableFileError, read_regular_file
from pitome.runtime.protocol import Array
from pitome.serving.embed.items import Item
from pitome.serving.embed.prepared import Chunk, Prepared

MOST_CHARACTERS = 1_000_000
"""Of one text; a model reads a few thousand, and a tokenizer goes through all of them."""
EMPTY = "empty"
_MOST_BYTES = 4 * MOST_CHARACTERS
_ROWS = 256
"""Of a chunk: the tokenizer spreads them over its threads."""


class TextEncoder(Protocol):
    """Makes tokens of texts."""

    limit: int
    """Tokens of the longest text."""

    def tokens(self, texts: list[str]) -> tuple[dict[str, Array], list[int]]:
        """Input name -> [n, L], cut where texts are longer, and how many tokens each text has.

        Raises:
            InputError: a text that no tokens are made of.
        """


class TextThread:
    """A `Preparer` of texts: a thread, because the tokenizer's work is not Python's.

    Args:
        encoder: of the model.
        truncate: what is too long is cut; else it is a failure.
    """

    rows = _ROWS

    def __init__(self, encoder: TextEncoder, truncate: bool) -> None:
        self._encoder, self._truncate = encoder, truncate
        self._pool = ThreadPoolExecutor(1, "pitome-texts")

    def prepare(self, chunks: Iterable[Chunk]) -> Iterator[Prepared]:
        """Each chunk in order."""
        ahead: Future[Prepared] | None = None
        for chunk in chunks:
            following = self._pool.submit(self._prepared, chunk)
            if ahead is not None:
                yield ahead.result()
            ahead = following
        if ahead is not None:
            yield ahead.result()

    def close(self) -> None:
        """End the thread, when it is done with its chunk."""
        self._pool.shutdown(cancel_futures=True)

    def _prepared(self, chunk: Chunk) -> Prepared:
        failures: dict[int, str] = {}
        rows: list[int] = []
        texts: list[str] = []
        for row, item in enumerate(chunk.items):
            text, reason = _text_of(item)
            if reason is None:
                rows.append(row)
                texts.append(text)
            else:
                failures[row] = reason
        arrays, lengths = self._tokens(rows, texts, failures)
        limit, cut = self._encoder.limit, {}
        good: list[int] = []
        for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
            if length > limit and not self._truncate:
                failures[row] = f"too long: {length:,} tokens, and the model takes {limit:,}"
            else:
                good.append(place)
                if length > limit:
                    cut[row] = length
        if len(good) < len(rows):
            arrays = {name: values[good] for name, values in arrays.items()}
        return Prepared(chunk, arrays, tuple(rows[place] for place in good), failures, cut)

    def _tokens(
        self, rows: list[int], texts: list[str], failures: dict[int, str]
    ) -> tuple[dict[str, Array], list[int]]:
        """Arrays and lengths; ``rows`` loses those of which no tokens are made."""
        if not texts:
            return {}, []
        try:
            return self._encoder.tokens(texts)
        except InputError as error:
            if len(texts) == 1:
                failures[rows.pop()] = error.found
                return {}, []
        parts: list[dict[str, Array]] = []
        lengths: list[int] = []
        given, rows[:] = list(rows), []
        for row, text in zip(given, texts, strict=True):  # one of them spoils the others
            alone = [row]
            arrays, length = self._tokens(alone, [text], failures)
            if alone:
                rows.append(row)
                parts.append(arrays)
                lengths += length
        names = parts[0] if parts else ()
        return {name: np.concatenate([part[name] for part in parts]) for name in names}, lengths


def _text_of(item: Item) -> tuple[str, str | None]:
    """A text, or why there is none that can be used."""
    if item.reason is not None:
        return "", item.reason
    text = item.text
    if text is None:
        try:
            text = read_regular_file(Path(str(item.place)), _MOST_BYTES).decode("utf-8-sig")
        except FileNotFoundError:
            return "", "there is no such file"
        except UnicodeDecodeError:
            return "", "not UTF-8"
        except OSError as error:
            return "", f"it can't be read ({error.strerror})"
        except (UnusableFileError, ValueError) as error:
            return "", f"it {error}"
    if not text.strip():
        return "", EMPTY
    if len(text) > MOST_CHARACTERS:
        return "", f"too long: more than {MOST_CHARACTERS:,} characters"
    return text, None
