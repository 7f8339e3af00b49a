"""Does a text's result depend on its neighbours in a batch? No merge looks across a batch, so it may not.

A BLAS rounds a batch in another way than one input, so noise remains, and noise can flip a decision within
its margin (DESIGN.md, "Parity, the rule"). More than that is a mistake, such as a mean over the batch.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor, nn

from pitome.models.text import ATTENTION_MASK
from pitome.parameters import MergeParameters
from pitome.validate.outputs import real_positions
from pitome.validate.parity.decisions import Verdict, judge, same_groups
from pitome.validate.parity.module_trace import trace
from pitome.validate.parity.passes import Progress
from pitome.validate.parity.records import BatchComposition
from pitome.validate.parity.rounding import Rounding
from pitome.validate.parity.targets import Target
from pitome.validate.runs import Run
from pitome.validate.samples import CheckedInputs, Samples

NUM_TEXTS = 8
"""Texts that run in one batch and one at a time."""


def chosen_texts(inputs: CheckedInputs, count: int = NUM_TEXTS) -> Samples:
    """At most ``count`` texts, spread over all: real ones, which stand by length, else made up ones."""
    texts = inputs.real if len(inputs.real) else inputs.random
    found = min(count, len(texts))
    return texts.rows([index * (len(texts) - 1) // max(found - 1, 1) for index in range(found)])


def compare_batching(
    target: Target,
    merged: nn.Module,
    texts: Samples,
    layers: Mapping[int, MergeParameters],
    rounding: Mapping[int, Rounding],
    progress: Progress | None = None,
) -> BatchComposition:
    """Run texts on a runtime in one batch and one at a time, nothing forced, and compare the two.

    A text whose groups differ is excused where every decision of either run is that of float64, with the
    layers before forced to that run's, or within the measured rounding of it.

    Args:
        target: the model on a runtime, float32.
        merged: the model, float32.
        texts: at least two; input_ids and attention_mask, int64 [n, L].
        layers: layer -> parameters of its merge, in order; none where the pairs are constants.
        rounding: layer -> how far float32 was measured to be from float64.
        progress: called with (step, done, total).

    Raises:
        ParityError: the graph computes something else when its decisions are looked at.
    """
    step, total = "batch composition", len(texts) + 1
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(step, done, total)

    together = target.run(texts, len(texts), advance)
    alone = target.run(texts, 1, advance)
    same = torch.ones(len(texts), dtype=torch.bool)
    for one, other in zip(together.assignments, alone.assignments, strict=True):
        same &= same_groups(one, other)
    differing = torch.nonzero(~same).flatten().tolist()
    judged = _Judge(copy.deepcopy(merged).double(), layers, rounding) if differing else None
    found = [
        [judged.judge(texts.rows([row]), _decisions(run, row)) for run in (together, alone)]
        for row in differing
        if judged is not None
    ]
    wrong = [run.wrong for pair in found for run in pair if run.wrong is not None]
    excused = [pair for pair in found if all(run.wrong is None for run in pair)]
    return BatchComposition(
        runtime=f"{target.runtime} fp32",
        texts=len(texts),
        same_decisions=int(same.sum()),
        largest_difference=_largest_difference(together, alone, same, texts.inputs.get(ATTENTION_MASK)),
        excused=len(excused),
        excused_by_jumps=sum(any(run.by_jump for run in pair) for pair in excused),
        unexplained=len(found) - len(excused),
        first_unexplained_layer=min(wrong, default=None),
        largest_excused_margin=max((run.margin for pair in excused for run in pair), default=0.0),
    )


def _decisions(run: Run, row: int) -> list[Tensor]:
    return [assignment[row : row + 1] for assignment in run.assignments]


def _largest_difference(together: Run, alone: Run, same: Tensor, mask: Tensor | None) -> float | None:
    """Of the texts [n] with the same decisions, over all outputs, each relative to its largest magnitude."""
    if not same.any():
        return None
    kept = None if mask is None else mask[same]
    return max(
        _relative(together.outputs[name][same], value[same], kept) for name, value in alone.outputs.items()
    )


def _relative(value: Tensor, reference: Tensor, mask: Tensor | None) -> float:
    ours, theirs = real_positions(value.double(), mask), real_positions(reference.double(), mask)
    difference, scale = float((ours - theirs).abs().max()), float(theirs.abs().max())
    if not difference <= inf:
        return inf  # not a number: max() would lose it
    return difference / scale if scale else difference


@dataclass(frozen=True)
class _JudgedRun:
    wrong: int | None
    """The first layer whose decision nothing explains, if there is one."""
    margin: float
    """The largest of all layers."""
    by_jump: bool
    """Whether a jump alone explains the decision of any layer."""


@dataclass(frozen=True)
class _Judge:
    double: nn.Module
    layers: Mapping[int, MergeParameters]
    rounding: Mapping[int, Rounding]

    def judge(self, text: Samples, decided: list[Tensor]) -> _JudgedRun:
        margin, by_jump = 0.0, False
        for layer, found in self._verdicts(text, decided):
            if not found.explained:
                return _JudgedRun(layer, inf, by_jump)
            margin, by_jump = max(margin, found.margin), by_jump or found.by_jump
        return _JudgedRun(None, margin, by_jump)

    def _verdicts(self, text: Samples, decided: list[Tensor]) -> Iterator[tuple[int, Verdict]]:
        _, records = trace(self.double, text.inputs, decided)
        for record, target in zip(records, decided, strict=True):
            if bool(same_groups(record.decided, target)):
                continue
            tolerance = self.rounding[record.layer].tolerance
            parameters = self.layers[record.layer]
            yield record.layer, judge(target[0], record.metric[0], record.size[0], parameters, tolerance)
