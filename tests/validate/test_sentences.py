"""The sentences of this package, and texts that are made of them."""

from __future__ import annotations

import pytest

from pitome.errors import InputError
from pitome.validate.sentences import SENTENCES, long_texts


def test_the_sentences_are_of_many_lengths() -> None:
    lengths = [len(sentence.split()) for sentence in SENTENCES]
    assert len(set(SENTENCES)) == len(SENTENCES) == 24
    assert min(lengths) == 1
    assert max(lengths) > 128
    assert sum(length < 25 for length in lengths) >= 12


def test_long_texts_have_every_sentence_once_and_are_about_equal():
    lengths = [len(text.split()) for text in SENTENCES]
    texts = long_texts(lengths, 60, 8)
    assert len(texts) == 8
    for sentence in SENTENCES:
        assert sum(sentence in text for text in texts) >= 1
    assert sum(len(text.split()) for text in texts) == sum(lengths)
    assert min(len(text.split()) for text in texts) >= 60


def test_there_are_as_many_texts_as_can_be_filled_but_two():
    lengths = [len(text.split()) for text in SENTENCES]
    counts = [len(long_texts(lengths, longest, 8)) for longest in (10, 200, 100_000)]
    assert counts == [8, sum(lengths) // 200, 2]


@pytest.mark.parametrize(("lengths", "most"), [([1, 2], 8), ([1] * len(SENTENCES), 1)])
def test_long_texts_refuse(lengths, most):
    with pytest.raises(InputError, match="an interval needs at least two texts, and every sentence has one"):
        long_texts(lengths, 10, most)
