"""Rows of image sets, and how classes of a data set find the model's numbers."""

import numpy as np
import pytest
import torch

from pitome.errors import InputError
from validate.datasets.image_set import ImageSet, class_numbers


def numbered(count):
    """Image k is filled with k."""
    return ImageSet(
        np.arange(count), (), lambda rows: torch.tensor(rows).reshape(-1, 1, 1, 1).expand(-1, 3, 2, 2).float()
    )


def test_rows_of_rows_load_the_right_images():
    part = numbered(10).rows(np.array([7, 3, 5])).rows(np.array([2, 0]))
    assert part.labels.tolist() == [5, 7]
    assert part.load([1, 0])[:, 0, 0, 0].tolist() == [7, 5]


def test_a_limit_takes_the_first_of_a_seeded_permutation():
    images = numbered(20)
    few, more = images.first_of_shuffled(5, 0), images.first_of_shuffled(9, 0)
    assert more.labels[:5].tolist() == few.labels.tolist()
    assert images.first_of_shuffled(5, 1).labels.tolist() != few.labels.tolist()
    assert images.first_of_shuffled(None, 0) is images
    assert images.first_of_shuffled(20, 0) is images


@pytest.mark.parametrize(
    ("names", "labels", "numbers"),
    [
        (("cat", "dog"), {"dog": 0, "cat": 5}, [5, 0]),
        (("Tench", "great_white"), {"tench, Tinca tinca": 3, "Great_White": 1}, [3, 1]),
        (("10", "2"), {"LABEL_0": 0, "LABEL_2": 2, "LABEL_10": 10}, [10, 2]),
        (("n02", "n01"), {"tench": 0, "goldfish": 1}, [1, 0]),
    ],
    ids=["labels", "synonyms", "numbers", "sorted order"],
)
def test_numbers_of_classes(names, labels, numbers):
    assert class_numbers(names, labels) == numbers


@pytest.mark.parametrize(
    "labels", [{"cat": 0, "cow": 1}, {"cow": 0, "pig": 1, "hen": 2}], ids=["half known", "another number"]
)
def test_classes_that_can_not_be_mapped(labels):
    with pytest.raises(InputError) as caught:
        class_numbers(("cat", "dog"), labels)
    assert f"the model has {len(labels)} labels" in str(caught.value)
    assert "dog" in str(caught.value)
    assert "id2label" in str(caught.value)
