"""The account's tables, as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pitome.plugins.tools.account.counts import KERNELS, KernelCount, usage_of
from pitome.plugins.tools.account.gpus import GPUS
from pitome.plugins.tools.account.layers import BATCHES, LAYERS, METRICS
from pitome.plugins.tools.account.shares import GOAL_BATCH, Merge, Prediction
from pitome.plugins.tools.ptxas_log import Usage
from pitome.settings import Metric

MICRO, KILO, MEGA, GIGA, TERA = 1e-6, 1e3, 1e6, 1e9, 1e12


@dataclass(frozen=True)
class Table:
    """Cells; the first row is the heading."""

    rows: tuple[tuple[str, ...], ...]


def counts_table(merges: Sequence[Merge], usages: Sequence[Usage]) -> Table:
    """What each kernel asks for and occupies."""
    rows = [("kernel", "registers", "shared memory", "blocks held", *(layer.model for layer in LAYERS))]
    for kernel in KERNELS:
        running = [merge for merge in merges if kernel in merge.counts]
        if not running:
            continue
        metrics = _metrics_of(running[0].counts[kernel])
        for metric in metrics:
            counts = [merge.counts.get(kernel) for merge in merges if merge.metric == metric]
            occupancy = _occupancy(running[0].counts[kernel], usages)
            rows.append((_label(kernel, metric, metrics), *occupancy, *map(_count_cell, counts)))
    return Table(tuple(rows))


def _count_cell(count: KernelCount | None) -> str:
    if count is None:
        return ""
    asked = count.loaded_bytes + count.stored_bytes
    text = f"{count.blocks}; {asked / KILO:.0f} kB, {count.distinct_bytes / KILO:.0f} kB"
    return f"{text}; {count.multiply_adds / MEGA:.1f} M" if count.multiply_adds else text


def _occupancy(count: KernelCount, usages: Sequence[Usage]) -> tuple[str, str, str]:
    """Registers, shared memory and blocks held, for every target of the GPUs."""
    found = {gpu.target: (gpu, usage_of(usages, count.kernel, gpu.target)) for gpu in GPUS}
    known = [(gpu, usage) for _, (gpu, usage) in sorted(found.items()) if usage is not None]
    if not known:
        return ("unknown",) * 3
    return (
        ", ".join(str(usage.registers) for _, usage in known),
        f"{max(usage.shared_bytes for _, usage in known)} B",
        ", ".join(str(gpu.resident_blocks(usage, count.threads_per_block)) for gpu, usage in known),
    )


def shares_table(merges: Sequence[Merge], predictions: Sequence[Prediction]) -> Table:
    """The merge's time and its share, by model, metric, batch and GPU."""
    rows = [("model", "metric", "batch", *(gpu.name for gpu in GPUS))]
    for merge in merges:
        for batch in BATCHES:
            for in_l2 in (False, True) if batch >= GOAL_BATCH else (False,):
                wanted = (merge, batch, in_l2)
                found = {one.gpu: one for one in predictions if (one.merge, one.batch, one.in_l2) == wanted}
                if found:
                    cells = (_share_cell(found[gpu]) if gpu in found else "" for gpu in GPUS)
                    label = f"{batch}, L2" if in_l2 else str(batch)
                    rows.append((merge.layer.model, merge.metric, label, *cells))
    return Table(tuple(rows))


def _share_cell(one: Prediction) -> str:
    shares = (_share(share, one.goal) for share in (one.share, one.share_with_launches))
    return f"{one.seconds / MICRO:.0f} µs, {', '.join(shares)}"


def _share(share: float, goal: float | None) -> str:
    text = percent(share)
    return f"**{text}**" if goal is not None and share < goal else text


def kernels_table(predictions: Sequence[Prediction]) -> Table:
    """Every kernel of these predictions: one model and batch, both metrics, all GPUs."""
    rows = [("kernel", *(gpu.name for gpu in GPUS))]
    for position, (kernel, count) in enumerate(predictions[0].merge.counts.items()):
        metrics = _metrics_of(count)
        for metric in metrics:
            times = [one.kernels[position] for one in predictions if one.merge.metric == metric]
            cells = (f"{time.seconds / MICRO:.1f} µs, {time.bound}" for time in times)
            rows.append((_label(kernel, metric, metrics), *cells))
    return Table(tuple(rows))


def _metrics_of(count: KernelCount) -> tuple[Metric, ...]:
    """A kernel that multiplies depends on the metric; the others do the same for both."""
    return METRICS if count.multiply_adds else METRICS[:1]


def _label(kernel: str, metric: Metric, metrics: Sequence[Metric]) -> str:
    return kernel if len(metrics) == 1 else f"{kernel}, {metric}"


def percent(share: float) -> str:
    """Such as 4.8 %, 12 %."""
    return f"{100 * share:.1f} %" if share < 0.0995 else f"{100 * share:.0f} %"
