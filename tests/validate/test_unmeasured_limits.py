"""Limits on what was never measured."""

from __future__ import annotations

from typing import Any

import pytest

from pitome.validate.thresholds import Thresholds, default_toml
from pitome.validate.unmeasured_limits import unmeasured_limits
from tests.validate.report.report_cases import make_document

PARITY: dict[str, Any] = {
    "decisions": {"layers": [{"layer": 0}]},
    "task": [
        {"vector": "v", "model": "onnxruntime fp32", "against": "merged"},
        {"vector": "v", "model": "onnxruntime fp16", "against": "unmerged"},
        {"vector": "v", "model": "PyTorch bf16", "against": "merged"},
    ],
    "top1_agreement": {"onnxruntime fp32 against merged": 1.0},
}
LATENCY = make_document()["latency"]


def found(limits: dict[str, Any], **changes: Any) -> dict[str, str]:
    measured = {"parity": PARITY, "tasks": ["photos"], "latency": LATENCY, "skipped": []} | changes
    return {
        each.limit: each.reason for each in unmeasured_limits(Thresholds.model_validate(limits), **measured)
    }


def test_limits_that_were_measured_are_not_among_them() -> None:
    limits = {
        "max_accuracy_drop": {"photos": 0.5},
        "min_share_of_bound": 0.5,
        "min_cosine": {"fp32": 0.999, "bf16": 0.9},
        "min_top1_agreement": 0.9,
        "min_free_running_agreement": 0.9,
    }
    assert found(limits) == {}


def test_defaults_need_no_measurement() -> None:
    nothing = {"parity": {"task": []}, "tasks": [], "latency": None}
    assert found({}, **nothing) == {}
    import tomllib

    assert found(tomllib.loads(default_toml()), **nothing) == {}, "a copy of docs/thresholds.toml"


@pytest.mark.parametrize(
    ("task", "skipped", "reason"),
    [
        ("r8", [{"what": "r8", "reason": "PyPI can't be reached"}], "PyPI can't be reached"),
        ("r8", [{"what": "accuracy", "reason": "left out by --task none"}], "left out by --task none"),
        (
            "r8",
            [
                {"what": "accuracy", "reason": "the weights are random"},
                {"what": "sweep", "reason": "it is stale"},
            ],
            "the weights are random",
        ),
        ("r8", [], "no such task ran (photos did)"),
        ("photo", [], "no such task ran (photos did); did you mean photos"),
    ],
)
def test_a_task_without_a_number_says_why(task: str, skipped: list[dict[str, str]], reason: str) -> None:
    assert found({"max_accuracy_drop": {task: 0.5}}, skipped=skipped) == {
        f"max_accuracy_drop.{task}": f"{task} has a limit and was not measured: {reason}"
    }


def test_no_task_ran_at_all() -> None:
    assert found({"max_accuracy_drop": {"r8": 1.0}}, tasks=[]) == {
        "max_accuracy_drop.r8": "r8 has a limit and was not measured: no such task ran"
    }


def test_what_parity_and_latency_lack() -> None:
    limits = {
        "min_share_of_bound": 0.5,
        "min_cosine": {"fp16": 0.98},
        "min_top1_agreement": 0.9,
        "min_free_running_agreement": 0.9,
    }
    parity = {**PARITY, "decisions": None, "top1_agreement": {}}
    reasons = found(limits, parity=parity, latency=None)
    assert list(reasons) == [
        "min_cosine.fp16",
        "min_top1_agreement",
        "min_free_running_agreement",
        "min_share_of_bound",
    ]
    for limit, part in {
        "min_cosine.fp16": "was not measured: the bundle has no graph in fp16 that runs here",
        "min_top1_agreement": "was not measured: the model is no classifier",
        "min_free_running_agreement": "was not measured: no merge decides anything",
        "min_share_of_bound": "the bundle holds no latency; `pitome bench BUNDLE --record` measures it",
    }.items():
        assert part in reasons[limit]
