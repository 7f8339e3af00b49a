"""The few numbers that a bundle is known by, and what they are numbers of: precision, runtime, batch.

Parity judges fp32. What is deployed may be another precision, whose own decisions and cosine stand beside.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pitome.bundle import Manifest, ParityReport
from pitome.bundle.latency_records import LatencyRecord, LatencyReport
from pitome.bundle.parity_records import Decisions


@dataclass(frozen=True)
class PrecisionFigures:
    """What parity found of one precision; None: nothing."""

    precision: str
    runtime: str
    """What ran in it: onnxruntime, or PyTorch where nothing here has kernels for it."""
    judged: bool
    agreed: int | None = None
    """Merge decisions, of ``compared``."""
    compared: int | None = None
    to_merged: float | None = None
    """Lowest mean cosine of the task's vectors to the merged model in PyTorch in fp32."""
    to_unmerged: float | None = None
    agreement: tuple[tuple[str, float | None], ...] = ()
    """(what, value or None where it is not defined) of numbers or several labels, to the unmerged model."""

    @property
    def decisions_told(self) -> str:
        """How many agree."""
        if not self.compared:
            return "no decisions to compare"
        return f"{self.agreed:,} of {self.compared:,} decisions agree"

    @property
    def cosines_told(self) -> str:
        """Cosine to both models, and what is measured of numbers and labels."""
        told = [
            f"{_cosine(value)} to the {name} model"
            for name, value in (("merged", self.to_merged), ("unmerged", self.to_unmerged))
            if value is not None
        ]
        cosine = [f"cosine {', '.join(told)}"] if told else []
        other = [
            f"{what} {'not defined' if value is None else f'{value:.3g}'} to the unmerged model"
            for what, value in self.agreement
        ]
        return ", ".join([*cosine, *other]) or "no cosine"


def precision_figures(parity: ParityReport | None) -> tuple[PrecisionFigures, ...]:
    """One for each precision that was run, fp32 first."""
    if parity is None:
        return ()
    decisions = [each for each in (parity.decisions, *parity.reported_decisions) if each is not None]
    decisions += [found.decisions for found in parity.reduced if found.decisions is not None]
    names = dict.fromkeys(found.runtime for found in decisions)
    names |= dict.fromkeys(found.model for found in parity.task)
    names |= dict.fromkeys(found.model for found in parity.agreement)
    ordered = sorted(names, key=lambda name: _precision(name) != "fp32")
    return tuple(_figures(name, parity, decisions) for name in ordered)


def _figures(name: str, parity: ParityReport, decisions: Iterable[Decisions]) -> PrecisionFigures:
    found = next((each for each in decisions if each.runtime == name), None)
    means = {
        against: min(
            (each.mean for each in parity.task if (each.model, each.against) == (name, against)), default=None
        )
        for against in ("merged", "unmerged")
    }
    return PrecisionFigures(
        precision=_precision(name),
        runtime=name.rpartition(" ")[0],
        judged=_precision(name) == "fp32",
        agreed=None if found is None else found.agreed,
        compared=None if found is None else found.compared,
        to_merged=means["merged"],
        to_unmerged=means["unmerged"],
        agreement=tuple(
            (each.measure, each.value)
            for each in parity.agreement
            if (each.model, each.against) == (name, "unmerged")
        ),
    )


def _precision(name: str) -> str:
    """Of a runtime's name, such as "onnxruntime fp16"."""
    return name.rpartition(" ")[2]


def _cosine(value: float) -> str:
    """Five digits, and never 1 where it is not."""
    return f"{min(value, 0.99999) if value < 1 else value:.5f}"


def measured_on(latency: LatencyReport, result: LatencyRecord) -> str:
    """What a speed-up is a number of: the graph of fp32, whatever is deployed, or a plan on a GPU."""
    return f"{conditions_of(latency)}, batch {result.batch}"


def conditions_of(latency: LatencyReport) -> str:
    """Such as ``fp32, onnxruntime CPU, 2 threads``."""
    if latency.plan is not None:
        return f"{latency.plan.precision}, {device_of(latency)}"
    return f"fp32, {device_of(latency)}, {latency.threads} threads"


def device_of(latency: LatencyReport) -> str:
    """Such as ``onnxruntime CPU``, or ``TensorRT 10.14.1.48 on NVIDIA L4``."""
    if latency.plan is not None:
        return f"{latency.provider} {latency.plan.version} on {latency.plan.gpu}"
    return f"onnxruntime {latency.provider.removesuffix('ExecutionProvider') or latency.provider}"


def slower_results(latency: LatencyReport | None) -> tuple[LatencyRecord, ...]:
    """Where the merged model surely is slower than the unmerged one: the whole interval is below 1."""
    results = () if latency is None else latency.results
    return tuple(result for result in results if result.speedup_interval[1] < 1)


def slower_warning(manifest: Manifest, latency: LatencyReport | None) -> str | None:
    """What a build warns of, in a sentence; None where merging pays, or nothing is merged."""
    slower = slower_results(latency) if any(manifest.schedule.num_merged) else ()
    if latency is None or not slower:
        return None
    told = " and ".join(
        f"{result.speedup:.2f} times as fast ({result.speedup_interval[0]:.2f} to "
        f"{result.speedup_interval[1]:.2f}) at batch {result.batch}"
        for result in slower
    )
    return (
        f"merging is slower than not merging here: {told}, in "
        f"{'fp32' if latency.plan is None else latency.plan.precision} on {device_of(latency)}; "
        "merge more, use the operator library (`make native`), or METHOD=none"
    )


def deployed(manifest: Manifest) -> tuple[str, str]:
    """(precision, how): what a user runs, which need not be what was measured."""
    if not manifest.plans:
        return manifest.precision, "the ONNX graph; the bundle holds no plan"
    executed = sum(plan.executed for plan in manifest.plans)
    count = len(manifest.plans)
    plans = "1 plan" if count == 1 else f"{count} plans"
    ran = "executed" if executed == count else "never executed" if not executed else f"{executed} executed"
    precisions = dict.fromkeys(plan.precision for plan in manifest.plans)
    return ", ".join(precisions), f"{plans}, {ran}"
