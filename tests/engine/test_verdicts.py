"""The verdict on a bundle, from those on its parts."""

from __future__ import annotations

from typing import Any

import pytest

from pitome.bundle import ParityReport
from pitome.engine.verdicts import (
    judged_accuracy,
    judged_bundle,
    judged_parity,
    part_verdicts,
    required_parts,
)
from pitome.errors import InputError
from pitome.validate.evaluate.records import TaskAccuracy
from pitome.validate.thresholds import Thresholds
from pitome.validate.unmeasured_limits import UnmeasuredLimit
from pitome.validate.validation_records import Judged, PartVerdict, SkippedPart
from tests.validate.report.manifest_document import make_document
from tests.validate.report.report_cases import accuracy_report

pytestmark = pytest.mark.quick

NO_R8 = UnmeasuredLimit(
    part="accuracy", limit="max_accuracy_drop.r8", reason="r8 has a limit and was not measured: none"
)


@pytest.mark.parametrize(
    ("accuracy", "latency", "told", "reason"),
    [
        ("pass", "pass", "pass", "every part meets its limits"),
        (
            "not judged",
            "pass",
            "pass, 1 not judged",
            "what was judged meets its limits; accuracy is not judged (no data)",
        ),
        (
            "not judged",
            "not judged",
            "pass, 2 not judged",
            "what was judged meets its limits; accuracy is not judged (no data); latency is not judged "
            "(too slow)",
        ),
        ("not judged", "fail", "fail", "latency: too slow"),
        ("fail", "fail", "fail", "accuracy: no data"),
    ],
)
def test_a_bundle_passes_where_no_part_fails(accuracy: Any, latency: Any, told: str, reason: str) -> None:
    """What was not judged is counted, and is never a plain pass."""
    found = judged_bundle(
        (
            PartVerdict(name="parity", verdict="pass", reason="as exact as PyTorch"),
            PartVerdict(name="accuracy", verdict=accuracy, reason="no data"),
            PartVerdict(name="latency", verdict=latency, reason="too slow"),
        )
    )
    assert (found.told, found.reason) == (told, reason)


def test_a_required_part_fails_where_it_is_not_judged() -> None:
    open_parts = [(name, Judged(verdict="not judged", reason="no data")) for name in ("parity", "accuracy")]
    parity, accuracy = part_verdicts(open_parts, required_parts(()))
    assert (parity.verdict, parity.reason) == ("fail", "it is required and not judged: no data")
    assert accuracy.verdict == "not judged"
    _, accuracy = part_verdicts(open_parts, required_parts(("accuracy",)))
    assert accuracy.verdict == "fail"


def test_parts_that_there_are_not_are_refused_with_the_list() -> None:
    assert required_parts(("latency", "accuracy")) == ("parity", "accuracy", "latency")
    with pytest.raises(InputError) as refused:
        required_parts(("accuracy", "speed"))
    assert str(refused.value).startswith(
        "REQUIRE=accuracy,speed: there is no part 'speed'; the parts are parity, accuracy, latency"
    )


def task(name: str = "r8") -> TaskAccuracy:
    return TaskAccuracy.model_validate(accuracy_report() | {"task": name})  # it loses 0.8 points


@pytest.mark.parametrize(
    ("limits", "verdict", "reason"),
    [
        ({}, "not judged", "r8 loses 0.80 points, and has no limit"),
        ({"r8": 1.0}, "pass", "r8 loses 0.80 points of 1"),
        ({"r8": 0.5}, "fail", "r8 loses 0.80 points, where 0.5 are allowed"),
    ],
)
def test_accuracy_is_judged_by_a_limit(limits: dict[str, float], verdict: str, reason: str) -> None:
    found = judged_accuracy([task()], Thresholds(max_accuracy_drop=limits), (), ())
    assert (found.verdict, found.reason) == (verdict, reason)


def test_one_task_with_a_limit_is_enough_and_the_others_are_told() -> None:
    found = judged_accuracy([task("a"), task("b")], Thresholds(max_accuracy_drop={"a": 1.0}), (), ())
    assert found.verdict == "pass"
    assert found.reason == "a loses 0.80 points of 1; b loses 0.80 points, and has no limit"


def test_accuracy_without_tasks() -> None:
    left_out = [SkippedPart(what="accuracy", reason="left out by --task none")]
    found = judged_accuracy([], Thresholds(), (), left_out)
    assert (found.verdict, found.reason, found.tasks) == (
        "not judged",
        "not measured: left out by --task none",
        (),
    )
    limits = Thresholds(max_accuracy_drop={"r8": 0.5})
    assert judged_accuracy([], limits, (NO_R8,), left_out).verdict == "fail"
    each = [SkippedPart(what="r8", reason="no data"), SkippedPart(what="20newsgroups", reason="no net")]
    assert judged_accuracy([], Thresholds(), (), each).reason == (
        "not measured: r8: no data; 20newsgroups: no net"
    )


def test_parity_fails_by_a_limit_that_nothing_measured() -> None:
    report = ParityReport.model_validate(make_document()["parity"])
    assert judged_parity({"model": report}, ()).verdict == "pass"
    missing = UnmeasuredLimit(part="parity", limit="min_cosine.fp16", reason="no graph in fp16")
    found = judged_parity({"model": report}, (missing,))
    assert (found.verdict, found.reason) == ("fail", "no graph in fp16")
    failed = report.model_copy(update={"verdict": "fail", "reason": "weights differ"})
    assert judged_parity({"model": failed}, (missing,)).reason == "weights differ; no graph in fp16"
