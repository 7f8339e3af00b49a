"""Fidelity of logits and embeddings, computed by hand."""

import numpy as np
import pytest

from pitome.errors import InputError
from pitome.validate.evaluate.tasks.image_fidelity import ImageFidelity
from tests.validate.evaluate.tasks.small_images import image_set, looks_up

UNMERGED = [[3, 4], [1, 0], [0, 2], [1, 1]]
MERGED = [[4, 3], [1, 0], [2, 0], [-1, -1]]


@pytest.fixture
def task():
    return ImageFidelity("made up", {"test": image_set([0, 1, 2, 1]), "validation": image_set([0, 1])})


def test_cosines_to_the_unmerged_model(task):
    task.prepare(looks_up("logits", UNMERGED))
    score = task.score(looks_up("logits", MERGED), "test")
    assert (task.name, score.main) == ("made up-fidelity", "cosine")
    assert score.metrics["cosine"].tolist() == pytest.approx([24 / 25, 1, 0, -1])
    assert score.details == {"minimum": pytest.approx(-1)}


def test_another_unmerged_model_is_not_taken_for_the_first(task):
    task.prepare(looks_up("logits", MERGED))
    task.score(looks_up("logits", MERGED), "test")
    task.prepare(looks_up("logits", UNMERGED))
    assert np.allclose(task.score(looks_up("logits", UNMERGED), "test").metrics["cosine"], 1)


def test_refusals(task):
    with pytest.raises(InputError) as error:
        task.score(looks_up("logits", MERGED), "test")
    assert str(error.value) == (
        "a score on made up-fidelity: the unmerged model is not there. Call prepare with the unmerged model"
    )
    with pytest.raises(InputError, match="this task fits no head"):
        task.score(looks_up("logits", MERGED), "test", refit=True)
