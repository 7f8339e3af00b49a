"""The three levels of parity: decisions, arithmetic, and the task."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pitome.bundle.parity_records import (
    Arithmetic,
    Decisions,
    LayerDecisions,
    LevelVerdict,
    ParityReport,
)
from pitome.validate.agreement_text import agreement_text
from pitome.validate.report.charts import Chart, decisions_chart, first_differences_chart, margins_chart
from pitome.validate.report.inputs import ReportInput
from pitome.validate.report.reproduce import parity_check_command
from pitome.validate.report.sections.section import Section
from pitome.validate.thresholds import Thresholds


@dataclass(frozen=True)
class PrecisionRow:
    """One runtime or precision whose decisions were compared."""

    runtime: str
    against: str
    judged: bool
    verdict: LevelVerdict
    compared: int
    agreed: int
    excused: int
    excused_by_jumps: int
    unexplained: int
    inputs: int
    throughout: int
    """Inputs that agree in all layers where nothing is forced."""
    lowest: float | None
    """Free-running agreement of the worst layer; None: no layer decides anything."""
    first: LayerDecisions | None
    """The first layer where any input differs with nothing forced."""
    layers: tuple[LayerDecisions, ...]


@dataclass(frozen=True)
class ArithmeticRow:
    """Errors of one output in one precision; those without a limit are not judged."""

    output: str
    precision: str
    runtime: str
    error: float
    rms_error: float
    scale: float
    judged: Arithmetic | None = None
    """None: a precision that no runtime here has."""


@dataclass(frozen=True)
class ParityView:
    """What was found; ``report`` is None where nothing was checked."""

    report: ParityReport | None
    random: bool
    """Whether the weights are."""
    decisions: Chart | None = None
    first_differences: Chart | None = None
    margins: Chart | None = None
    precisions: tuple[PrecisionRow, ...] = ()
    arithmetic: tuple[ArithmeticRow, ...] = ()
    arithmetic_factor: float = 2.0
    layers_within: int = 0
    """Layer norms within their limits."""
    graph: tuple[tuple[str, str], ...] = ()
    """(what a graph holds in another way than the model, why it is no defect; empty where it is one)."""
    task: tuple[tuple[str, str], ...] = ()
    """(what, value): cosines, what was measured of numbers and labels, and top-1 agreement of classifiers."""
    others: tuple[OtherGraph, ...] = ()


@dataclass(frozen=True)
class OtherGraph:
    """A graph that merges nothing, so has no decisions."""

    name: str
    report: ParityReport
    arithmetic: tuple[ArithmeticRow, ...]
    layers_within: int
    graph: tuple[tuple[str, str], ...]
    task: tuple[tuple[str, str], ...]


def parity_view(report: ReportInput) -> ParityView:
    """Always there."""
    found, random = report.parity, report.manifest.model.weights.random
    if found is None:
        return ParityView(None, random)
    limits = Thresholds() if report.validation is None else report.validation.thresholds
    layers = () if found.decisions is None else found.decisions.layers
    never = 0 if found.decisions is None else found.decisions.same_throughout
    return ParityView(
        found,
        random,
        decisions_chart(layers),
        first_differences_chart(layers, never),
        margins_chart(layers),
        precisions=tuple(_precision_row(*each) for each in _compared(found)),
        arithmetic=tuple(_arithmetic_rows(found)),
        arithmetic_factor=limits.arithmetic_factor,
        layers_within=sum(layer.passed for layer in found.layers),
        graph=tuple(_graph_rows(found)),
        task=tuple(_task_rows(found)),
        others=tuple(_other_graph(name, each) for name, each in report.other_parity.items()),
    )


def _other_graph(name: str, found: ParityReport) -> OtherGraph:
    return OtherGraph(
        name,
        found,
        arithmetic=tuple(_arithmetic_rows(found)),
        layers_within=sum(layer.passed for layer in found.layers),
        graph=tuple(_graph_rows(found)),
        task=tuple(_task_rows(found)),
    )


def _compared(parity: ParityReport) -> Iterator[tuple[Decisions, str, bool]]:
    """(decisions, what they are compared with, whether they are judged), the judged ones first."""
    if parity.decisions is not None and parity.decisions.layers:
        yield parity.decisions, "PyTorch fp32", True
    for found in parity.reported_decisions:
        yield found, f"PyTorch {found.runtime.rpartition(' ')[2]}", False
    for reduced in parity.reduced:
        if reduced.decisions is not None:
            yield reduced.decisions, "PyTorch fp32", False


def _precision_row(found: Decisions, against: str, judged: bool) -> PrecisionRow:
    return PrecisionRow(
        runtime=found.runtime,
        against=against,
        judged=judged,
        verdict=found.verdict,
        compared=found.compared,
        agreed=found.agreed,
        excused=found.excused,
        excused_by_jumps=found.excused_by_jumps,
        unexplained=found.unexplained,
        inputs=found.images,
        throughout=found.same_throughout,
        lowest=min((layer.free_running_agreement for layer in found.layers), default=None),
        first=next((layer for layer in found.layers if layer.first_differences), None),
        layers=found.layers,
    )


def _arithmetic_rows(parity: ParityReport) -> Iterator[ArithmeticRow]:
    for found in parity.arithmetic:
        yield ArithmeticRow(
            found.output,
            found.precision,
            found.runtime,
            found.error,
            found.rms_error,
            found.scale,
            judged=found,
        )
    for reduced in parity.reduced:
        for error in reduced.errors:
            yield ArithmeticRow(
                error.output, reduced.precision, "PyTorch", error.error, error.rms_error, error.scale
            )


def _graph_rows(parity: ParityReport) -> Iterator[tuple[str, str]]:
    """On a page that passes, everything that was found is explained: by reading, or by what was measured."""
    measured = "what the graph computes was measured, and every output is within its limits"
    for finding in parity.graph:
        explained = finding.explanation
        if not explained and not finding.decides and parity.verdict == "pass":
            explained = measured
        yield finding.text, explained


def _task_rows(parity: ParityReport) -> Iterator[tuple[str, str]]:
    for found in parity.task:
        yield (
            f"{found.vector}: cosine of {found.model} to {found.against} PyTorch",
            f"mean {found.mean:.5f}, lowest {found.minimum:.5f}",
        )
    for each in parity.agreement:
        yield (
            f"{each.vector}: {each.measure} of {each.model} to {each.against} PyTorch",
            agreement_text(each),
        )
    for name, share in parity.top1_agreement.items():
        yield f"same top-1 class: {name}", f"{share:.1%}"


SECTION = Section("parity", "Parity", "section_parity.html.j2", parity_view, parity_check_command)
