"""What a bundle must meet: limits in a file that the user can edit, and the verdict under them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pitome.bundle.parity_records import LevelVerdict
from pitome.errors import InputError
from pitome.strict_toml import NoTomlError, UnusableFileError, read_strict_toml
from pitome.validate.agreement_limits import judge_agreement
from pitome.validate.overflow_text import overflow_text
from pitome.validate.own_data_limits import OwnDataLimits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pitome.validate.parity.records import (
        Arithmetic,
        BatchComposition,
        Decisions,
        LayerArithmetic,
        LayerDecisions,
        MetricArithmetic,
        ParityReport,
    )

_BLOCK = re.compile(r"\blayers?\.(\d+)\.")
PASSED = "every decision agrees or is within rounding, and the arithmetic is as exact as PyTorch's"


class _Limits(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class MinCosine(_Limits):
    """Lowest mean cosine of the task's vectors to the merged float32 model in PyTorch, by precision."""

    fp32: float | None = Field(default=0.99, ge=-1, le=1)
    fp16: float | None = Field(default=None, ge=-1, le=1)
    bf16: float | None = Field(default=None, ge=-1, le=1)


class Thresholds(_Limits):
    """The limits; None is none."""

    max_unexplained_decisions: int = Field(default=0, ge=0)
    max_share_excused_by_jumps: float = Field(default=0.05, ge=0, le=1)
    """Of all decisions; above it they are not judged. Measured with eq4 on fashion-vit and minilm-l6: 0 of
    512 in float32, 28 of 176 in half precision, whose rounding puts many pairs on either side of a margin."""
    arithmetic_factor: float = Field(default=2.0, ge=1)
    rms_factor: float = Field(default=2.0, ge=1)
    fp32_relative_limit: float = Field(default=1e-5, gt=0)
    min_free_running_agreement: float | None = Field(default=None, ge=0, le=1)
    min_top1_agreement: float | None = Field(default=None, ge=0, le=1)
    max_relative_error: float | None = Field(default=None, ge=0)
    """Of answers that are numbers; as the two below, the worst number or label against the merged model."""
    min_correlation: float | None = Field(default=None, ge=-1, le=1)
    min_label_agreement: float | None = Field(default=None, ge=0, le=1)
    min_speedup: float = Field(default=1.0, ge=0)
    """Over the unmerged model, at the batch size that the bundle was built for; 0: no limit. Where the file
    does not set it, it holds for bundles with a latency."""
    min_share_of_bound: float | None = Field(default=None, ge=0)
    min_cosine: MinCosine = MinCosine()
    max_accuracy_drop: dict[str, float] = Field(default_factory=dict)
    """Points by task; tasks that are not named have no limit."""
    own_data: OwnDataLimits = OwnDataLimits()

    @property
    def sets_speedup(self) -> bool:
        """Whether a file set a limit of the speed-up, be it the usual one: then one must be measured."""
        return "min_speedup" in self.model_fields_set and self.min_speedup > 0

    @classmethod
    def load(cls, path: Path) -> Thresholds:
        """Read a TOML file; what it leaves out keeps its default.

        Raises:
            InputError: no such file, not TOML, an unknown key, a wrong type or a value out of range.
        """
        asked, remedy = f"the thresholds in {path}", "Give a TOML file such as docs/thresholds.toml"
        try:
            content = read_strict_toml(path)
        except OSError as error:
            raise InputError(asked, f"the file can't be read ({error.strerror})", remedy) from error
        except UnusableFileError as error:
            raise InputError(asked, f"the file {error}", remedy) from None
        except NoTomlError as error:
            raise InputError(asked, f"it is not TOML: {error}", "Correct that line") from None
        except ValueError as error:
            raise InputError(asked, str(error), "Correct it, or delete the line for the default") from None
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise _refusal(path, error) from error


@dataclass(frozen=True)
class Verdict:
    """Did it meet its limits?"""

    verdict: LevelVerdict
    reason: str
    failures: tuple[str, ...] = ()
    """Everything that failed, the cause first."""


def decisions_verdict(decisions: Decisions, thresholds: Thresholds) -> LevelVerdict:
    """Of level 1. Wrong is wrong whatever jumps excuse; where they excuse too much, nothing is right."""
    if decisions.unexplained > thresholds.max_unexplained_decisions:
        return "fail"
    return "not judged" if why_not_judged(decisions, thresholds) else "pass"


def why_not_judged(decisions: Decisions | None, thresholds: Thresholds) -> str | None:
    """Why the decisions can't be judged, in a sentence, where they can't."""
    limit = thresholds.max_share_excused_by_jumps
    if decisions is None or decisions.share_excused_by_jumps <= limit:
        return None
    return (
        f"the merge decisions are not judged: nothing but the jump of the energy at its margin excuses "
        f"{decisions.excused_by_jumps} of {decisions.compared}, where a share of {limit:g} is allowed"
    )


