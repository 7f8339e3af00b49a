"""Views of photos: divided by photo, or all of them."""

import torch

from pitome.models.presets import make_preprocess
from pitome.validate.evaluate.datasets.photo_views import VALIDATION_PHOTOS, PhotoViews
from pitome.validate.photos import PHOTOS

PLAIN = make_preprocess(16, ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)))


def test_no_photo_is_in_both_splits():
    views = PhotoViews(PLAIN)
    assert set(VALIDATION_PHOTOS) < {name.partition(".")[0] for name in PHOTOS}
    assert (views.count("validation"), views.count("test")) == (64, 96)
    shown = {split: set(numbers) for split, numbers in views.photos.items()}
    assert not shown["validation"] & shown["test"]
    assert (len(shown["validation"]), len(shown["test"])) == (8, 11)  # the stereo pair is one photo


def test_undivided_both_splits_hold_all_views():
    views = PhotoViews(PLAIN, undivided=True)
    first, second = (views.samples(split).inputs["pixel_values"] for split in ("validation", "test"))
    assert len(first) == 160
    assert torch.equal(first, second)
    assert len(set(views.photos["test"])) == 19


def test_a_limit_takes_whole_photos_first():
    assert len(set(PhotoViews(PLAIN, limit=4).photos["test"])) == 4
