"""Inputs that spectra are measured on: long enough that more than padding merges."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pitome import compress
from pitome.errors import InputError
from pitome.models.loading import load_model
from pitome.validate.checked_inputs import long_inputs
from pitome.validate.evaluate.datasets.sentences import SENTENCES, long_texts
from pitome.validate.evaluate.spectrum import layer_spectra
from tests.tiny_models import SEQUENCE_LENGTH
from tests.validate.text_checkpoint import write_text_checkpoint


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    write_text_checkpoint(folder)
    return load_model(str(folder), sequence_length=SEQUENCE_LENGTH)


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


def test_long_inputs_fill_the_model(loaded):
    inputs = long_inputs(loaded, 8).inputs
    assert inputs["attention_mask"].shape == (8, SEQUENCE_LENGTH)
    assert bool((inputs["attention_mask"] == 1).all())
    assert len({tuple(row.tolist()) for row in inputs["input_ids"]}) == 8


def test_long_inputs_need_a_tokenizer(loaded):
    with pytest.raises(InputError, match=r"real texts for .*: its checkpoint has no tokenizer\.json"):
        long_inputs(replace(loaded, tokenizer=None), 8)


def test_distances_of_texts_are_above_0(loaded):
    """At the first sentences, which are short, nothing but padding merges: every distance would be 0."""
    merged = compress(loaded.model)  # the default keep ratio
    found = {each.method: each.layers for each in layer_spectra(merged, long_inputs(loaded, 8)).methods}
    assert set(found) >= {"pitome", "tome", "random"}
    for layers in found.values():
        assert all(layer.mean > 1e-3 for layer in layers)


def test_photos_are_as_many_as_were_asked_for(tmp_path: Path):
    from tests.tiny_models import tiny_model

    tiny_model("ViTModel").save_pretrained(tmp_path)
    images = long_inputs(load_model(str(tmp_path)), 3).inputs["pixel_values"]
    assert images.shape[0] == 3
    assert torch.isfinite(images).all()
