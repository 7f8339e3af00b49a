"""A bundle in a few rows: what the command line prints at the end and the report shows first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from pitome.bundle import FlopsRecord, GraphRecord, Manifest, PlanRecord
from pitome.option import option_text, options_of
from pitome.settings import MergeSettings
from pitome.validate.report.key_figures import conditions_of, deployed, precision_figures, slower_results

if TYPE_CHECKING:
    from pitome.bundle.latency_records import LatencyRecord, LatencyReport
    from pitome.bundle.parity_records import BatchComposition, ParityReport

Tone = Literal["plain", "good", "bad", "warning"]
TIMES = "\N{MULTIPLICATION SIGN}"
NOT_EXECUTED = {
    False: "never executed: built from a checked ONNX file",
    True: "never executed, and neither was the ONNX file it was built from",
}
"""What is known of a plan that did not run, by whether the graph it was built from is unchecked."""
HOST_CODE = "engine_host_code_allowed"
"""The switch of TensorRT's runtime without which it refuses a plan that holds a library."""
STEADY = 0.15
"""Width of a speed-up's interval, relative to it, from which on the measurement is called unsteady."""


def tone_of(verdict: str, not_judged: int = 0) -> Tone:
    """How a verdict is coloured: green is earned, and what was not judged is amber."""
    if verdict == "fail":
        return "bad"
    return "warning" if verdict == "not judged" or not_judged else "good"


@dataclass(frozen=True)
class SummaryRow:
    """One line of the summary; ``tone`` is how a screen may colour it."""

    label: str
    value: str
    tone: Tone = "plain"


def summary_rows(manifest: Manifest) -> list[SummaryRow]:
    """The summary of a bundle, from its manifest alone."""
    return rows_of(manifest, manifest.parity, manifest.other_parity, manifest.latency)


def rows_of(
    manifest: Manifest,
    parity: ParityReport | None,
    other_parity: Mapping[str, ParityReport],
    latency: LatencyReport | None,
) -> list[SummaryRow]:
    """The summary of a bundle, with what a validation found in place of what the build did.

    Args:
        manifest: of the bundle.
        parity: of its merged graph.
        other_parity: of its other graphs, by name.
        latency: of its merged graph.
    """
    merged = manifest.merged_graph
    rows = [_model_row(manifest), _method_row(manifest), _tokens_row(manifest), *_flops_rows(manifest)]
    rows += _parity_rows(parity, _of_graph(manifest, merged.name))
    for name, found in other_parity.items():
        rows += _parity_rows(found, _of_graph(manifest, name))
    rows += _latency_rows(latency, merges=any(manifest.schedule.num_merged))
    rows.append(SummaryRow("Deployed", "{}: {}".format(*deployed(manifest))))
    for graph in manifest.graphs:
        of_graph = parity if graph == merged else other_parity.get(graph.name)
        rows += (_plan_row(manifest, graph, plan, of_graph) for plan in graph.plans)
    rows += _operator_library_rows(manifest)
    rows += _checkpoint_rows(manifest)
    for graph in manifest.graphs:
        for onnx in graph.own_files:
            size = onnx.bytes + sum(data.bytes for data in onnx.external_data)
            label = f"ONNX {onnx.precision}{_of_graph(manifest, graph.name)}"
            rows.append(SummaryRow(label, f"{onnx.file}, {megabytes(size)}"))
    return rows


def _of_graph(manifest: Manifest, name: str) -> str:
    """Behind a label: which graph it is of, where there are several."""
    return f", {name} graph" if manifest.model.system is not None else ""


def _flops_rows(manifest: Manifest) -> Iterator[SummaryRow]:
    """Of the whole model, and where it has several graphs of each, with which of them is merged."""
    yield SummaryRow("FLOPs per input", _flops_text(manifest.flops))
    for graph in manifest.graphs if manifest.model.system is not None else ():
        told = _flops_text(graph.flops) if graph.merges else f"{giga(graph.flops.base)} multiply-adds"
        state = "merged" if graph.merges else "not merged"
        yield SummaryRow(f"FLOPs{_of_graph(manifest, graph.name)}", f"{told}, {state}")


def _flops_text(flops: FlopsRecord) -> str:
    return (
        f"{giga(flops.base)} to {giga(flops.merged)} multiply-adds "
        f"({flops.ratio:.3f} of the base model, bound {times(flops.bound)})"
    )


def _parity_rows(parity: ParityReport | None, of_graph: str) -> Iterator[SummaryRow]:
    rows = [_parity_row(parity), *_precision_rows(parity)]
    if parity is not None:
        rows += _batching_rows(parity.batching)
        rows += _unchecked_rows(parity)
    return (replace(row, label=row.label + of_graph) for row in rows)


