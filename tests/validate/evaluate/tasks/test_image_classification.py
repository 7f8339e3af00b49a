"""Accuracy of logits, counted by hand."""

import numpy as np
import pytest
import torch

from pitome.errors import InputError
from pitome.validate.evaluate.datasets.image_set import ImageSet
from pitome.validate.evaluate.datasets.late import LateSplits
from pitome.validate.evaluate.tasks.image_classification import ImageClassification, best_class
from pitome.validate.samples import Skipped
from tests.validate.evaluate.tasks.small_images import image_set, looks_up

LABELS = [0, 1, 2, 1, 0]
LOGITS = [[3, 1, 1], [0, 2, 1], [5, 1, 2], [1, 3, 0], [0, 0, 1]]  # right, right, wrong, right, wrong


@pytest.fixture
def task():
    return ImageClassification("made up", {"test": image_set(LABELS), "validation": image_set([0, 1])})


def test_accuracy_in_all_and_per_class(task):
    score = task.score(looks_up("logits", LOGITS), "test")
    assert score.metrics["accuracy"].tolist() == [1, 1, 0, 1, 0]
    assert score.mean() == pytest.approx(0.6)
    assert score.details["per_class"] == {
        "a": {"count": 2, "accuracy": 0.5},
        "b": {"count": 2, "accuracy": 1.0},
        "c": {"count": 1, "accuracy": 0.0},
    }


def test_batches_do_not_change_the_score(task):
    whole = task.score(looks_up("logits", LOGITS), "test")
    task.batch = 2
    steps = []
    parts = task.score(looks_up("logits", LOGITS), "test", progress=lambda *step: steps.append(step))
    assert np.array_equal(parts.metrics["accuracy"], whole.metrics["accuracy"])
    assert [step[1:] for step in steps] == [(0, 5), (2, 5), (4, 5), (5, 5)]


def test_images_are_loaded_a_batch_at_a_time(task):
    asked = []
    images = task._splits["test"]

    def load(rows):
        asked.append(list(rows))
        return images.load(rows)

    watched = ImageClassification("watched", {"test": ImageSet(images.labels, images.class_names, load)})
    watched.batch = 2
    watched.score(looks_up("logits", LOGITS), "test")
    assert asked == [[0, 1], [2, 3], [4]]


def test_nan_is_never_right():
    logits = torch.tensor([[torch.nan, 1.0], [2.0, 1.0]])
    assert best_class(logits).tolist() == [-1, 0]


def test_samples_are_the_models_inputs(task):
    assert task.samples("test", [3, 1]).inputs["pixel_values"][:, 0, 0, 1].tolist() == [3, 1]
    assert task.count("validation") == 2


def test_what_was_skipped_is_told_of_the_splits_that_are_used():
    def make(split):
        made.append(split)
        count = {"test": 2, "validation": 1}[split]
        return ImageSet(
            np.array([0, 1]), (), lambda rows: torch.zeros(len(rows), 3, 2, 2), (Skipped(count, "gone"),)
        )

    made = []
    task = ImageClassification("some", LateSplits(make))
    assert (task.skipped, made) == ((), [])
    task.samples("test", [0])
    assert (task.skipped, made) == ((Skipped(2, "gone"),), ["test"])
    assert task.count("validation") == 2
    assert (task.skipped, made) == ((Skipped(3, "gone"),), ["test", "validation"])


def test_no_head_to_refit(task):
    with pytest.raises(InputError, match="this task fits no head"):
        task.score(looks_up("logits", LOGITS), "test", refit=True)


def test_a_model_without_logits(task):
    with pytest.raises(InputError, match="it needs the output logits, and the model gives image_embeds"):
        task.score(looks_up("image_embeds", LOGITS), "test")
