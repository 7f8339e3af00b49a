"""Level 3 of answers that are numbers, labels, or classes of tokens: worked out apart, from the logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pitome.compression import compress
from pitome.export.onnx import export_onnx
from pitome.validate.agreement_limits import judge_agreement, unmeasured_agreement
from pitome.validate.checked_inputs import random_images, random_texts
from pitome.validate.parity.check import check_parity
from pitome.validate.parity.records import ParityReport
from pitome.validate.samples import CheckedInputs, Samples
from pitome.validate.thresholds import Thresholds, judge
from tests.tiny_models import IMAGE_SIZE, SEQUENCE_LENGTH, VOCABULARY, tiny_model, tiny_text_model

pytestmark = pytest.mark.slow
SMALL = {"num_hidden_layers": 2}
CROSS_ENCODER = {"num_labels": 1, **SMALL}
TAGS = {"num_labels": 4, "problem_type": "multi_label_classification", **SMALL}


def samples(model: Any, count: int) -> Samples:
    if "pixel_values" in model.main_input_name:
        return Samples({"pixel_values": random_images(count, (3, IMAGE_SIZE, IMAGE_SIZE), seed=count)})
    return random_texts(count, SEQUENCE_LENGTH, VOCABULARY, seed=count, token_types=2)


def check(model: Any, folder: Path) -> tuple[ParityReport, np.ndarray, np.ndarray]:
    """The report, and the logits of the merged and the unmerged model for the real inputs."""
    merged, real = compress(model, ratio=0.8), samples(model, 6)
    export_onnx(merged, folder / "model.onnx", outputs=["logits"])
    inputs = CheckedInputs(samples(model, 2), real)
    report = check_parity(
        merged, model, {"fp32": folder / "model.onnx"}, ["logits"], inputs, threads=1, num_exact=2
    )
    with torch.no_grad():
        ours, theirs = (each(**real.inputs).logits.numpy() for each in (merged, model))
    return report, ours, theirs


def found(report: ParityReport, measure: str, against: str) -> Any:
    (record,) = (each for each in report.agreement if (each.measure, each.against) == (measure, against))
    return record


REGRESSIONS = (
    "BertForSequenceClassification",
    pytest.param("ViTForImageClassification", marks=pytest.mark.full),
)


@pytest.fixture(scope="module", params=REGRESSIONS)
def regression(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    make = tiny_text_model if request.param.startswith("Bert") else tiny_model
    return check(make(request.param, **CROSS_ENCODER), tmp_path_factory.mktemp("regression"))


def test_one_number_has_an_error_and_a_correlation_and_neither_cosine_nor_best_class(regression: Any) -> None:
    report, ours, theirs = regression
    assert report.verdict == "pass", report.failures
    assert report.task == ()
    assert report.top1_agreement == {}
    error, correlation = (found(report, each, "unmerged") for each in ("relative error", "correlation"))
    assert error.value == pytest.approx(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs), rel=1e-3)
    assert error.value > 1e-3  # merging does something to it, and it is seen
    wanted = np.corrcoef(ours[:, 0], theirs[:, 0])[0, 1]
    assert correlation.value == pytest.approx(wanted, abs=1e-4)
    assert found(report, "relative error", "merged").value < 1e-5
    assert found(report, "correlation", "merged").value > 0.9999


def test_limits_of_numbers_hold_against_the_merged_model(regression: Any) -> None:
    report, _, _ = regression
    assert judge(report, Thresholds(max_relative_error=1e-3, min_correlation=0.999)).verdict == "pass"
    broken = report.model_copy(
        update={
            "agreement": tuple(
                each.model_copy(update={"value": 0.5, "worst": 0.5}) for each in report.agreement
            )
        }
    )
    assert list(judge_agreement(broken, Thresholds(max_relative_error=0.1, min_correlation=0.9))) == [
        "the relative error of logits of onnxruntime fp32 to the merged model in PyTorch is 0.5, where 0.1 "
        "is allowed",
        "the correlation of logits of onnxruntime fp32 to the merged model in PyTorch is 0.50000, where 0.9 "
        "is wanted",
    ]
    assert judge(broken, Thresholds(min_correlation=0.9)).verdict == "fail"
    assert list(unmeasured_agreement(report, Thresholds(min_label_agreement=0.9))) == [
        (
            "min_label_agreement",
            "the label agreement has a limit and was not measured: the model has not several labels that may "
            "all hold",
        )
    ]


@pytest.mark.full
def test_a_constant_answer_is_said_to_have_no_correlation(tmp_path: Path) -> None:
    model = tiny_text_model("BertForSequenceClassification", **CROSS_ENCODER)
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.fill_(0.25)
    report, _, _ = check(model, tmp_path)
    record = found(report, "correlation", "unmerged")
    assert (record.value, record.worst) == (None, None)
    assert record.undefined == (
        "the value is the same for every input, so that there is nothing to correlate with"
    )
    failures = judge(report, Thresholds(min_correlation=0.9)).failures
    assert failures[0].endswith(f"has a limit and is not defined: {record.undefined}")


def test_several_labels_agree_each_for_itself(tmp_path: Path) -> None:
    model = tiny_text_model("BertForSequenceClassification", **TAGS)
    report, ours, theirs = check(model, tmp_path)
    same = (ours > 0) == (theirs > 0)
    record = found(report, "label agreement", "unmerged")
    assert record.value == pytest.approx(same.mean())
    assert record.worst == pytest.approx(same.mean(axis=0).min())
    assert {each.measure for each in report.agreement} == {"label agreement"}
    assert {each.vector for each in report.task} == {"logits"}
    assert report.top1_agreement == {}


def test_classes_of_tokens_agree_where_there_is_no_padding(tmp_path: Path) -> None:
    import transformers

    config = tiny_text_model("BertModel", **SMALL).config
    config.num_labels = 3
    torch.manual_seed(1)
    model = transformers.BertForTokenClassification(config).eval()
    report, ours, theirs = check(model, tmp_path)
    real = samples(model, 6).inputs["attention_mask"].numpy() == 1
    same = (ours.argmax(-1) == theirs.argmax(-1))[real]
    assert report.top1_agreement["onnxruntime fp32 against unmerged"] == pytest.approx(same.mean())
    (cosine,) = (each for each in report.task if each.against == "unmerged")
    assert cosine.vector == "logits: token"
    ours, theirs = ours[real], theirs[real]
    each = (ours * theirs).sum(-1) / np.linalg.norm(ours, axis=-1) / np.linalg.norm(theirs, axis=-1)
    assert cosine.mean == pytest.approx(each.mean(), abs=1e-4)
