"""Text classification on a made-up corpus."""

import numpy as np
import pytest
import torch

from pitome.errors import InputError
from pitome.validate.evaluate.tasks.feature_cache import FeatureCache
from pitome.validate.evaluate.tasks.linear_head import HeadSettings, fit_head
from pitome.validate.evaluate.tasks.text_classification import TextClassification, sentence_vectors
from tests.validate.evaluate.function_runtime import FunctionRuntime
from tests.validate.evaluate.tasks.small_texts import LENGTH, WIDTH, corpus, embedding, encode


def make_task(**options):
    numbers = {"num_fit": 120, "num_validation": 60, "num_test": 80} | options
    return TextClassification("small", corpus(200, 0), corpus(100, 1), encode, **numbers)


@pytest.fixture
def task():
    prepared = make_task()
    prepared.prepare(embedding())
    return prepared


def test_sentence_vectors_are_means_over_real_positions():
    hidden = torch.randn(2, 5, 3)
    mask = torch.tensor([[1, 1, 0, 0, 0], [1, 1, 1, 1, 1]])
    hidden[0, 2:] = torch.nan
    found = sentence_vectors(hidden, mask)
    assert torch.allclose(found[0], hidden[0, :2].double().mean(dim=0))
    assert torch.allclose(found[1], hidden[1].double().mean(dim=0))


def test_the_head_learns_and_a_worse_encoder_scores_lower(task):
    good, worse = task.score(embedding(), "test"), task.score(embedding(noise=3.0), "test")
    assert good.main == "accuracy"
    assert good.metrics["accuracy"].shape == (80,)
    assert good.mean() > 0.7 > worse.mean()
    assert task.score(embedding(), "test").mean() == good.mean()


def test_another_encoder_needs_a_head_of_its_own(task):
    """The same words under another random table: useless with the old head, good with a new one."""
    other = embedding(seed=9)
    fixed, refitted = task.score(other, "test"), task.score(other, "test", refit=True)
    assert fixed.mean() < 0.6
    assert refitted.mean() > 0.7
    assert fixed.details["head"]["fitted_to"] == "the unmerged model"
    assert refitted.details["head"]["fitted_to"] == "this model"
    same = ("scaling", "inverse_regularisation")
    assert [fixed.details["head"][key] for key in same] == [refitted.details["head"][key] for key in same]


def test_long_documents_are_counted_separately(task):
    score = task.score(embedding(), "test")
    mask = task.samples("test").inputs["attention_mask"].numpy()
    full = mask.sum(axis=1) == LENGTH
    details = score.details
    assert details["full_length"] == {
        "count": int(full.sum()),
        "accuracy": pytest.approx(score.metrics["accuracy"][full].mean()),
    }
    assert details["padded"]["count"] == int((~full).sum())
    assert details["padding_share"] == pytest.approx(1 - mask.mean())
    assert details["sequence_length"] == LENGTH
    assert details["documents"] == {"fit": 120, "validation": 60, "test": 80}


def test_the_splits_are_stratified_and_do_not_overlap():
    task, train = make_task(), corpus(200, 0)
    shares = np.bincount(train.labels) / 200
    for split, source in (("validation", train), ("test", corpus(100, 1))):
        found = np.bincount(task.labels(split)) / task.count(split)
        if source is train:
            assert np.abs(found - shares).max() < 1 / task.count(split)
    fit = set(task._texts["fit"].texts)
    assert not fit & set(task._texts["validation"].texts)


def test_every_test_document_in_order_without_a_limit():
    task, test = make_task(num_test=None), corpus(100, 1)
    assert torch.equal(task.samples("test").inputs["input_ids"], encode(test.texts)["input_ids"])


def test_a_model_that_gives_nan_is_wrong_and_can_not_be_fitted_to(task):
    @FunctionRuntime
    def broken(inputs):
        return {"last_hidden_state": torch.full((len(inputs["input_ids"]), LENGTH, WIDTH), torch.nan)}

    assert task.score(broken, "test").mean() == 0
    with pytest.raises(InputError, match="120 of 120 vectors are not finite"):
        task.score(broken, "test", refit=True)


def test_a_score_needs_preparation():
    with pytest.raises(InputError, match="Call prepare with the unmerged model"):
        make_task().score(embedding(), "test")


def test_an_encoder_without_token_vectors(task):
    with pytest.raises(InputError, match="it needs the output last_hidden_state, and the model gives logits"):
        task.score(
            FunctionRuntime(lambda inputs: {"logits": torch.zeros(len(inputs["input_ids"]), 3)}), "test"
        )


def test_features_of_the_unmerged_model_are_kept_and_only_used_for_that_model(tmp_path):
    calls = []

    @FunctionRuntime
    def counted(inputs):
        calls.append(len(inputs["input_ids"]))
        return embedding().function(inputs)

    cache = FeatureCache(tmp_path, "weights")
    first, again, other = (make_task(cache=cache) for _ in range(3))
    first.prepare(counted)
    assert sum(calls) == 180
    calls.clear()
    again.prepare(counted)
    assert calls == [32, 32]  # the first batch of either split shows that it is the same model
    assert np.array_equal(
        first.score(embedding(), "test").metrics["accuracy"],
        again.score(embedding(), "test").metrics["accuracy"],
    )
    other.prepare(embedding(seed=9))
    assert other.score(embedding(seed=9), "test").mean() > 0.7


def test_a_damaged_file_of_features_is_computed_again(tmp_path):
    task = make_task(cache=FeatureCache(tmp_path, "weights"))
    task.prepare(embedding())
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:50])
    again = make_task(cache=FeatureCache(tmp_path, "weights"))
    again.prepare(embedding())
    assert again.score(embedding(), "test").mean() == task.score(embedding(), "test").mean()


@pytest.mark.parametrize("scaling", ["normalised", "standardised"])
def test_a_head_is_the_minimum_of_its_loss(scaling):
    """The gradient of C times the cross-entropy plus half the squared weights vanishes at the solution."""
    generator = np.random.default_rng(0)
    features = generator.normal(size=(60, 4)) + 2
    labels = generator.integers(0, 3, 60)
    head = fit_head(features, labels, HeadSettings(scaling, 1.0))
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    if scaling == "normalised":
        scaled = features / np.linalg.norm(features, axis=1, keepdims=True)
    logits = scaled @ head.classifier.coef_.T + head.classifier.intercept_
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    gradient = (chances - np.eye(3)[labels]).T @ scaled + head.classifier.coef_
    assert np.abs(gradient).max() < 0.05
    assert head.converged
    assert np.array_equal(head.predict(features), logits.argmax(axis=1))


def test_one_class_is_not_enough():
    with pytest.raises(InputError, match="all samples are of one class"):
        fit_head(np.ones((3, 2)), np.zeros(3, np.int64), HeadSettings("normalised", 1.0))
