"""What was measured fits itself and the bundle: parity and latency as a build would have written them.

As in ``consistency.py`` every function raises ValueError, which begins with the place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

from pitome.bundle.consistency import once
from pitome.bundle.latency_records import BatchRecord, LatencyRecord, LatencyReport, Timing
from pitome.bundle.merge_records import FlopsRecord, ScheduleRecord
from pitome.bundle.parity_records import (
    Arithmetic,
    Decisions,
    LayerArithmetic,
    LayerDecisions,
    MetricArithmetic,
    ParityReport,
)
from pitome.bundle.record import Precision

PERCENTILES = ("1", "10", "50")
_CLOSE = 1e-6
"""Relative: what follows from other numbers of the file is the same but for rounding."""
_COSINE_SLACK = 1e-3
"""Cosines are computed in floating point."""


def check_parity(parity: ParityReport, schedule: ScheduleRecord) -> None:
    """Counts, shares, precisions and layers of a parity report."""
    if parity.threads < 1:
        raise ValueError(f"parity.threads: {parity.threads}")
    if parity.verdict == "pass" and parity.failures:
        raise ValueError(f"parity.verdict: pass, where this failed: {parity.failures[0]}")
    _known_precisions(parity.unchecked, "parity.unchecked")
    once(parity.unchecked, "parity.unchecked")
    if any(count < 0 for count in parity.inputs.values()):
        raise ValueError("parity.inputs: a count is negative")
    for name, share in parity.top1_agreement.items():
        _share(share, f"parity.top1_agreement.{name}")
    for number, cosine in enumerate(parity.task):
        if not -1 - _COSINE_SLACK <= cosine.minimum <= cosine.mean + _COSINE_SLACK <= 1 + 2 * _COSINE_SLACK:
            raise ValueError(f"parity.task[{number}]: a cosine of {cosine.mean}, {cosine.minimum} at least")
    for place, decisions in _all_decisions(parity):
        _check_decisions(decisions, schedule, place)
    for number, layer in enumerate(() if parity.decisions is None else parity.decisions.layers):
        if layer.agreed + layer.excused + layer.unexplained != layer.compared:
            raise ValueError(
                f"parity.decisions.layers[{number}]: agreed, excused and unexplained are not all "
                f"{layer.compared} that were compared"
            )
    _check_errors(parity.arithmetic, "parity.arithmetic")
    _check_errors(parity.layers, "parity.layers")
    _check_errors(parity.metrics, "parity.metrics")
    for number, metric in enumerate(parity.metrics):
        _layer(metric.layer, schedule, f"parity.metrics[{number}].layer")
    if parity.batching is not None:
        _check_batching(parity)


_NO_LAYERS = ScheduleRecord(tokens=(1,), num_merged=(), num_candidates=())


def check_other_parity(
    parity: ParityReport | None, found: Mapping[str, ParityReport], graphs: Sequence[str]
) -> None:
    """Parity is checked of all graphs or of none; those that merge nothing have no decisions.

    Args:
        parity: of the merged graph.
        found: of the others, by their names.
        graphs: names of the others.
    """
    wanted = [] if parity is None else list(graphs)
    if sorted(found) != sorted(wanted):
        raise ValueError(
            f"other_parity: it is of {' and '.join(found) or 'no graph'}, not of "
            f"{' and '.join(wanted) or 'none'}"
        )
    for name, each in found.items():
        if each.metrics or any(True for _ in _all_decisions(each)):
            raise ValueError(f"other_parity.{name}: it has decisions, where {name} merges nothing")
        try:
            check_parity(each, _NO_LAYERS)
        except ValueError as error:
            raise ValueError(str(error).replace("parity.", f"other_parity.{name}.", 1)) from None


def _check_errors(records: Sequence[Arithmetic | LayerArithmetic | MetricArithmetic], place: str) -> None:
    _known_precisions([record.precision for record in records], place)
    for number, record in enumerate(records):
        if min(record.error, record.torch_error, record.limit) < 0:
            raise ValueError(f"{place}[{number}]: an error is negative")


def _check_batching(parity: ParityReport) -> None:
    found = parity.batching
    assert found is not None  # the caller looked
    counts = (found.same_decisions, found.excused, found.unexplained)
    if min(counts) < 0 or sum(counts) != found.texts or found.excused_by_jumps > found.excused:
        raise ValueError("parity.batching: same_decisions, excused and unexplained are not all texts")


def _all_decisions(parity: ParityReport) -> Iterator[tuple[str, Decisions]]:
    if parity.decisions is not None:
        yield "parity.decisions", parity.decisions
    if parity.native_decisions is not None:
        yield "parity.native_decisions", parity.native_decisions
    for number, decisions in enumerate(parity.reported_decisions):
        yield f"parity.reported_decisions[{number}]", decisions
    for number, reduced in enumerate(parity.reduced):
        if reduced.decisions is not None:
            yield f"parity.reduced[{number}].decisions", reduced.decisions


def _check_decisions(decisions: Decisions, schedule: ScheduleRecord, place: str) -> None:
    if not 0 <= decisions.same_throughout <= decisions.images:
        raise ValueError(f"{place}.same_throughout: {decisions.same_throughout} of {decisions.images}")
    once([layer.layer for layer in decisions.layers], f"{place}.layers")
    for number, layer in enumerate(decisions.layers):
        _check_layer(layer, schedule, f"{place}.layers[{number}]")
    for number, margins in enumerate(decisions.margins):
        _layer(margins.layer, schedule, f"{place}.margins[{number}].layer")
        if sorted(margins.percentiles) != sorted(PERCENTILES):
            raise ValueError(f"{place}.margins[{number}].percentiles: they are those of 1, 10 and 50")
        if margins.count < 0:
            raise ValueError(f"{place}.margins[{number}].count: {margins.count}")


def _check_layer(layer: LayerDecisions, schedule: ScheduleRecord, place: str) -> None:
    _layer(layer.layer, schedule, f"{place}.layer")
    wanted = schedule.tokens[layer.layer], schedule.num_merged[layer.layer]
    if (layer.tokens, layer.merged) != wanted:
        raise ValueError(f"{place}: {layer.merged} of {layer.tokens} tokens, not {wanted[1]} of {wanted[0]}")
    counts = (layer.agreed, layer.excused, layer.unexplained, layer.excused_by_jumps, layer.first_differences)
    if min(counts) < 0 or max(counts[:3]) > layer.compared or layer.excused_by_jumps > layer.excused:
        raise ValueError(f"{place}: a count is not from 0 to the {layer.compared} compared")
    _share(layer.free_running_agreement, f"{place}.free_running_agreement")
    if layer.token_agreement is not None:
        _share(layer.token_agreement, f"{place}.token_agreement")


def _layer(layer: int, schedule: ScheduleRecord, place: str) -> None:
    if not 0 <= layer < len(schedule.num_merged):
        raise ValueError(f"{place}: {layer}, where layers are from 0 to {len(schedule.num_merged) - 1}")


def _share(value: float, place: str) -> None:
    if not -_CLOSE <= value <= 1 + _CLOSE:
        raise ValueError(f"{place}: {value} is no share")


def _known_precisions(names: Sequence[str], place: str) -> None:
    for number, name in enumerate(names):
        if name not in get_args(Precision):
            raise ValueError(f"{place}[{number}]: {name} is no precision")


# --- latency ----------------------------------------------------------------------------------------------


def check_measured_graph(latency: LatencyReport, merged: str, others: Sequence[str]) -> None:
    """A latency report names its graph where there are several, and then the merged one."""
    wanted = merged if others else None
    if latency.graph != wanted:
        raise ValueError(f"latency.graph: {latency.graph}, not {wanted}")


def check_latency(latency: LatencyReport, flops: FlopsRecord) -> None:
    """Batch sizes, contestants and what follows from the times of a latency report."""
    once([result.batch for result in latency.results], "latency.results")
    for number, result in enumerate(latency.results):
        _check_result(result, latency, flops, f"latency.results[{number}]")
    if (latency.onnxruntime is None) != (latency.plan is not None):
        raise ValueError("latency.plan: either onnxruntime or a plan was measured")
    sizes = {result.batch for result in latency.results}
    if latency.comparison is not None:
        once([each.batch for each in latency.comparison], "latency.comparison")
        if not {each.batch for each in latency.comparison} <= sizes:
            raise ValueError("latency.comparison: its batch sizes are not among those of latency.results")
        for number, batch in enumerate(latency.comparison):
            _check_contestants(batch, f"latency.comparison[{number}]")
    made = latency.configuration
    if made is not None and (set(made.batches) != sizes or made.threads != latency.threads):
        raise ValueError("latency.configuration: batches and threads are not those of latency.results")


def _check_result(result: LatencyRecord, latency: LatencyReport, flops: FlopsRecord, place: str) -> None:
    for name in ("threads", "onnxruntime", "provider", "cpu", "plan"):
        if getattr(result, name) != getattr(latency, name):
            raise ValueError(f"{place}.{name}: it is not that of latency")
    _rising(result.speedup_interval, f"{place}.speedup_interval")
    if not math.isclose(result.bound, flops.bound, rel_tol=_CLOSE):
        raise ValueError(f"{place}.bound: {result.bound}, where flops.bound is {flops.bound}")
    if not math.isclose(result.share_of_bound, result.speedup / result.bound, rel_tol=_CLOSE):
        raise ValueError(f"{place}.share_of_bound: {result.share_of_bound} is not speedup / bound")
    for name, timing in (("merged", result.merged), ("unmerged", result.unmerged)):
        _check_timing(timing, result.batch, f"{place}.{name}")
    if result.steady is False and not result.steady_reason:
        raise ValueError(f"{place}.steady_reason: it says why steady is false")


def _check_timing(timing: Timing, batch: int, place: str) -> None:
    if not math.isclose(timing.per_second, 1000 * batch / timing.median_milliseconds, rel_tol=_CLOSE):
        raise ValueError(f"{place}.per_second: {timing.per_second} is not the batch by the median")
    if timing.p95_milliseconds < timing.median_milliseconds:
        raise ValueError(f"{place}.p95_milliseconds: it is below the median")


def _check_contestants(batch: BatchRecord, place: str) -> None:
    names = [contestant.name for contestant in batch.contestants]
    once(names, f"{place}.contestants")
    for number, contestant in enumerate(batch.contestants):
        inner = f"{place}.contestants[{number}]"
        _check_timing(contestant.timing, batch.batch, f"{inner}.timing")
        if contestant.against is not None and contestant.against not in names:
            raise ValueError(f"{inner}.against: no contestant is {contestant.against}")
        compared = (contestant.ratio, contestant.ratio_interval)
        if any((value is None) != (contestant.against is None) for value in compared):
            raise ValueError(f"{inner}: a ratio and its interval stand beside against, and only there")
        if (contestant.share_of_bound is None) != (contestant.bound is None or contestant.ratio is None):
            raise ValueError(f"{inner}.share_of_bound: it stands beside ratio and bound, and only there")
        if contestant.ratio_interval is not None:
            _rising(contestant.ratio_interval, f"{inner}.ratio_interval")
    for number, pair in enumerate(batch.pairs):
        if not {pair.name, pair.against} <= set(names):
            raise ValueError(f"{place}.pairs[{number}]: no contestants are {pair.name} and {pair.against}")
        _rising(pair.ratio_interval, f"{place}.pairs[{number}].ratio_interval")


def _rising(interval: tuple[float, float], place: str) -> None:
    if not 0 < interval[0] <= interval[1]:
        raise ValueError(f"{place}: {interval[0]} to {interval[1]} is no interval of ratios")
