"""The report of several models on one task."""

import numpy as np
import pytest

from pitome.errors import InputError
from pitome.validate.evaluate.accuracy import (
    MERGED,
    UNMERGED,
    AccuracyReport,
    graph_runtimes,
    measure_accuracy,
)
from pitome.validate.evaluate.tasks.image_classification import ImageClassification
from pitome.validate.evaluate.tasks.text_classification import TextClassification
from pitome.validate.padding_records import FULL_LENGTH, PADDED
from pitome.validate.statistics import mean_interval, paired_difference
from tests.validate.evaluate.tasks.small_images import image_set, looks_up
from tests.validate.evaluate.tasks.small_texts import corpus, embedding, encode

LABELS = np.arange(60) % 3


def answers(wrong):
    """Logits that are right but for some images."""
    found = (LABELS + np.isin(np.arange(60), wrong)) % 3
    return looks_up("logits", np.eye(3)[found].tolist())


def test_means_and_paired_differences_of_every_model():
    task = ImageClassification("made up", {"test": image_set(LABELS)})
    report = measure_accuracy(
        task,
        answers(range(3)),
        {MERGED: answers(range(9)), "onnxruntime fp32": answers([*range(8), 20])},
        unavailable={"onnxruntime bf16": "no kernels"},
    )
    assert [model.model for model in report.models] == [UNMERGED, MERGED, "onnxruntime fp32"]
    assert report.model(UNMERGED).drop_points is None
    assert report.model(UNMERGED).differences == ()
    assert report.model(MERGED).drop_points == pytest.approx(10)
    assert [record.against for record in report.model(MERGED).differences] == [UNMERGED]
    runtime = report.model("onnxruntime fp32")
    assert [record.against for record in runtime.differences] == [UNMERGED, MERGED]
    right = {name: 1.0 - np.isin(np.arange(60), wrong) for name, wrong in (("u", range(3)), ("m", range(9)))}
    expected = paired_difference(right["m"], right["u"])
    found = report.model(MERGED).difference(UNMERGED, "accuracy")
    assert (found.mean, found.low, found.high, found.p_value) == (
        expected.mean,
        expected.low,
        expected.high,
        expected.p_value,
    )
    assert report.model(MERGED).metrics["accuracy"].low == mean_interval(right["m"]).low
    assert report.unavailable == {"onnxruntime bf16": "no kernels"}
    assert AccuracyReport.model_validate_json(report.model_dump_json()) == report


def test_the_merged_model_with_a_head_of_its_own():
    task = TextClassification(
        "small", corpus(200, 0), corpus(60, 1), encode, num_fit=120, num_validation=40, num_test=None
    )
    report = measure_accuracy(task, embedding(), {MERGED: embedding(seed=9), "other": embedding(noise=0.1)})
    assert [(model.model, model.refit) for model in report.models] == [
        (UNMERGED, False),
        (MERGED, False),
        ("other", False),
        (MERGED, True),
    ]
    again = report.model(MERGED, refit=True)
    metrics = ["accuracy", FULL_LENGTH, PADDED]
    assert [(record.against, record.metric) for record in again.differences] == [
        (against, metric) for against in (UNMERGED, MERGED) for metric in metrics
    ]
    assert again.difference(MERGED, "accuracy").mean > 0.1
    assert again.details["head"]["fitted_to"] == "this model"
    assert "full_length" in report.model(MERGED).details


@pytest.mark.parametrize(
    ("candidates", "refit", "found"),
    [
        ({UNMERGED: answers([])}, None, f"a candidate is called {UNMERGED}"),
        ({MERGED: answers([])}, ["another"], f"another is none of them. The candidates are {MERGED}"),
    ],
)
def test_candidates_that_make_no_sense(candidates, refit, found):
    task = ImageClassification("made up", {"test": image_set(LABELS)})
    with pytest.raises(InputError) as caught:
        measure_accuracy(task, answers([]), candidates, refit=refit)
    assert found in str(caught.value)


def test_graphs_that_can_not_run_here_are_told(tmp_path):
    found, left_out = graph_runtimes({"bf16": tmp_path / "model.bf16.onnx"})
    assert found == {}
    assert left_out == {"onnxruntime bf16": "onnxruntime has no bfloat16 kernels on a CPU"}
    with pytest.raises(InputError, match="there is no such file"):
        graph_runtimes({"fp32": tmp_path / "model.onnx"})
