"""Fidelity of numbers, labels and classes of tokens: values by hand, never a cosine of one number."""

import numpy as np
import pytest
import torch

from pitome.validate.evaluate.tasks.fidelity import Fidelity, named_vectors
from pitome.validate.evaluate.tasks.image_classification import ImageClassification
from pitome.validate.evaluate.tasks.own_data import OwnAnswers
from pitome.validate.evaluate.tasks.text_classification import TextClassification
from tests.validate.evaluate.function_runtime import FunctionRuntime
from tests.validate.evaluate.tasks.small_images import image_set, looks_up
from tests.validate.evaluate.tasks.small_texts import corpus, encode
from tests.validate.evaluate.tasks.test_own_data import own_samples

UNMERGED, MERGED = [[3.0], [4.0], [0.0], [5.0]], [[3.0], [2.0], [1.0], [5.0]]
SCALE = np.sqrt(50 / 4)
NEAR = [1, 1 - 2 / SCALE, 1 - 1 / SCALE, 1]
CORRELATION = np.corrcoef([3, 4, 0, 5], [3, 2, 1, 5])[0, 1]


def scored(task, unmerged, merged):
    task.prepare(looks_up("logits", unmerged))
    return task.score(looks_up("logits", merged), "test")


@pytest.mark.parametrize("answers", ["numbers", "classes"])
def test_one_number_has_closeness_and_a_correlation(answers):
    """Also where nobody said that it is a number: one logit has no direction."""
    source = ImageClassification("labels", {"test": image_set([0, 1, 2, 1])})
    score = scored(Fidelity("made up", source, answers=answers), UNMERGED, MERGED)
    assert (score.main, list(score.metrics)) == ("closeness", ["closeness"])
    assert score.metrics["closeness"].tolist() == pytest.approx(NEAR)
    assert score.details["relative error"]["value"] == pytest.approx(np.sqrt(5 / 50))
    assert score.details["correlation"]["value"] == pytest.approx(CORRELATION)


def test_the_same_answers_are_as_near_as_can_be():
    source = ImageClassification("labels", {"test": image_set([0, 1, 2, 1])})
    score = scored(Fidelity("made up", source, answers="numbers"), UNMERGED, UNMERGED)
    assert score.metrics["closeness"].tolist() == [1, 1, 1, 1]


def test_several_numbers_are_no_direction():
    source = ImageClassification("labels", {"test": image_set([0, 1])})
    unmerged, merged = [[3.0, 4.0], [0.0, 5.0]], [[6.0, 8.0], [0.0, 5.0]]
    score = scored(Fidelity("made up", source, answers="numbers"), unmerged, merged)
    assert score.metrics["closeness"].tolist() == pytest.approx([0, 1])  # their cosine is 1


def test_labels_agree_beside_the_cosine():
    source = ImageClassification("labels", {"test": image_set([0, 1])})
    unmerged, merged = [[1.0, -1.0], [2.0, 1.0]], [[1.0, 1.0], [2.0, 1.0]]
    score = scored(Fidelity("made up", source, answers="labels"), unmerged, merged)
    assert (score.main, list(score.metrics)) == ("cosine", ["cosine", "label agreement"])
    assert score.metrics["label agreement"].tolist() == [0.5, 1]
    assert score.metrics["cosine"].tolist() == pytest.approx([0, 1])


def test_own_data_of_a_number_shows_the_farthest_first():
    score = scored(OwnAnswers("images:x", own_samples(4), "numbers"), UNMERGED, MERGED)
    assert (score.main, score.own.vector, score.own.reindex) == ("closeness", None, None)
    assert [case.row for case in score.own.worst] == [1, 2, 0, 3]
    assert score.own.worst[0].closeness == pytest.approx(NEAR[1])


def test_the_models_own_embedding_goes_before_the_mean_over_tokens():
    mask = torch.tensor([[1, 1], [1, 0]])
    outputs = {"sentence_embedding": torch.eye(2), "last_hidden_state": torch.zeros(2, 2, 2)}
    (name,) = found = named_vectors({"attention_mask": mask}, outputs)
    assert name == "sentence_embedding"
    assert torch.equal(found[name], torch.eye(2))
    task = TextClassification("small", corpus(20, 0), corpus(10, 1), encode, num_fit=9, num_validation=6)
    assert torch.equal(task._reduce({"attention_mask": mask}, outputs)["sentence"], torch.eye(2).double())


class Texts:
    """Two texts of three tokens, the second one padded."""

    skipped = ()

    def count(self, split):
        return 2

    def samples(self, split, rows=slice(None)):
        from pitome.validate.samples import Samples

        mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
        return Samples({"input_ids": mask, "attention_mask": mask}).rows(rows)


def answers(*logits):
    @FunctionRuntime
    def encoder(inputs):
        assert len(inputs["input_ids"]) == 2
        return {"logits": torch.tensor(logits, dtype=torch.float32)}

    return encoder


def test_classes_of_tokens_agree_where_there_is_no_padding():
    task = Fidelity("made up", Texts())
    task.prepare(answers([[1, 0], [1, 0], [1, 0]], [[0, 1], [0, 1], [0, 9]]))
    score = task.score(answers([[1, 0], [0, 1], [1, 0]], [[0, 1], [0, 1], [9, 0]]), "test")
    assert score.metrics["token agreement"].tolist() == pytest.approx([2 / 3, 1])
    assert score.metrics["cosine"].tolist() == pytest.approx([2 / 3, 1])
