"""Inputs of a model: seeded ones, and real ones long enough that more than padding merges."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pitome import compress
from pitome.errors import InputError
from pitome.models.loading import load_model
from pitome.models.preprocessing import CLIP_COLOURS, make_preprocess
from pitome.validate.checked_inputs import long_inputs, random_images, random_texts
from pitome.validate.evaluate.spectrum import layer_spectra
from tests.tiny_models import IMAGE_SIZE, SEQUENCE_LENGTH
from tests.validate.text_checkpoint import write_text_checkpoint


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    write_text_checkpoint(folder)
    return load_model(str(folder), sequence_length=SEQUENCE_LENGTH)


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


def test_random_images_are_seeded_noise() -> None:
    images = random_images(3, (3, IMAGE_SIZE, IMAGE_SIZE))
    assert images.shape == (3, 3, IMAGE_SIZE, IMAGE_SIZE)
    assert torch.equal(images, random_images(3, (3, IMAGE_SIZE, IMAGE_SIZE)))
    assert not torch.equal(images, random_images(3, (3, IMAGE_SIZE, IMAGE_SIZE), seed=1))
    assert 0.9 < float(images.std()) < 1.1


def test_random_images_are_scaled_as_the_models_are() -> None:
    """Without preprocessing, pixels of all 256 values have mean 127.5 and deviation 73.9."""
    usual = make_preprocess(8, CLIP_COLOURS)
    assert torch.equal(random_images(9, (3, 8, 8), 0, usual), random_images(9, (3, 8, 8)))
    plain = usual.model_copy(update={"rescale_factor": None, "mean": None, "std": None})
    images = random_images(300, (3, 8, 8), 0, plain)
    assert (round(float(images.mean())), round(float(images.std()))) == (127, 74)


def test_random_texts_are_seeded_and_never_empty() -> None:
    texts = random_texts(200, 12, 30)
    ids, mask = texts.inputs["input_ids"], texts.inputs["attention_mask"]
    assert ids.shape == mask.shape == (200, 12)
    assert {ids.dtype, mask.dtype} == {torch.int64}
    lengths = mask.sum(dim=1)
    assert set(lengths.tolist()) == set(range(1, 13))
    assert torch.equal(mask, (torch.arange(12) < lengths[:, None]).long())
    assert int(ids[mask == 1].min()) >= 1
    assert int(ids.max()) < 30
    assert not ids[mask == 0].any()
    assert torch.equal(ids, random_texts(200, 12, 30).inputs["input_ids"])