def _plan_row(
    manifest: Manifest, graph: GraphRecord, plan: PlanRecord, parity: ParityReport | None
) -> SummaryRow:
    """A row is named by all that tells plans apart: two bundles are compared by these names."""
    return SummaryRow(
        f"Plan {plan.precision} {plan.backend} {plan.merge_path}{_of_graph(manifest, graph.name)}",
        f"{plan.file}, {megabytes(plan.bytes)}, {plan.backend} {plan.backend_version}, "
        f"{', '.join(plan.targets)}, batch {'/'.join(map(str, plan.profile))}, "
        f"{merge_path_text(manifest, plan)} ({plan_status(plan, parity)})",
    )


def _checkpoint_rows(manifest: Manifest) -> list[SummaryRow]:
    """What lies in the bundle of the checkpoint's files, and under which licence the model is said to be."""
    roles = [asset.role for asset in manifest.assets if asset.role != "bom"]
    if not roles:
        return []
    shown = ("processor", "tokenizer", "sentence", "config")
    told = [f"{roles.count(role)} {role}" for role in shown if role in roles]
    if manifest.model.num_labels is not None:
        told.append(f"{manifest.model.num_labels:,} labels")
    card = manifest.model.card
    named = None if card is None else card.license_name or card.license
    terms = [named] if named else []
    terms += [asset.file for asset in manifest.assets if asset.role == "license"]
    return [
        SummaryRow("Checkpoint's files", ", ".join(told) or "none"),
        SummaryRow("Licence", ", ".join(terms) or "not stated by the checkpoint"),
    ]


def _operator_library_rows(manifest: Manifest) -> list[SummaryRow]:
    if manifest.native_left_out is not None:
        return [SummaryRow("Operator library", f"none: {manifest.native_left_out}", "warning")]
    return [
        SummaryRow(
            "Operator library", f"{library.file}, version {library.version}, for onnxruntime on the CPU"
        )
        for library in manifest.native
        if library.kind == "onnxruntime"
    ]


def plan_status(plan: PlanRecord, parity: ParityReport | None) -> str:
    """Whether a plan was executed, and else what is known of the graph it was built from.

    Args:
        plan: one of a graph.
        parity: of that graph.
    """
    if plan.executed:
        return "executed"
    # Where parity was not checked, no runtime ran any graph.
    unchecked = parity is None or plan.precision in parity.unchecked
    return NOT_EXECUTED[unchecked]


def merge_path_text(manifest: Manifest, plan: PlanRecord) -> str:
    """What computes the merges of a plan, and where its plugin is."""
    if plan.merge_path != "plugin":
        return {"function": "merges by standard operators", "none": "no merges"}[plan.merge_path]
    assert manifest.plugin is not None  # the schema sees to it
    where = f"embedded, needs {HOST_CODE}" if plan.plugin_embedded else "not embedded"
    return f"merges by plugin {manifest.plugin.version}, {where}"


def times(value: float) -> str:
    """A speed-up, such as ``1.66x`` with a multiplication sign."""
    return f"{value:.2f}{TIMES}"


def giga(value: float) -> str:
    """A count with a decimal prefix and three significant digits, such as ``17.6 G``."""
    for prefix, scale in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= scale:
            return f"{_three_digits(value / scale)} {prefix}"
    return f"{value:g}"


