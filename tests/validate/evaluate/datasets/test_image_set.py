"""Rows of image sets, and how classes of a data set find the model's numbers."""

import numpy as np
import pytest
import torch

from pitome.errors import InputError
from pitome.validate.evaluate.datasets.image_set import ImageSet, class_numbers


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
        (("cat", "dog"), {0: "dog", 5: "cat"}, [5, 0]),
        (("Tench", "great_white"), {3: "tench, Tinca tinca", 1: "Great_White"}, [3, 1]),
        (("maillot", "Crane"), {0: "crane", 1: "maillot", 2: "maillot, tank suit"}, [1, 0]),
        (("10", "2"), {0: "LABEL_0", 2: "LABEL_2", 10: "LABEL_10"}, [10, 2]),
        (("n01443537", "n01440764"), {0: "tench", 1: "goldfish"}, [1, 0]),
        (("n02012849", "n03126707", "n01440764"), {0: "tench", 1: "crane", 2: "crane"}, [1, 2, 0]),
    ],
    ids=["labels", "synonyms", "whole labels first", "numbers", "WordNet ids", "ids of equal labels"],
)
def test_numbers_of_classes(names, labels, numbers):
    assert class_numbers(names, labels) == numbers


@pytest.mark.parametrize(
    ("names", "labels", "found"),
    [
        (
            ("cat", "dog"),
            {0: "cat", 1: "cow"},
            "2 labels (cat, cow), and 1 of the 2 classes are none of them (dog)",
        ),
        (("cat", "dog"), {0: "cow", 1: "pig", 2: "hen"}, "3 labels (cow, pig, hen), and 2 of the 2 classes"),
        (("cat", "dog"), {0: "cow", 1: "pig"}, "2 labels (cow, pig), and 2 of the 2 classes"),
        (("n01440764", "dog"), {0: "cow", 1: "pig"}, "are none of them (n01440764, dog)"),
        (("n0144076", "n01443537"), {0: "cow", 1: "pig"}, "are none of them (n0144076, n01443537)"),
        (("n01440764", "n01443537"), {0: "a", 1: "b", 2: "c"}, "3 labels (a, b, c), and 2 of the 2 classes"),
        (("n01440764", "n01443537"), {0: "a", 5: "b"}, "2 labels (a, b), and 2 of the 2 classes"),
        (("cat",), {}, "0 labels (none), and 1 of the 1 classes"),
    ],
    ids=[
        "half known",
        "another count",
        "as many as labels",
        "one WordNet id",
        "no WordNet id",
        "fewer WordNet ids",
        "numbers with gaps",
        "no labels",
    ],
)
def test_classes_that_can_not_be_mapped(names, labels, found):
    with pytest.raises(InputError) as caught:
        class_numbers(names, labels)
    assert found in str(caught.value)
    assert "Name the classes as the model's config.json does (id2label)" in str(caught.value)


@pytest.mark.parametrize("names", [("crane", "tench"), ("Crane", "tench")], ids=["label", "synonym"])
def test_a_name_of_two_labels(names):
    with pytest.raises(InputError) as caught:
        class_numbers(names, {0: "tench", 134: "crane", 517: "crane"})
    assert "rane: 2 of the model's labels are called so (134, 517)" in str(caught.value)
