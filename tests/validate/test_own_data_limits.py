"""Limits on data without labels: the worst runtime decides, and what was not measured is not met."""

from __future__ import annotations

import pytest

from pitome.engine.verdicts import judged_accuracy
from pitome.errors import InputError
from pitome.validate.own_data_limits import OwnDataLimits, unmeasured_own_limits
from pitome.validate.thresholds import Thresholds
from tests.validate.task_records import task_record

RECALL = {
    "recall@1, unmerged index": 0.8,
    "recall@10, unmerged index": 0.85,
    "recall@1, merged index": 0.9,
    "recall@10, merged index": 0.95,
}
EMBEDDINGS = task_record(
    "images:x", "cosine", ({"cosine": 0.98, **RECALL}, 0.7), ({"cosine": 0.97, **RECALL}, 0.8), own=True
)
CLASSES = task_record("images:x", "agreement", ({"agreement": 0.95}, 0.0), own=True)


def judged(limits, task=EMBEDDINGS, **others):
    return judged_accuracy([task], Thresholds.model_validate({"own_data": limits, **others}), (), ())


MEASURES = [
    ("min_cosine", 0.97, "the mean cosine of images:x is 0.9700 (model 1), where 0.9701 is wanted"),
    ("min_worst_cosine", 0.7, "the worst cosine of images:x is 0.7000 (model 0), where 0.7001 is wanted"),
    ("min_recall_at_1", 0.8, "recall@1 in an unmerged index of images:x is 0.8000 (model 0)"),
    ("min_recall_at_10", 0.85, "recall@10 in an unmerged index of images:x is 0.8500 (model 0)"),
    ("min_recall_at_1_reindexed", 0.9, "recall@1 in a merged index of images:x is 0.9000 (model 0)"),
    ("min_recall_at_10_reindexed", 0.95, "recall@10 in a merged index of images:x is 0.9500 (model 0)"),
]


@pytest.mark.parametrize(("key", "value", "reason"), MEASURES)
def test_each_limit_is_on_its_own_number(key, value, reason):
    met, missed = judged({key: value}), judged({key: round(value + 1e-4, 6)})
    assert (met.verdict, missed.verdict) == ("pass", "fail")
    assert reason in missed.reason
    assert f"and {value:g} is wanted" in met.reason


def test_of_a_classifier_the_agreement():
    assert judged({"min_top1_agreement": 0.95}, CLASSES).verdict == "pass"
    failed = judged({"min_top1_agreement": 0.96}, CLASSES)
    assert failed.reason == (
        "the agreement of best classes of images:x is 0.9500 (model 0), where 0.96 is wanted"
    )


def test_without_a_limit_it_is_measured_and_not_judged():
    found = judged({})
    assert (found.verdict, len(found.tasks)) == ("not judged", 1)
    assert found.reason == (
        "images:x has a mean cosine of 0.9700 to the unmerged model (model 1), and has no limit"
    )
    assert judged({}, CLASSES).reason.startswith("images:x has a mean agreement of 95.00 %")


def test_a_drop_in_points_is_a_limit_too():
    assert judged({}, max_accuracy_drop={"images:x": 5.0}).verdict == "pass"
    found = judged({"min_cosine": 0.9}, max_accuracy_drop={"images:x": 1.0})
    assert (found.verdict, found.reason) == ("fail", "images:x loses 3.00 points, where 1 are allowed")


def test_labelled_tasks_have_limits_of_their_own():
    labelled = task_record("r8", "accuracy", ({"accuracy": 0.5}, 0.0))
    assert judged({"min_cosine": 1.0, "min_top1_agreement": 1.0}, labelled).verdict == "not judged"


@pytest.mark.parametrize(
    ("limits", "tasks", "reason"),
    [
        (
            {"min_cosine": 0.9},
            [],
            "the mean cosine has a limit and was not measured: no task on data without labels ran "
            "(--task images:FOLDER or texts:FILE)",
        ),
        (
            {"min_recall_at_10": 0.9},
            [task_record("images:x", "cosine", ({"cosine": 1.0}, 1.0), own=True)],
            "recall@10 in an unmerged index has a limit and was not measured: there are too few samples",
        ),
        (
            {"min_worst_cosine": 0.9},
            [CLASSES],
            "the worst cosine has a limit and was not measured: the model classifies",
        ),
        (
            {"min_top1_agreement": 0.9},
            [EMBEDDINGS],
            "the agreement of best classes has a limit and was not measured: the model is no classifier",
        ),
        ({"min_cosine": 0.9}, [EMBEDDINGS], None),
    ],
)
def test_limits_that_nothing_measured(limits, tasks, reason):
    found = list(unmeasured_own_limits(OwnDataLimits.model_validate(limits), tasks))
    assert found == ([] if reason is None else [(next(iter(limits)), reason)])


def test_a_wrong_key_is_told_from_the_table_it_stands_in(tmp_path):
    path = tmp_path / "limits.toml"
    path.write_text("[own_data]\nmin_recal_at_10 = 0.9\n")
    with pytest.raises(InputError) as error:
        Thresholds.load(path)
    assert "own_data.min_recal_at_10 is not a key that is known; the keys are min_cosine" in str(error.value)
    assert "Did you mean min_recall_at_10" in str(error.value)
