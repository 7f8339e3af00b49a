"""Tokens, merges and FLOPs of each layer."""

from __future__ import annotations

from dataclasses import dataclass

from pitome.bundle import FlopsRecord
from pitome.validate.report.charts import Chart, tokens_chart
from pitome.validate.report.inputs import ReportInput
from pitome.validate.report.sections.section import Section


@dataclass(frozen=True)
class LayerFlops:
    """Multiply-adds per input."""

    base: int
    merged: int


@dataclass(frozen=True)
class Row:
    """One layer."""

    layer: int
    tokens: int
    merged: int
    after: int
    candidates: int | None
    """None: nothing merges here."""
    margin: float | None
    flops: LayerFlops | None
    """None: only the sum is known."""


@dataclass(frozen=True)
class TokensView:
    """The schedule."""

    chart: Chart
    rows: tuple[Row, ...]
    first: int
    last: int
    merged: int
    per_layer: bool
    """Whether the FLOPs of each layer are known."""
    flops: FlopsRecord
    graph: str | None
    """The merged graph's name, where there are others."""


def tokens_view(report: ReportInput) -> TokensView:
    """Always there."""
    schedule, merged = report.manifest.schedule, report.manifest.merged_graph
    return TokensView(
        chart=tokens_chart(schedule.tokens),
        rows=tuple(_row(report, layer) for layer in range(len(schedule.num_merged))),
        first=schedule.tokens[0],
        last=schedule.tokens[-1],
        merged=sum(schedule.num_merged),
        per_layer=report.flops is not None,
        flops=merged.flops,
        graph=merged.name if len(report.manifest.graphs) > 1 else None,
    )


def _row(report: ReportInput, layer: int) -> Row:
    schedule, flops = report.manifest.schedule, report.flops
    merged = schedule.num_merged[layer]
    return Row(
        layer=layer,
        tokens=schedule.tokens[layer],
        merged=merged,
        after=schedule.tokens[layer + 1],
        candidates=schedule.num_candidates[layer] if merged else None,
        margin=report.manifest.method.margins[layer] if merged else None,
        flops=None if flops is None else LayerFlops(flops.layers_base[layer], flops.layers_merged[layer]),
    )


SECTION = Section("tokens", "Tokens", "section_tokens.html.j2", tokens_view)
