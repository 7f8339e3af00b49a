"""report.html: one self-contained page that shows what a bundle is and how it was checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from pitome.bundle.manifest import Manifest
from pitome.validate.evaluate.merge_maps import MergeMaps
from pitome.validate.report.charts import (
    Chart,
    contestants_chart,
    decisions_chart,
    first_differences_chart,
    margins_chart,
    spectrum_chart,
    speedup_chart,
    throughput_chart,
    tokens_chart,
)
from pitome.validate.report.charts.style import DARK, LIGHT, colour_properties
from pitome.validate.report.parity import arithmetic_rows, precision_rows
from pitome.validate.report.reproduce import reproduce_command, section_commands
from pitome.validate.report.sections import accuracy_tasks, sweep_tasks, text_maps
from pitome.validate.report.summary import (
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
from pitome.validate.report.validation import flat_rows, skipped_reasons, validation_view

if TYPE_CHECKING:
    from pitome.flops import FlopsCount

TEMPLATE = "report.html.j2"
Section = Mapping[str, Any] | BaseModel
"""A record, or the same as JSON."""


def render_report(
    manifest: Manifest,
    flops: FlopsCount | None = None,
    *,
    accuracy: Sequence[Section] | None = None,
    sweep: Sequence[Section] | None = None,
    spectrum: Section | None = None,
    merge_maps: Section | None = None,
    latency: Section | None = None,
    validation: Mapping[str, Any] | None = None,
    commands: Mapping[str, str] | None = None,
) -> str:
    """The report of a bundle. Whatever is missing, its section says what to run to get it.

    Args:
        manifest: the bundle's manifest; ``parity`` and ``latency`` may be missing.
        flops: the count per layer, which the manifest only has as a sum; without it the table of layers
            has no FLOPs.
        accuracy: `validate.evaluate.accuracy.AccuracyReport`, one per task; as JSON also with ``padding``, a
            `pitome.validate.evaluate.padding.PaddingRecord`.
        sweep: records of a sweep of this model (`validate.sweep.records.AnyRecord`), those that failed too.
        spectrum: `pitome.validate.evaluate.spectrum.SpectrumReport`.
        merge_maps: `pitome.validate.evaluate.merge_maps.MergeMaps`.
        latency: `pitome.validate.bench.records.LatencyReport` in place of the manifest's.
        validation: what `pitome validate` prints as JSON: verdict, sections, thresholds, what was skipped,
            and its environment. Without it the page is that of a build.
        commands: what made a section's numbers, by the names of `reproduce.section_commands`, whose
            commands stand where none is given.

    Returns:
        An HTML document that loads nothing from anywhere. The same arguments give the same text.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pitome.validate.report", "templates"),
        autoescape=True,
        undefined=jinja2.ChainableUndefined,  # parity may lack a number: its cell is empty
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        giga=giga, megabytes=megabytes, times=times, small=_small, cell=_cell, grouped=_grouped
    )
    parity: Mapping[str, Any] = _json(manifest.parity) or {}
    measured = _json(manifest.latency if latency is None else latency)
    environment_rows = {"command": manifest.build.command, **manifest.environment.model_dump()}
    spectra = _json(spectrum)
    maps = None if merge_maps is None else MergeMaps.model_validate(_json(merge_maps)).model_dump()
    return environment.get_template(TEMPLATE).render(
        manifest=manifest,
        parity=_json(manifest.parity),
        latency=measured,
        validation=None if validation is None else validation_view(validation, environment_rows),
        reasons=skipped_reasons((validation or {}).get("skipped") or ()),
        factor=((validation or {}).get("thresholds") or {}).get("arithmetic_factor", 2.0),
        precisions=precision_rows(parity),
        arithmetic=arithmetic_rows(parity),
        summary=summary_rows(manifest),
        charts=_charts(manifest, measured, spectra),
        layers=_layers(manifest, flops),
        totals=decision_totals(parity),
        never_executed=NOT_EXECUTED,
        unchecked=unchecked_precisions(manifest),
        merge_path=merge_path_text,
        best=_best(measured),
        percent=percent,
        task=_task_rows(parity),
        accuracy=accuracy_tasks([_json(report) or {} for report in accuracy or ()]),
        sweep=sweep_tasks([_json(record) or {} for record in sweep or ()]),
        spectrum=spectra,
        maps=maps and {"images": maps["images"], "texts": text_maps(maps["texts"])},
        files=sorted(manifest.files(), key=lambda record: record.file),
        environment=flat_rows(environment_rows),
        preprocess=flat_rows(manifest.model.preprocess.model_dump(mode="json")),
        command=reproduce_command(manifest),
        commands=section_commands(manifest) | dict(commands or {}),
        light=colour_properties(LIGHT),
        dark=colour_properties(DARK),
    )


def _json(value: Section | None) -> Mapping[str, Any] | None:
    """A record as plain JSON."""
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def _charts(
    manifest: Manifest, latency: Mapping[str, Any] | None, spectrum: Mapping[str, Any] | None
) -> dict[str, Chart | None]:
    decisions: Mapping[str, Any] = (_json(manifest.parity) or {}).get("decisions") or {}
    layers = decisions.get("layers") or []
    comparison = (latency or {}).get("comparison") or []
    return {
        "tokens": tokens_chart(manifest.schedule.tokens),
        "speedup": speedup_chart(latency["results"], manifest.flops.bound) if latency else None,
        "contestants": contestants_chart(comparison),
        "throughput": throughput_chart(comparison),
        "decisions": decisions_chart(layers),
        "first_differences": first_differences_chart(layers, decisions.get("same_throughout") or 0),
        "margins": margins_chart(layers),
        "spectrum": spectrum_chart(spectrum["methods"]) if spectrum else None,
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


def _cell(value: Any) -> str:
    """A number as a table shows it: up to six significant digits, a dash for none."""
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _small(value: Any) -> str:
    """An error or a margin in scientific notation, such as ``1.2e-07``."""
    if not isinstance(value, int | float):
        return "\N{EN DASH}"
    return f"{value:.1e}" if value else "0"


def _grouped(value: Any) -> str:
    """A count with separators, such as ``12,608``."""
    return f"{value:,}" if isinstance(value, int) else "\N{EN DASH}"
