"""Level 1 of parity: do two sides decide the same merges, how near were they to deciding otherwise, and where
do runs first part in which nothing is forced?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from pitome.validate.parity.decision_margins import MarginKind, decision_margins, smallest_margin
from pitome.validate.parity.decisions import judge, same_groups, same_tokens
from pitome.validate.parity.energy_intervals import Floats
from pitome.validate.parity.passes import Passes
from pitome.validate.parity.records import Decisions, LayerDecisions, Margins
from pitome.validate.thresholds import Thresholds, decisions_verdict

_PERCENTILES = (1, 10, 50)


def judge_decisions(passes: Passes, limits: Thresholds | None = None) -> Decisions | None:
    """fp32 on the runtime: every merge of every input with the layers before forced, under the limits."""
    if not passes.layers:
        return None
    target = passes.runtime["fp32"].assignments
    first, throughout = first_differences(passes.free.assignments, target)
    layers = tuple(
        _judge_layer(passes, index, layer, first[index]) for index, layer in enumerate(passes.layers)
    )
    found = Decisions(
        runtime=f"{passes.runtime_name} fp32",
        images=layers[0].compared,
        layers=layers,
        same_throughout=throughout,
        margins=tuple(_margins(passes)),
    )
    return found.model_copy(update={"verdict": decisions_verdict(found, limits or Thresholds())})


def _judge_layer(passes: Passes, index: int, layer: int, first: int) -> LayerDecisions:
    target = passes.runtime["fp32"].assignments[index]
    parameters = passes.layers[layer]
    agreed = same_groups(passes.forced["fp32"].assignments[index], target)
    tolerance = passes.rounding[layer].tolerance
    excused, gaps = [], [float("inf")]
    for row in torch.nonzero(~agreed).flatten().tolist():
        record = passes.exact_records[row][index]
        found = judge(target[row], record.metric[0], record.size[0], parameters, tolerance)
        if found.explained:
            excused.append(found)
    for row in passes.exact:
        record = passes.exact_records[row][index]
        gaps.append(smallest_margin(record.metric[0], record.size[0], parameters))
    same = int(agreed.sum())
    return LayerDecisions(
        layer=layer,
        tokens=target.shape[1],
        merged=parameters.num_merged,
        compared=len(agreed),
        agreed=same,
        excused=len(excused),
        excused_by_jumps=sum(found.by_jump for found in excused),
        unexplained=len(agreed) - same - len(excused),
        tolerance=tolerance.energy,
        similarity_tolerance=tolerance.similarity,
        smallest_margin=min(gaps) if np.isfinite(min(gaps)) else None,
        largest_excused_margin=max((found.margin for found in excused), default=0.0),
        free_running_agreement=_share(same_groups(passes.free.assignments[index], target)),
        token_agreement=float(same_tokens(passes.forced["fp32"].assignments[index], target).mean()),
        first_differences=first,
    )


def _margins(passes: Passes) -> Iterator[Margins]:
    """Of the inputs that ran in float64, pooled by merge and kind."""
    for index, (layer, parameters) in enumerate(passes.layers.items()):
        pooled: dict[MarginKind, list[Floats]] = {}
        for row in passes.exact:
            record = passes.exact_records[row][index]
            found = decision_margins(record.metric[0], record.size[0], parameters)
            for kind, values in found.items():
                pooled.setdefault(kind, []).append(values)
        for kind, parts in pooled.items():
            values = np.concatenate(parts)
            if values.size:
                at = np.percentile(values, _PERCENTILES)
                yield Margins(
                    layer=layer,
                    kind=kind,
                    count=values.size,
                    smallest=float(values.min()),
                    percentiles={
                        str(percent): float(value) for percent, value in zip(_PERCENTILES, at, strict=True)
                    },
                )


def report_decisions(passes: Passes, precision: str) -> Decisions:
    """Decisions of a runtime in reduced precision against PyTorch in that precision: reported, not judged.

    Where nothing is forced, they are compared with PyTorch's in float32.
    """
    return _unjudged(
        passes,
        f"{passes.runtime_name} {precision}",
        passes.forced[precision].assignments,
        passes.runtime[precision].assignments,
    )


def report_reduced(passes: Passes, precision: str) -> Decisions | None:
    """Decisions of PyTorch in a reduced precision against float32: reported, not judged."""
    if not passes.layers:
        return None
    found = passes.reduced[precision]
    return _unjudged(passes, f"PyTorch {precision}", found.single.assignments, found.free.assignments)


def _unjudged(passes: Passes, runtime: str, forced: Sequence[Tensor], target: Sequence[Tensor]) -> Decisions:
    free = [decided[passes.exact] for decided in passes.free.assignments]
    first, throughout = first_differences(free, target)
    layers = []
    for index, layer in enumerate(passes.layers):
        same = same_groups(forced[index], target[index])
        layers.append(
            LayerDecisions(
                layer=layer,
                tokens=target[index].shape[1],
                merged=passes.layers[layer].num_merged,
                compared=len(same),
                agreed=int(same.sum()),
                excused=0,
                unexplained=int((~same).sum()),
                tolerance=0.0,
                similarity_tolerance=0.0,
                smallest_margin=None,
                largest_excused_margin=0.0,
                free_running_agreement=_share(same_groups(free[index], target[index])),
                token_agreement=float(same_tokens(forced[index], target[index]).mean()),
                first_differences=first[index],
            )
        )
    return Decisions(
        runtime=runtime, images=len(passes.exact), layers=tuple(layers), same_throughout=throughout
    )


def first_differences(first: Sequence[Tensor], second: Sequence[Tensor]) -> tuple[list[int], int]:
    """For each merge the number of inputs whose groups first differ there, and how many never do.

    Args:
        first: for each merge assignments [n, N] int32 of one side.
        second: of the other.
    """
    same = torch.stack([same_groups(one, other) for one, other in zip(first, second, strict=True)])
    until = same.long().cumprod(dim=0).sum(dim=0)  # merges that agree before the first that does not
    counts = torch.bincount(until, minlength=len(first) + 1).tolist()
    return counts[:-1], counts[-1]


def _share(flags: Tensor) -> float:
    return float(flags.double().mean())
