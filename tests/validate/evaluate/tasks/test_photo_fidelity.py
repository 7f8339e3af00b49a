"""Fidelity on photos: splits by photo, and cosines against the unmerged model."""

import numpy as np
import pytest
import torch

from pitome.errors import InputError
from pitome.models.presets import make_preprocess
from pitome.validate.evaluate.datasets.photos import PHOTOS
from pitome.validate.evaluate.tasks.photo_fidelity import VALIDATION_PHOTOS, PhotoFidelity
from pitome.validate.statistics import paired_difference
from tests.validate.evaluate.function_runtime import FunctionRuntime

PLAIN = make_preprocess(16, ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)))


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


@pytest.fixture(scope="module")
def task():
    made = PhotoFidelity(PLAIN)
    made.prepare(patches())
    return made


def test_no_photo_is_in_both_splits(task):
    names = {name.partition(".")[0] for name in PHOTOS}
    assert set(VALIDATION_PHOTOS) < names
    assert (task.count("validation"), task.count("test")) == (64, 96)
    groups = {split: set(task.score(patches(), split).groups["cosine"]) for split in ("validation", "test")}
    assert not groups["validation"] & groups["test"]
    assert (len(groups["validation"]), len(groups["test"])) == (8, 11)  # the stereo pair is one photo


def test_the_unmerged_model_is_faithful_and_noise_is_not(task):
    same, noisy = task.score(patches(), "test"), task.score(patches(0.5), "test")
    assert list(same.metrics) == [
        "cosine, last_hidden_state: class token",
        "cosine, last_hidden_state: mean token",
        "cosine",
    ]
    assert np.allclose(same.metrics["cosine"], 1, atol=1e-6)
    assert noisy.mean() < 0.99
    assert np.allclose(
        noisy.metrics["cosine"],
        np.mean([values for name, values in noisy.metrics.items() if name != "cosine"], axis=0),
    )
    assert noisy.details["minimum"]["cosine"] == noisy.metrics["cosine"].min()
    assert noisy.details["photos"] == 11


def test_its_groups_are_those_that_statistics_resample(task):
    first, second = task.score(patches(0.2), "test"), task.score(patches(0.4), "test")
    found = paired_difference(
        first.metrics["cosine"], second.metrics["cosine"], groups=first.groups["cosine"]
    )
    assert found.low > 0
    assert found.method == "sign flips, bootstrap by group"


def test_a_limit_takes_whole_photos_first():
    few = PhotoFidelity(PLAIN, limit=4)
    few.prepare(patches())
    assert few.score(patches(), "test").details["photos"] == 4


def test_a_score_needs_preparation():
    with pytest.raises(InputError, match="Call prepare with the unmerged model"):
        PhotoFidelity(PLAIN, limit=2).score(patches(), "test")
