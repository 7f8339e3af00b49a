"""Fidelity on a made-up corpus."""

import numpy as np
import pytest

from pitome.errors import InputError
from pitome.validate.evaluate.tasks.text_classification import TextClassification, sentence_vectors
from pitome.validate.evaluate.tasks.text_fidelity import TextFidelity
from tests.validate.evaluate.tasks.small_texts import LENGTH, corpus, embedding, encode


@pytest.fixture
def task():
    numbers = {"num_fit": 120, "num_validation": 60, "num_test": 80}
    made = TextFidelity(TextClassification("small", corpus(200, 0), corpus(100, 1), encode, **numbers))
    made.prepare(embedding())
    return made


def test_the_same_model_is_perfectly_close(task):
    score = task.score(embedding(), "validation")
    assert (task.name, score.main, task.count("test")) == ("small-fidelity", "cosine", 80)
    assert score.metrics["cosine"].shape == (60,)
    assert np.abs(score.metrics["cosine"] - 1).max() < 1e-12


def test_cosines_are_those_of_the_sentence_vectors(task):
    samples, other = task.samples("test"), embedding(noise=1.0)
    found = task.score(other, "test").metrics["cosine"]
    mask = samples.inputs["attention_mask"]
    # The noise of `embedding` depends on the batch, so the reference runs in the task's batches.
    first = [embedding().function(part)["last_hidden_state"] for part in samples.batches(task.batch)]
    again = embedding(noise=1.0)
    second = [again.function(part)["last_hidden_state"] for part in samples.batches(task.batch)]
    row = 0
    for plain, noisy in zip(first, second, strict=True):
        for one, two in zip(plain, noisy, strict=True):
            a = sentence_vectors(one[None], mask[row : row + 1])[0].numpy()
            b = sentence_vectors(two[None], mask[row : row + 1])[0].numpy()
            assert found[row] == pytest.approx(a @ b / np.sqrt((a @ a) * (b @ b)), abs=1e-6)
            row += 1
    assert found.mean() < 0.99


def test_long_documents_are_counted_separately(task):
    details = task.score(embedding(noise=1.0), "test").details
    lengths = task.samples("test").inputs["attention_mask"].sum(dim=1).numpy()
    assert details["full_length"]["samples"] == int((lengths == LENGTH).sum())


def test_refusals(task):
    fresh = TextFidelity(task._corpus)
    with pytest.raises(InputError) as error:
        fresh.score(embedding(), "test")
    assert str(error.value) == (
        "a score on small-fidelity: the unmerged model is not there. Call prepare with the unmerged model"
    )
    with pytest.raises(InputError):
        task.score(embedding(), "test", refit=True)
