"""Level 3 of parity: are the answers those of the merged model in PyTorch, and of the unmerged one?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from pitome.models.answers import AnswerKind
from pitome.validate.measures import Measured, has_direction, measure_labels, measure_numbers
from pitome.validate.outputs import LOGITS, compared_outputs, cosines, task_vectors
from pitome.validate.parity.passes import Passes
from pitome.validate.parity.records import Agreement, Cosine


@dataclass(frozen=True)
class TaskLevel:
    """What was found of every model."""

    cosines: tuple[Cosine, ...]
    agreement: tuple[Agreement, ...]
    top1_agreement: dict[str, float]


@dataclass(frozen=True)
class _Compared:
    """One output of a model beside a reference's, on real inputs."""

    model: str
    against: Literal["merged", "unmerged"]
    vector: str
    ours: Tensor
    reference: Tensor


def task_level(passes: Passes, answers: AnswerKind, precisions: Sequence[str] | None = None) -> TaskLevel:
    """The runtime, nothing forced, against the merged and the unmerged fp32 model, on real inputs.

    Args:
        passes: all that was run.
        answers: what the model's logits are, where it has any.
        precisions: of the runtime; None = all, and those of PyTorch alone.
    """
    directions: list[Cosine] = []
    agreement: list[Agreement] = []
    best: dict[str, float] = {}
    for found in _all_compared(passes, precisions):
        logits = found.vector.partition(":")[0] == LOGITS
        kind = answers if logits else None
        if has_direction(found.reference) and kind != "numbers":
            directions.append(_cosine(found))
        else:
            agreement += (_agreement(found, each) for each in measure_numbers(found.ours, found.reference))
        if kind == "labels":
            agreement.append(_agreement(found, measure_labels(found.ours, found.reference)))
        if kind == "classes" and has_direction(found.reference):
            best[f"{found.model} against {found.against}"] = _same_best(found)
    return TaskLevel(tuple(directions), tuple(agreement), best)


def _all_compared(passes: Passes, precisions: Sequence[str] | None) -> Iterator[_Compared]:
    for precision in passes.runtime if precisions is None else precisions:
        outputs = passes.runtime[precision].outputs
        total = len(next(iter(outputs.values())))
        ran = list(range(total)) if precision == "fp32" else passes.exact
        yield from _compared(passes, f"{passes.runtime_name} {precision}", outputs, ran)
    for precision, found in passes.reduced.items() if precisions is None else ():
        yield from _compared(passes, f"PyTorch {precision}", found.free.outputs, passes.exact)


def _compared(
    passes: Passes, model: str, outputs: Mapping[str, Tensor], ran: Sequence[int]
) -> Iterator[_Compared]:
    rows, chosen = _real_rows(passes, ran)
    mask = None if passes.mask is None else passes.mask[chosen]
    references: tuple[tuple[Literal["merged", "unmerged"], Mapping[str, Tensor]], ...] = (
        ("merged", passes.free.outputs),
        ("unmerged", passes.unmerged.outputs),
    )
    for name in compared_outputs(tuple(outputs)):
        for against, other in references:
            expected = task_vectors(name, other[name][chosen], mask)
            for vector, value in task_vectors(name, outputs[name][rows].float(), mask).items():
                yield _Compared(model, against, vector, value, expected[vector])


def _cosine(found: _Compared) -> Cosine:
    cosine = cosines(found.ours, found.reference)
    return Cosine(
        vector=found.vector,
        model=found.model,
        against=found.against,
        mean=float(cosine.mean()),
        minimum=float(cosine.min()),
    )


def _agreement(found: _Compared, measured: Measured) -> Agreement:
    return Agreement(
        vector=found.vector,
        model=found.model,
        against=found.against,
        measure=measured.measure,
        value=measured.value,
        worst=measured.worst,
        undefined=measured.undefined,
    )


def _same_best(found: _Compared) -> float:
    """Share of inputs, or of tokens, with the same best class."""
    return float((found.ours.argmax(-1) == found.reference.argmax(-1)).double().mean())


def _real_rows(passes: Passes, ran: Sequence[int]) -> tuple[list[int], list[int]]:
    """Rows of what ran and the inputs they are: real ones only, where there are any, for noise is no task."""
    rows = [row for row, index in enumerate(ran) if index < passes.num_real] or list(range(len(ran)))
    return rows, [ran[row] for row in rows]
