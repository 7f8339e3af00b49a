"""report.html: one self-contained page that shows what a bundle is and how it was checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pitome.manifest import Manifest
from validate.charts import Chart, margins_chart, speedup_chart, tokens_chart
from validate.reproduce import reproduce_command
from validate.summary import (
    NOT_EXECUTED,
    decision_totals,
    giga,
    megabytes,
    merge_path_text,
    percent,
    summary_rows,
    times,
    unchecked_precisions,
)

if TYPE_CHECKING:
    from pitome.flops import FlopsCount

TEMPLATE = "report.html.j2"


def render_report(manifest: Manifest, flops: FlopsCount | None = None) -> str:
    """The report of a bundle.

    Args:
        manifest: the bundle's manifest; ``parity`` and ``latency`` may be missing, the page then says so.
        flops: the count per layer, which the manifest only has as a sum; without it the table of layers
            has no FLOPs.

    Returns:
        An HTML document that loads nothing from anywhere. The same arguments give the same text.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("validate", "templates"),
        autoescape=True,
        undefined=jinja2.ChainableUndefined,  # parity may lack a number: its cell is empty
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        giga=giga, megabytes=megabytes, times=times, small=_small, cell=_cell, grouped=_grouped
    )
    parity: Mapping[str, Any] = manifest.parity or {}
    return environment.get_template(TEMPLATE).render(
        manifest=manifest,
        parity=manifest.parity,
        latency=manifest.latency,
        summary=summary_rows(manifest),
        charts=_charts(manifest),
        layers=_layers(manifest, flops),
        totals=decision_totals(parity),
        never_executed=NOT_EXECUTED,
        unchecked=unchecked_precisions(manifest),
        merge_path=merge_path_text,
        best=_best(manifest.latency),
        percent=percent,
        task=_task_rows(parity),
        files=sorted(manifest.files(), key=lambda record: record.file),
        environment=[*_flatten(manifest.environment)],
        preprocess=[*_flatten(manifest.model.preprocess)],
        command=reproduce_command(manifest),
    )


def _charts(manifest: Manifest) -> dict[str, Chart | None]:
    latency: Mapping[str, Any] | None = manifest.latency
    parity: Mapping[str, Any] = manifest.parity or {}
    return {
        "tokens": tokens_chart(manifest.schedule.tokens),
        "speedup": speedup_chart(latency["results"], manifest.flops.bound) if latency else None,
        "margins": margins_chart((parity.get("decisions") or {}).get("layers") or []),
    }


def _layers(manifest: Manifest, flops: FlopsCount | None) -> list[dict[str, Any]]:
    """One row per layer: the schedule, the margin, and FLOPs where they are known."""
    schedule = manifest.schedule
    rows: list[dict[str, Any]] = []
    for layer, merged in enumerate(schedule.num_merged):
        row: dict[str, Any] = {
            "layer": layer,
            "tokens": schedule.tokens[layer],
            "merged": merged,
            "after": schedule.tokens[layer + 1],
            "candidates": schedule.num_candidates[layer] if merged else None,
            "margin": manifest.method.margins[layer] if merged else None,
        }
        if flops is not None:
            row |= {"flops_base": flops.layers_base[layer], "flops_merged": flops.layers_merged[layer]}
        rows.append(row)
    return rows


def _best(latency: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The result with the highest speed-up, for the headline."""
    if not latency:
        return None
    best: Mapping[str, Any] = max(latency["results"], key=lambda result: result["speedup"])
    return best


def _task_rows(parity: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(what, value) of the task-level comparison: cosines, and top-1 agreement of classifiers."""
    rows = [
        (
            f"{record['vector']}: cosine of {record['model']} to {record['against']} PyTorch",
            f"mean {record['mean']:.5f}, lowest {record['minimum']:.5f}",
        )
        for record in parity.get("task") or ()
    ]
    agreement: Mapping[str, float] = parity.get("top1_agreement") or {}
    return rows + [(f"same top-1 class: {name}", f"{share:.1%}") for name, share in agreement.items()]


def _flatten(value: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """(dotted name, value) of a nested JSON object, sorted by name."""
    rows: list[tuple[str, str]] = []
    for name, inner in sorted(value.items()):
        if isinstance(inner, Mapping):
            rows += _flatten(inner, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", inner if isinstance(inner, str) else json.dumps(inner)))
    return rows


def _cell(value: Any) -> str:
    """A number as a table shows it: up to six significant digits, a dash for none."""
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _small(value: Any) -> str:
    """An error or a margin in scientific notation, such as ``1.2e-07``."""
    return f"{value:.1e}" if isinstance(value, int | float) else "\N{EN DASH}"


def _grouped(value: Any) -> str:
    """A count with separators, such as ``12,608``."""
    return f"{value:,}" if isinstance(value, int) else "\N{EN DASH}"
