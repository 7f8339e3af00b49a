"""Data without labels: cosines, classes and the worst cases, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pitome.bundle.own_data_records import OwnDataRecord
from pitome.errors import InputError
from pitome.validate.evaluate.accuracy import measure_accuracy
from pitome.validate.evaluate.tasks.own_data import OwnClasses, OwnEmbeddings, indexed_vector
from pitome.validate.own_data import OwnSamples
from pitome.validate.samples import Samples
from tests.validate.evaluate.function_runtime import FunctionRuntime
from tests.validate.evaluate.tasks.small_images import looks_up

UNMERGED = [[3, 4], [1, 0], [0, 2], [1, 1]]
MERGED = [[4, 3], [1, 0], [2, 0], [-1, -1]]


def own_samples(count, kind="images"):
    """Image k: first row of pixels 0, k, as `looks_up` reads it."""

    def load(rows):
        pixels = torch.zeros(len(rows), 3, 2, 2)
        pixels[:, 0, 0, 1] = torch.tensor(list(rows)).float()
        return Samples({"pixel_values": pixels})

    record = OwnDataRecord(data=f"{kind}:x", data_sha256="0" * 64, found=count, used=count)
    return OwnSamples(record, tuple(f"{row}.png" for row in range(count)), load, lambda row: f"text {row}")


def prepared(task, unmerged, output="image_embeds"):
    task.prepare(looks_up(output, unmerged))
    return task


def test_cosines_and_the_worst_cases():
    task = prepared(OwnEmbeddings("images:x", own_samples(4)), UNMERGED)
    score = task.score(looks_up("image_embeds", MERGED), "test")
    assert (score.main, list(score.metrics)) == (
        "cosine",
        ["cosine", *sorted(set(score.metrics) - {"cosine"})[::-1]],
    )
    assert score.metrics["cosine"].tolist() == pytest.approx([24 / 25, 1, 0, -1])
    own = score.own
    assert own.vector == "image_embeds"
    assert [(case.name, case.row, round(case.closeness, 6)) for case in own.worst] == [
        ("3.png", 3, -1.0),
        ("2.png", 2, 0.0),
        ("0.png", 0, 0.96),
        ("1.png", 1, 1.0),
    ]
    assert own.percentiles["50"] == pytest.approx(0.48)
    assert (own.not_finite, own.reindex.answer) == (0, "not judged")
    assert all(case.text is None for case in own.worst)
    assert task.own_data.data == "images:x"


def test_of_many_cases_ten_are_shown_and_texts_by_their_beginning():
    angles = torch.linspace(0, 1, 30)
    task = prepared(OwnEmbeddings("texts:x", own_samples(30, "texts")), [[1, 0]] * 30)
    rows = torch.stack([angles.cos(), angles.sin()], dim=1).tolist()
    worst = task.score(looks_up("image_embeds", rows), "test").own.worst
    assert [case.row for case in worst] == list(range(29, 19, -1))
    assert worst[0].text == "text 29"


def test_what_is_not_finite_is_the_worst_and_counted():
    merged = [[3, 4], [1, float("nan")], [0, 2], [float("inf"), 1]]
    task = prepared(OwnEmbeddings("images:x", own_samples(4)), UNMERGED)
    score = task.score(looks_up("image_embeds", merged), "test")
    assert score.metrics["cosine"].tolist() == pytest.approx([1, -1, 1, -1])
    assert score.own.not_finite == 2


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["image_embeds"], "image_embeds"),
        (
            ["last_hidden_state: class token", "last_hidden_state: mean token"],
            "last_hidden_state: class token",
        ),
        (["last_hidden_state: class token", "pooler_output"], "pooler_output"),
        (["sentence", "sentence_embedding"], "sentence_embedding"),
        (["other"], "other"),
    ],
)
def test_the_vector_that_users_search_by(names, chosen):
    assert indexed_vector(names) == chosen


def test_every_other_vector_is_a_metric_of_its_own():
    @FunctionRuntime
    def tokens(inputs):
        rows = inputs["pixel_values"][:, 0, 0, 1]
        return {
            "last_hidden_state": torch.stack([rows, rows + 1, rows - 2], dim=1)[:, :, None].repeat(1, 1, 2)
        }

    task = OwnEmbeddings("images:x", own_samples(5))
    task.prepare(tokens)
    score = task.score(tokens, "test")
    assert {"cosine", "cosine, last_hidden_state: mean token"} < set(score.metrics)
    assert score.own.vector == "last_hidden_state: class token"


def test_a_classifier_s_answers():
    unmerged = [[2.0, 0.0], [0.0, 1.0], [0.0, 3.0], [1.0, 0.0]]
    merged = [[1.0, 0.0], [1.0, 0.0], [0.0, 3.0], [float("nan"), 0.0]]
    task = OwnClasses("images:x", own_samples(4), {0: "ant", 1: "bee"})
    score = prepared(task, unmerged, "logits").score(looks_up("logits", merged), "test")
    assert (score.main, score.metrics["agreement"].tolist()) == ("agreement", [1, 0, 1, 0])
    own = score.own
    assert (own.vector, own.reindex, own.not_finite) == (None, None, 1)
    assert [(case.row, case.unmerged, case.answered) for case in own.worst] == [
        (3, "ant (73 %)", "not finite"),
        (1, "bee (73 %)", "ant (73 %)"),
        (0, "ant (88 %)", "ant (73 %)"),
        (2, "bee (95 %)", "bee (95 %)"),
    ]

    def sigmoid(value):
        return 1 / (1 + np.exp(-value))

    # Half the summed change of two probabilities is the change of one of them.
    assert own.worst[2].closeness == pytest.approx(1 - (sigmoid(2) - sigmoid(1)))
    assert own.worst[1].closeness == pytest.approx(1 - (sigmoid(1) - sigmoid(-1)))
    assert score.details["differ"] == 2


def test_a_class_without_a_label_is_told_by_its_number():
    task = prepared(OwnClasses("images:x", own_samples(2), {}), [[0.0, 9.0]] * 2, "logits")
    worst = task.score(looks_up("logits", [[0.0, 9.0]] * 2), "test").own.worst
    assert worst[0].answered == "1 (100 %)"


def test_refusals():
    task = OwnEmbeddings("images:x", own_samples(4))
    with pytest.raises(InputError, match="a score on images:x: the unmerged model is not there"):
        task.score(looks_up("image_embeds", MERGED), "test")
    with pytest.raises(InputError, match="this task fits no head"):
        prepared(task, UNMERGED).score(looks_up("image_embeds", MERGED), "test", refit=True)


def test_the_record_of_every_model_but_the_unmerged_has_the_cases():
    task = OwnEmbeddings("images:x", own_samples(4))
    found = measure_accuracy(
        task, looks_up("image_embeds", UNMERGED), {"merged PyTorch": looks_up("image_embeds", MERGED)}
    )
    unmerged, merged = found.models
    assert (unmerged.own, merged.own.worst[0].name) == (None, "3.png")
    assert "own" not in unmerged.model_dump()
    assert merged.drop_points == pytest.approx(100 * (1 - (24 / 25 + 1 + 0 - 1) / 4))
