"""The verdict on a bundle's latency: at the batch size that it was built for, by the interval's upper end."""

from __future__ import annotations

from typing import Any

import pytest

from pitome.bundle import Manifest
from pitome.engine.speed_verdict import judged_latency
from pitome.validate.bench.latency import cpu_model
from pitome.validate.thresholds import Thresholds
from pitome.validate.unmeasured_limits import UnmeasuredLimit
from pitome.validate.validation_records import JudgedLatency
from tests.validate.report.manifest_document import latency_result, make_document

pytestmark = pytest.mark.quick


def bundle(*results: dict[str, Any], cpu: str | None = None, **changes: Any) -> Manifest:
    """A bundle whose plan is for batch 8, with these measurements; none: without a latency."""
    document, where = make_document() | changes, cpu or cpu_model()
    measured = [result | {"cpu": where} for result in results]
    document["latency"] = document["latency"] | {"results": measured, "cpu": where} if results else None
    return Manifest.model_validate(document)


def told(found: JudgedLatency) -> str:
    """Its reason, with a letter for the sign."""
    return found.reason.replace("\N{MULTIPLICATION SIGN}", "x")


def judged(*results: dict[str, Any], **limits: float) -> JudgedLatency:
    return judged_latency(bundle(*results), Thresholds(**limits))


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(1.1, 1.2, "pass"), (0.9, 1.0, "pass"), (0.9, 1.1, "pass"), (0.9, 0.999, "fail")],
)
def test_a_merged_model_is_surely_not_slower(low: float, high: float, verdict: str) -> None:
    found = judged(latency_result(8, (low + high) / 2, low, high))
    assert (found.verdict, found.speedup_interval) == (verdict, (low, high))


def test_what_is_slower_says_so() -> None:
    found = judged(latency_result(8, 0.9, 0.88, 0.92))
    assert told(found) == (
        "0.90x (0.88 to 0.92) at batch 8, where 1.00x is wanted: merging is slower than not merging; "
        f"measured on {cpu_model()}, not known to be steady"
    )
    assert told(judged(latency_result(8, 1.3, 1.2, 1.4), min_speedup=1.5)).startswith(
        "1.30x (1.20 to 1.40) at batch 8, where 1.50x is wanted; measured"
    )


def test_only_the_batch_that_the_bundle_was_built_for_decides() -> None:
    slow, fast = latency_result(1, 0.8, 0.7, 0.9), latency_result(8, 1.6, 1.5, 1.7)
    found = judged(slow, fast)
    assert (found.verdict, found.batch, found.speedup) == ("pass", 8, 1.6)
    reversed_ = judged(latency_result(1, 1.6, 1.5, 1.7), latency_result(8, 0.8, 0.7, 0.9))
    assert (reversed_.verdict, reversed_.batch) == ("fail", 8)


def test_another_batch_is_no_measurement() -> None:
    found = judged(latency_result(1, 1.6, 1.5, 1.7), latency_result(4, 1.6, 1.5, 1.7))
    assert (found.verdict, found.batch) == ("not judged", None)
    assert found.reason == (
        "the bundle was built for batch 8, and only batch 1 and 4 were measured; "
        "`pitome bench BUNDLE --batch 8 --record` measures it"
    )


def test_without_a_plan_the_largest_batch_decides() -> None:
    document = make_document()
    document["graphs"][0]["plans"] = []
    found = bundle(latency_result(1, 0.8, 0.7, 0.9), latency_result(4, 1.6, 1.5, 1.7), **document)
    assert judged_latency(found, Thresholds()).batch == 4


def test_without_a_latency_and_without_a_limit() -> None:
    none = judged_latency(bundle(), Thresholds())
    assert (none.verdict, none.reason) == (
        "not judged",
        "the bundle holds no latency; `pitome bench BUNDLE --record` measures it",
    )
    missing = UnmeasuredLimit(part="latency", limit="min_speedup", reason="the speed-up was not measured")
    assert judged_latency(bundle(), Thresholds(), [missing]).verdict == "fail"
    free = judged(latency_result(8, 0.8, 0.7, 0.9), min_speedup=0.0)
    assert (free.verdict, free.speedup) == ("not judged", 0.8)
    assert told(free).startswith("0.80x (0.70 to 0.90) at batch 8, and no limit is set; measured on ")


def test_where_nothing_is_merged_no_speed_up_is_judged() -> None:
    document = make_document()
    tokens = document["schedule"]["tokens"]
    document["schedule"] = {
        "tokens": [tokens[0]] * len(tokens),
        "num_merged": [0] * 12,
        "num_candidates": [0] * 12,
    }
    document["method"]["layers"] = [None] * 12
    document["graphs"][0] |= {"merges": 0, "plans": []}
    document["parity"] = None
    found = judged_latency(bundle(latency_result(8, 0.9, 0.8, 0.95), **document), Thresholds())
    assert (found.verdict, found.reason) == ("not judged", "nothing is merged, so there is no speed-up")


def test_the_share_of_the_bound_is_judged_by_the_same_end() -> None:
    """The bound is 1.74: an upper end of 1.57 is 0.90 of it."""
    near = latency_result(8, 1.5, 1.4, 1.57)
    assert judged(near, min_share_of_bound=0.9).verdict == "pass"
    found = judged(near, min_share_of_bound=0.91)
    assert found.verdict == "fail"
    assert "at batch 8, 0.90 of the bound by FLOPs at most, where 0.91 is wanted; measured" in found.reason


def test_the_reason_says_where_it_was_measured_and_how_steady_it_was() -> None:
    result = latency_result(8, 1.66, 1.65, 1.68) | {"steady": True, "steady_reason": None}
    assert told(judged(result)) == (
        f"1.66x (1.65 to 1.68) at batch 8, 0.95 of the bound by FLOPs; measured on {cpu_model()}, steady"
    )
    other = judged_latency(bundle(result, cpu="Another CPU"), Thresholds())
    assert f"measured on Another CPU, not on this machine ({cpu_model()}), steady" in other.reason
    assert (other.cpu, other.steady) == ("Another CPU", True)
    drifted = judged(result | {"steady": False, "steady_reason": "its times fell by 20 %"})
    assert drifted.reason.endswith(", and not steady (its times fell by 20 %)")
    busy = judged(latency_result(8, 1.7, 1.0, 2.3) | {"steady": True})
    assert busy.reason.endswith("and not steady (the speed-up is only known to be from 1.00 to 2.30)")
