"""Fidelity: cosines computed by hand on images, texts and views of photos."""

import numpy as np
import pytest
import torch

from pitome.errors import InputError
from pitome.models.presets import make_preprocess
from pitome.validate.evaluate.datasets.photo_views import PhotoViews
from pitome.validate.evaluate.tasks.fidelity import Fidelity
from pitome.validate.evaluate.tasks.image_classification import ImageClassification
from pitome.validate.evaluate.tasks.text_classification import TextClassification, sentence_vectors
from pitome.validate.statistics import paired_difference
from tests.validate.evaluate.function_runtime import FunctionRuntime
from tests.validate.evaluate.tasks.small_images import image_set, looks_up
from tests.validate.evaluate.tasks.small_texts import LENGTH, corpus, embedding, encode

UNMERGED = [[3, 4], [1, 0], [0, 2], [1, 1]]
MERGED = [[4, 3], [1, 0], [2, 0], [-1, -1]]


@pytest.fixture
def images():
    splits = {"test": image_set([0, 1, 2, 1]), "validation": image_set([0, 1])}
    return Fidelity("made up", ImageClassification("labels", splits))


@pytest.fixture
def texts():
    numbers = {"num_fit": 120, "num_validation": 60, "num_test": 80}
    source = TextClassification("small", corpus(200, 0), corpus(100, 1), encode, **numbers)
    made = Fidelity("small-fidelity", source)
    made.prepare(embedding())
    return made


@pytest.fixture(scope="module")
def photos():
    views = PhotoViews(make_preprocess(16, ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))))
    made = Fidelity("photos", views, views.photos)
    made.prepare(patches())
    return made


def patches(noise=0.0):
    """Tokens of an image: its 2 x 2 patches' pixels, their mean in front; noise disturbs all of them."""

    @FunctionRuntime
    def encoder(inputs):
        pixels = inputs["pixel_values"]
        tokens = pixels.unfold(2, 8, 8).unfold(3, 8, 8).flatten(2, 3).permute(0, 2, 1, 3, 4).flatten(2)
        tokens = torch.cat([tokens.mean(dim=1, keepdim=True), tokens], dim=1)
        disturbance = torch.randn(tokens.shape, generator=torch.Generator().manual_seed(0))
        return {"last_hidden_state": tokens + noise * disturbance}

    return encoder


def test_cosines_to_the_unmerged_model(images):
    images.prepare(looks_up("logits", UNMERGED))
    score = images.score(looks_up("logits", MERGED), "test")
    assert (images.name, score.main, images.count("test")) == ("made up", "cosine", 4)
    assert list(score.metrics) == ["cosine"]
    assert score.metrics["cosine"].tolist() == pytest.approx([24 / 25, 1, 0, -1])
    assert score.details == {"minimum": {"cosine": pytest.approx(-1)}}
    assert score.groups == {}


def test_another_unmerged_model_is_not_taken_for_the_first(images):
    images.prepare(looks_up("logits", MERGED))
    images.score(looks_up("logits", MERGED), "test")
    images.prepare(looks_up("logits", UNMERGED))
    assert np.allclose(images.score(looks_up("logits", UNMERGED), "test").metrics["cosine"], 1)


def test_refusals(images):
    with pytest.raises(InputError) as error:
        images.score(looks_up("logits", MERGED), "test")
    assert str(error.value) == (
        "a score on made up: the unmerged model is not there. Call prepare with the unmerged model"
    )
    with pytest.raises(InputError, match="this task fits no head"):
        images.score(looks_up("logits", MERGED), "test", refit=True)


def test_the_same_model_is_perfectly_close_on_texts(texts):
    score = texts.score(embedding(), "validation")
    assert texts.count("test") == 80
    assert score.metrics["cosine"].shape == (60,)
    assert np.abs(score.metrics["cosine"] - 1).max() < 1e-12


def test_cosines_of_texts_are_those_of_their_sentence_vectors(texts):
    samples, other = texts.samples("test"), embedding(noise=1.0)
    found = texts.score(other, "test").metrics["cosine"]
    mask = samples.inputs["attention_mask"]
    # The noise of `embedding` depends on the batch, so the reference runs in the task's batches.
    first = [embedding().function(part)["last_hidden_state"] for part in samples.batches(texts.batch)]
    again = embedding(noise=1.0)
    second = [again.function(part)["last_hidden_state"] for part in samples.batches(texts.batch)]
    row = 0
    for plain, noisy in zip(first, second, strict=True):
        for one, two in zip(plain, noisy, strict=True):
            a = sentence_vectors(one[None], mask[row : row + 1])[0].numpy()
            b = sentence_vectors(two[None], mask[row : row + 1])[0].numpy()
            assert found[row] == pytest.approx(a @ b / np.sqrt((a @ a) * (b @ b)), abs=1e-6)
            row += 1
    assert found.mean() < 0.99


def test_long_texts_are_counted_separately(texts):
    score = texts.score(embedding(noise=1.0), "test")
    full = (texts.samples("test").inputs["attention_mask"].sum(dim=1) == LENGTH).numpy()
    assert score.details["full_length"] == {
        "samples": int(full.sum()),
        "cosine": pytest.approx(score.metrics["cosine"][full].mean()),
    }


def test_every_vector_of_a_photo_is_a_metric_and_their_mean_is_the_main_one(photos):
    same, noisy = photos.score(patches(), "test"), photos.score(patches(0.5), "test")
    assert list(same.metrics) == [
        "cosine, last_hidden_state: class token",
        "cosine, last_hidden_state: mean token",
        "cosine",
    ]
    assert np.allclose(same.metrics["cosine"], 1, atol=1e-6)
    assert noisy.mean() < 0.99
    *vectors, main = noisy.metrics.values()
    assert np.allclose(main, np.mean(vectors, axis=0))
    assert noisy.details["minimum"]["cosine"] == noisy.metrics["cosine"].min()
    assert (noisy.details["views"], noisy.details["photos"]) == (96, 11)


def test_views_of_one_photo_are_what_statistics_resample(photos):
    first, second = photos.score(patches(0.2), "test"), photos.score(patches(0.4), "test")
    found = paired_difference(
        first.metrics["cosine"], second.metrics["cosine"], groups=first.groups["cosine"]
    )
    assert found.low > 0
    assert found.method == "sign flips, bootstrap by group"