def megabytes(count: int) -> str:
    """A file's size in decimal units, such as ``198 MB``."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{_three_digits(count / scale)} {unit}"
    return f"{count} bytes"


def percent(part: float, whole: float) -> str:
    """A share that never rounds up to 100 %: one wrong in a million must show."""
    if not whole:
        return "none"
    share = math.floor(1e4 * part / whole) / 100
    return "100 %" if share == 100 else f"{share:.2f} %"


def _three_digits(value: float) -> str:
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"


def _model_row(manifest: Manifest) -> SummaryRow:
    weights = manifest.model.weights
    if weights.random:
        return SummaryRow("Model", f"{manifest.model.name}, random weights (seed {weights.seed})", "warning")
    revision = f" at {weights.revision[:12]}" if weights.revision else ""
    return SummaryRow("Model", f"{manifest.model.name}, weights from {weights.source}{revision}")


def _method_row(manifest: Manifest) -> SummaryRow:
    settings = manifest.method.settings
    if not any(manifest.schedule.num_merged):
        return SummaryRow("Method", f"{settings.method}: nothing is merged")
    attention = ", proportional attention" if settings.proportional_attention else ""
    orders = " and ".join(dict.fromkeys(each.order for each in manifest.method.layers if each))
    if not orders:
        return SummaryRow("Method", f"{settings.method} pairs (seed {settings.seed}){attention}")
    told = [
        " ".join(option_text(name, described, getattr(settings, name))).replace("_", " ")
        for name, described in options_of(MergeSettings).items()
        if described.plural and name != "method" and getattr(settings, name) is not None
    ]
    return SummaryRow("Method", f"{settings.method}: {orders} order, {', '.join(told)}{attention}")


def _tokens_row(manifest: Manifest) -> SummaryRow:
    of_graph = _of_graph(manifest, manifest.merged_graph.name)
    return SummaryRow("Tokens per layer", " ".join(map(str, manifest.schedule.tokens)) + of_graph)


def _parity_row(parity: ParityReport | None) -> SummaryRow:
    if parity is None:
        return SummaryRow("Parity", "not checked", "warning")
    reason = f" ({parity.reason})" if parity.reason else ""
    value, found = f"{parity.verdict}{reason}", parity.decisions
    if found is not None and found.compared:
        told = f"{found.agreed:,} of {found.compared:,} decisions agree in fp32"
        if found.excused:
            told += f", {found.excused:,} differ within rounding"
        if found.excused_by_jumps:
            told += f" ({found.excused_by_jumps:,} only by the energy's jump)"
        if found.unexplained:
            told += f", {found.unexplained:,} differ without an excuse"
        value = f"{parity.verdict}: {told}{reason}"
    return SummaryRow("Parity", value, "good" if parity.verdict == "pass" else "bad")


def _batching_rows(batching: BatchComposition | None) -> list[SummaryRow]:
    """Of texts."""
    if batching is None:
        return []
    texts, difference = batching.texts, batching.largest_difference
    found = f"{texts} texts in a batch and alone: "
    found += (
        "none with the same decisions"
        if difference is None
        else f"results differ by {difference:.2g} of the largest output at most"
    )
    if batching.excused:
        found += f", {batching.excused} of {texts} in a decision within rounding"
    if batching.excused_by_jumps:
        found += f" ({batching.excused_by_jumps} only by the energy's jump)"
    if batching.unexplained:
        found += f", {batching.unexplained} of {texts} in a decision without an excuse"
    return [SummaryRow("Batch composition", found, "bad" if batching.unexplained else "plain")]


def _unchecked_rows(parity: ParityReport) -> list[SummaryRow]:
    return [
        SummaryRow(
            f"Parity of {precision}",
            f"not checked: onnxruntime has no {precision} kernels on a CPU, so the graph was not run",
            "warning",
        )
        for precision in parity.unchecked
    ]


def _precision_rows(parity: ParityReport | None) -> list[SummaryRow]:
    """fp32's cosine, and what other precisions decide by themselves, which is reported and not judged."""
    rows = []
    for found in precision_figures(parity):
        if not found.judged and found.compared:
            told = f"{found.decisions_told} with PyTorch in {found.precision} ({found.runtime}; not judged)"
            rows.append(SummaryRow(f"Decisions, {found.precision}", told))
        if found.to_merged is not None or found.agreement:
            rows.append(SummaryRow(f"Outputs, {found.precision}", f"{found.cosines_told} ({found.runtime})"))
    return rows


def _latency_rows(latency: LatencyReport | None, merges: bool) -> list[SummaryRow]:
    if latency is None:
        return [SummaryRow("Speed-up", "not measured", "warning")]
    rows, slower = [], slower_results(latency) if merges else ()
    for result in latency.results:
        low, high = result.speedup_interval
        unsteady = _unsteady(result)
        value = (
            f"{times(result.speedup)} ({low:.2f} to {high:.2f}), bound {times(result.bound)}, "
            f"{conditions_of(latency)}"
        )
        value += f", {latency.graph} graph" if latency.graph else ""
        value += "; slower than not merging" if result in slower else ""
        value += f"; unsteady, {unsteady}: `pitome bench BUNDLE --record`" if unsteady else ""
        tone: Tone = "warning" if unsteady or result in slower else "plain"
        rows.append(SummaryRow(f"Speed-up, batch {result.batch}", value, tone))
    return rows


def _unsteady(result: LatencyRecord) -> str | None:
    """Why a speed-up should be measured again, where it should."""
    if result.steady is False:
        return str(result.steady_reason)
    low, high = result.speedup_interval
    return "the machine was busy" if high - low > STEADY * result.speedup else None