def judge(report: ParityReport, thresholds: Thresholds) -> Verdict:
    """The verdict on a parity report that was made with the same thresholds.

    What the graph holds in another way than the model is the cause, so it is named first; then what was
    measured, in the order in which it arises. That is the neighbours in a batch where they change a result,
    because what was measured in batches is wrong then for no other reason. A precision that can't hold the
    numbers comes before all.
    """
    overflows = [overflow_text(found) for found in report.overflows]
    if overflows:  # nothing that was measured in that precision means anything
        return Verdict("fail", overflows[0], tuple(overflows))
    causes = [finding.text for finding in report.graph if finding.decides]
    measured = [
        *_judge_batching(report.batching, thresholds),
        *judge_levels(report.decisions, report.arithmetic, report.layers, report.metrics, thresholds),
        *_judge_task(report, thresholds),
    ]
    failures = (*causes, *measured)
    if not failures:
        unknown = why_not_judged(report.decisions, thresholds)
        return Verdict("not judged", unknown) if unknown else Verdict("pass", PASSED)
    if not causes:
        hints = [f" ({finding.text})" for finding in report.graph if not finding.explanation]
        return Verdict("fail", measured[0] + "".join(hints[:1]), failures)
    more = f"; and {len(causes) - 2} more such differences" if len(causes) > 2 else ""
    found = f"; measured: {measured[0]}" if measured else "; nothing that was measured shows it"
    return Verdict("fail", "; ".join(causes[:2]) + more + found, failures)


def judge_levels(
    decisions: Decisions | None,
    arithmetic: Sequence[Arithmetic],
    layers: Sequence[LayerArithmetic],
    metrics: Sequence[MetricArithmetic],
    thresholds: Thresholds,
) -> list[str]:
    """What fails in levels 1 and 2, in the order in which it arises.

    What a merge decides on is judged in every precision, also where its decision is not.
    """
    of_decisions, of_layers = (
        list(_judge_decisions(decisions, metrics, thresholds)),
        list(_judge_layers(layers)),
    )
    of_metrics = list(_judge_metrics(metrics))
    failures = of_decisions + of_layers
    wrong = _first_wrong_decision(decisions)
    if wrong is not None and any(
        record.layer == wrong.layer and not record.passed for record in _fp32(metrics)
    ):
        failures = of_layers + of_decisions  # the merge decides on wrong numbers, so they come first
    return failures + of_metrics + [_describe(record) for record in arithmetic if not record.passed]


def judge_accuracy_drop(task: str, points: float, thresholds: Thresholds) -> Verdict:
    """Does a task lose at most what it may? ``points``: unmerged less merged, in percentage points."""
    limit = thresholds.max_accuracy_drop.get(task)
    if limit is None:
        return Verdict("not judged", f"{task} loses {points:.2f} points, and has no limit")
    if not points <= limit:
        reason = f"{task} loses {points:.2f} points, where {limit:g} are allowed"
        return Verdict("fail", reason, (reason,))
    return Verdict("pass", f"{task} loses {points:.2f} points of {limit:g}")


def _first_wrong_decision(decisions: Decisions | None) -> LayerDecisions | None:
    return next((layer for layer in decisions.layers if layer.unexplained), None) if decisions else None


def _fp32(metrics: Sequence[MetricArithmetic]) -> list[MetricArithmetic]:
    return [record for record in metrics if record.precision == "fp32"]


def _judge_decisions(
    decisions: Decisions | None, metrics: Sequence[MetricArithmetic], thresholds: Thresholds
) -> Iterator[str]:
    first = _first_wrong_decision(decisions)
    if decisions is None:
        return
    if first is not None and decisions.unexplained > thresholds.max_unexplained_decisions:
        text = (
            f"{decisions.unexplained} merge decisions differ from PyTorch's by more than rounding, "
            f"the first of them in layer {first.layer} ({first.unexplained} of {first.compared} inputs)"
        )
        for metric in _fp32(metrics):
            if metric.layer == first.layer and metric.passed:
                text += ", which decides on the right numbers"
            elif metric.layer == first.layer:
                text += f", which decides on numbers that are off by {metric.error:.3g} (root mean square), "
                text += f"where {metric.limit:.3g} is allowed"
        yield text
    wanted = thresholds.min_free_running_agreement
    for layer in decisions.layers if wanted is not None else ():
        if wanted is not None and layer.free_running_agreement < wanted:
            yield (
                f"{layer.free_running_agreement:.3f} of the inputs have PyTorch's groups in layer "
                f"{layer.layer} where nothing is forced, and {wanted:g} are wanted"
            )
            return


def _judge_metrics(metrics: Sequence[MetricArithmetic]) -> Iterator[str]:
    """One sentence for each precision in which merges decide on wrong numbers."""
    wrong: dict[str, list[MetricArithmetic]] = {}
    for record in metrics:
        if not record.passed:
            wrong.setdefault(record.precision, []).append(record)
    for precision, (first, *others) in wrong.items():
        layers = "layers" if len(others) > 1 else "layer"
        also = f"; in {layers} {', '.join(str(record.layer) for record in others)} they are off too"
        yield (
            f"in {precision} the numbers that the merge in layer {first.layer} decides on are off by "
            f"{first.error:.3g} from float64 with the same decisions (root mean square), where "
            f"{first.limit:.3g} is allowed (PyTorch's own error is {first.torch_error:.3g})"
            + (also if others else "")
        )


