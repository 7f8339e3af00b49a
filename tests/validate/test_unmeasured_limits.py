"""Limits on what was never measured."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pitome.bundle import ParityReport
from pitome.validate.thresholds import Thresholds
from pitome.validate.unmeasured_limits import unmeasured_limits
from tests.checkout import ROOT
from tests.validate.report.manifest_document import make_document
from tests.validate.task_records import task_record


def cosine(model: str, against: str) -> dict[str, Any]:
    return {"vector": "v", "model": model, "against": against, "mean": 1.0, "minimum": 1.0}


PARITY: dict[str, Any] = make_document()["parity"] | {
    "task": [
        cosine("onnxruntime fp32", "merged"),
        cosine("onnxruntime fp16", "unmerged"),
        cosine("PyTorch bf16", "merged"),
    ],
    "top1_agreement": {"onnxruntime fp32 against merged": 1.0},
}


NO_LATENCY = "the bundle holds no latency"


def found(
    limits: dict[str, Any],
    *,
    parity: dict[str, Any] = PARITY,
    tasks: Sequence[str] = ("photos",),
    why_no_speed: str | None = None,
    reasons: Mapping[str, str] | None = None,
) -> dict[str, str]:
    measured = unmeasured_limits(
        Thresholds.model_validate(limits),
        ParityReport.model_validate(parity),
        [task_record(name) for name in tasks],
        why_no_speed,
        reasons or {},
    )
    return {each.limit: each.reason for each in measured}


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
    measured = [cosine("onnxruntime fp32", "merged")]
    parity = PARITY | {"task": measured, "decisions": None, "top1_agreement": {}}
    copied = tomllib.loads((ROOT / "docs" / "thresholds.toml").read_text())
    for limits in ({}, copied):
        assert found(limits, parity=parity, tasks=[], why_no_speed=NO_LATENCY) == {}


@pytest.mark.parametrize(
    ("task", "reasons", "reason"),
    [
        ("r8", {"r8": "PyPI can't be reached"}, "PyPI can't be reached"),
        ("r8", {"accuracy": "left out by --task none"}, "left out by --task none"),
        ("r8", {"accuracy": "the weights are random", "sweep": "it is stale"}, "the weights are random"),
        ("r8", {}, "no such task ran (photos did)"),
        ("photo", {}, "no such task ran (photos did); did you mean photos"),
    ],
)
def test_a_task_without_a_number_says_why(task: str, reasons: dict[str, str], reason: str) -> None:
    assert found({"max_accuracy_drop": {task: 0.5}}, reasons=reasons) == {
        f"max_accuracy_drop.{task}": f"{task} has a limit and was not measured: {reason}"
    }


def test_no_task_ran_at_all() -> None:
    assert found({"max_accuracy_drop": {"r8": 1.0}}, tasks=[]) == {
        "max_accuracy_drop.r8": "r8 has a limit and was not measured: no such task ran"
    }


def test_what_parity_and_latency_lack() -> None:
    limits = {
        "min_speedup": 1.0,
        "min_share_of_bound": 0.5,
        "min_cosine": {"fp16": 0.98},
        "min_top1_agreement": 0.9,
        "min_free_running_agreement": 0.9,
    }
    parity = {**PARITY, "decisions": None, "top1_agreement": {}}
    reasons = found(limits, parity=parity, why_no_speed=NO_LATENCY)
    assert list(reasons) == [
        "min_cosine.fp16",
        "min_top1_agreement",
        "min_free_running_agreement",
        "min_speedup",
        "min_share_of_bound",
    ]
    for limit, part in {
        "min_cosine.fp16": "was not measured: the bundle has no graph in fp16 that runs here",
        "min_top1_agreement": "was not measured: the model is no classifier",
        "min_free_running_agreement": "was not measured: no merge decides anything",
        "min_speedup": "the speed-up has a limit and was not measured: the bundle holds no latency",
        "min_share_of_bound": "the bundle holds no latency",
    }.items():
        assert part in reasons[limit]


def test_a_cosine_that_the_file_sets_as_by_default_must_be_measured() -> None:
    parity = PARITY | {"task": [cosine("PyTorch bf16", "merged")]}
    assert found({}, parity=parity) == {}
    assert list(found({"min_cosine": {"fp32": 0.99}}, parity=parity)) == ["min_cosine.fp32"]


def test_every_limit_belongs_to_a_part() -> None:
    limits = {
        "min_speedup": 1.5,
        "min_cosine": {"fp16": 0.9},
        "max_accuracy_drop": {"r8": 1.0},
    }
    measured = unmeasured_limits(
        Thresholds.model_validate(limits), ParityReport.model_validate(PARITY), [], NO_LATENCY, {}
    )
    assert [(each.part, each.limit) for each in measured] == [
        ("parity", "min_cosine.fp16"),
        ("accuracy", "max_accuracy_drop.r8"),
        ("latency", "min_speedup"),
    ]
