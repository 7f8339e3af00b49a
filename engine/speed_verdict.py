"""Is the merged model fast enough? By the bundle's latency, at the batch size that it was built for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pitome.validate.deciding_batch import deciding_latency
from pitome.validate.report.summary import STEADY, times
from pitome.validate.thresholds import Thresholds
from pitome.validate.unmeasured_limits import UnmeasuredLimit
from pitome.validate.validation_records import JudgedLatency

if TYPE_CHECKING:
    from pitome.bundle import Manifest
    from pitome.bundle.latency_records import LatencyRecord, LatencyReport


def judged_latency(
    manifest: Manifest, limits: Thresholds, unmeasured: Sequence[UnmeasuredLimit] = ()
) -> JudgedLatency:
    """The bundle's latency, which may come from another machine and another day: the reason says so.

    A limit is missed where even the upper end of the interval does: chance fails nobody.
    """
    found, why = deciding_latency(manifest)
    if found is None or manifest.latency is None:
        if unmeasured:
            return JudgedLatency(verdict="fail", reason="; ".join(each.reason for each in unmeasured))
        return JudgedLatency(verdict="not judged", reason=why)
    low, high = found.speedup_interval
    told = f"{times(found.speedup)} ({low:.2f} to {high:.2f}) at batch {found.batch}"
    missed = _missed(found, limits)
    if missed:
        verdict, told = "fail", f"{told}, {missed}"
    elif not limits.min_speedup and not limits.min_share_of_bound:
        verdict, told = "not judged", f"{told}, and no limit is set"
    else:
        verdict = "pass"
        told += f", {found.share_of_bound:.2f} of the bound by FLOPs"
    return JudgedLatency.model_validate(
        {
            "verdict": verdict,
            "reason": f"{told}; {_where(manifest.latency)}, {_steadiness(found)}",
            "batch": found.batch,
            "speedup": found.speedup,
            "speedup_interval": found.speedup_interval,
            "share_of_bound": found.share_of_bound,
            "cpu": manifest.latency.machine,
            "steady": found.steady,
        }
    )


def _missed(found: LatencyRecord, limits: Thresholds) -> str | None:
    """The limit that is missed whatever chance did, in words."""
    _, high = found.speedup_interval
    if not high >= limits.min_speedup:
        slower = ": merging is slower than not merging" if limits.min_speedup == 1 else ""
        return f"where {times(limits.min_speedup)} is wanted{slower}"
    share, wanted = high / found.bound, limits.min_share_of_bound
    if wanted is not None and not share >= wanted:
        return f"{share:.2f} of the bound by FLOPs at most, where {wanted:g} is wanted"
    return None


def _where(latency: LatencyReport) -> str:
    from pitome.validate.bench.latency import cpu_model

    if latency.plan is not None:
        return f"measured by {latency.provider} on {latency.plan.gpu}"
    cpu = latency.cpu
    here = cpu_model()
    return f"measured on {cpu}" + (f", not on this machine ({here})" if cpu != here else "")


def _steadiness(result: LatencyRecord) -> str:
    unsteady = _unsteady(result)
    if unsteady is not None:
        return f"and not steady ({unsteady})"
    if result.steady is None:
        told = f" ({result.steady_reason})" if result.steady_reason else ""
        return f"not known to be steady{told}"
    return "steady"


def _unsteady(result: LatencyRecord) -> str | None:
    """Why a speed-up should be measured again, where it should; as the summary says it."""
    low, high = result.speedup_interval
    if result.steady is False:
        return result.steady_reason or "something drifted meanwhile"
    if high - low > STEADY * result.speedup:
        return f"the speed-up is only known to be from {low:.2f} to {high:.2f}"
    return None