def _judge_batching(batching: BatchComposition | None, thresholds: Thresholds) -> Iterator[str]:
    """Does a text's result depend on its neighbours in a batch, beyond rounding?"""
    if batching is None:
        return
    if batching.unexplained:
        yield (
            f"{batching.unexplained} of {batching.texts} texts merge other tokens in a batch than alone, by "
            f"more than rounding, first in layer {batching.first_unexplained_layer}"
        )
    difference, limit = batching.largest_difference, thresholds.fp32_relative_limit
    if difference is not None and not difference <= limit:
        yield (
            f"a text's neighbours in a batch change its result by {difference:.3g} of the largest output "
            f"with the same decisions, where {limit:.3g} is allowed"
        )


def _judge_layers(layers: Sequence[LayerArithmetic]) -> Iterator[str]:
    """The first place of each precision where the arithmetic leaves the rule."""
    before: dict[str, LayerArithmetic] = {}
    done: set[str] = set()
    for record in layers:
        if not record.passed and record.precision not in done:
            done.add(record.precision)
            yield _describe_place(record, before.get(record.precision))
        before[record.precision] = record


def _describe_place(record: LayerArithmetic, before: LayerArithmetic | None) -> str:
    where = "" if record.layer is None else f"layer {record.layer}, "
    if record.error <= record.limit:
        return (
            f"the arithmetic in {record.precision} first goes wrong in {where}the layer norm {record.norm}: "
            f"on its own input it is off by {record.norm_error:.3g} from float64 (root mean square), where "
            f"{record.norm_limit:.3g} is allowed"
        )
    came_from = f"behind {before.norm}" if before is not None else "in the embeddings"
    if record.between:
        found = _BLOCK.search(record.between[-1])
        came_from += f" ({_short(record.between)})"
        came_from = f"in layer {found[1]}, {came_from}" if found else came_from
    return (
        f"the arithmetic in {record.precision} first goes wrong {came_from}: in front of {record.norm} "
        f"it is off by {record.error:.3g} from float64 with the same decisions (root mean square), where "
        f"{record.limit:.3g} is allowed (PyTorch's own error is {record.torch_error:.3g})"
    )


def _short(names: Sequence[str]) -> str:
    """Names that share a block, said once: "layers.2.mlp.fc1, fc2"."""
    head = names[0].rpartition(".")[0]
    return ", ".join(
        name.rpartition(".")[2] if index and name.rpartition(".")[0] == head else name
        for index, name in enumerate(names)
    )


def _describe(record: Arithmetic) -> str:
    if not record.error <= record.limit:
        what = f"{record.error:.3g} from float64 with the same decisions, where {record.limit:.3g} is allowed"
    elif not record.rms_error <= record.rms_limit:
        what = (
            f"{record.rms_error:.3g} (root mean square) from float64 with the same decisions, where "
            f"{record.rms_limit:.3g} is allowed"
        )
    else:
        what = "more than is allowed from PyTorch"
    return (
        f"{record.output} in {record.precision} is off by {what} (PyTorch's own error is "
        f"{record.torch_error:.3g}), and by {record.difference_to_torch:.3g} of the largest output from "
        f"PyTorch"
    )


def _judge_task(report: ParityReport, thresholds: Thresholds) -> Iterator[str]:
    limits = thresholds.min_cosine.model_dump()
    for cosine in report.task:
        limit = limits.get(cosine.model.rpartition(" ")[2])
        if cosine.against == "merged" and limit is not None and not cosine.mean >= limit:
            yield (
                f"{cosine.vector} of {cosine.model} has a mean cosine of {cosine.mean:.5f} to the merged "
                f"model in PyTorch, where {limit:g} is wanted"
            )
    yield from judge_agreement(report, thresholds)
    wanted = thresholds.min_top1_agreement
    for name, share in report.top1_agreement.items():
        if wanted is not None and name.endswith("against merged") and not share >= wanted:
            yield f"the best class is the same for {share:.3f} of the inputs ({name}), not {wanted:g}"


def _refusal(path: Path, error: ValidationError) -> InputError:
    first = error.errors()[0]
    place = [str(part) for part in first["loc"]]
    key = ".".join(place)
    tables: dict[str, Any] = {"min_cosine": MinCosine, "own_data": OwnDataLimits}
    table = tables.get(place[0], Thresholds) if len(place) > 1 else Thresholds
    allowed = list(table.model_fields)
    if first["type"] == "extra_forbidden":
        near = get_close_matches(place[-1], allowed, n=1)
        return InputError(
            f"the thresholds in {path}",
            f"{key} is not a key that is known; the keys are {', '.join(allowed)}",
            f"Did you mean {near[0]}" if near else "Use one of these, or delete the line",
        )
    message = first["msg"].removeprefix("Input should be ")
    return InputError(
        f"the thresholds in {path}",
        f"{key} = {first['input']!r} should be {message}",
        "Correct it, or delete the line for the default",
    )
