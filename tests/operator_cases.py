"""The one table of cases that drives the tests of every implementation of ``pitome::EnergyMerge``.

``CASES`` covers every pair of values of the axes below (rule x content, N x D, ...), then some by hand.
``LARGE_CASES`` covers in the same way what the CUDA kernels must: more tokens, widths and batches, and the
dtype as one more axis. Slow loops would take too long for them.
``make_inputs`` gives a case's tensors; the seed is the case's name, so a case always means the same inputs.

``exact`` cases have metrics whose similarities, energies and ties are exact in float32: rows of +-1 in as
many places as the largest power of 4 that D holds, margins that are sums of few powers of two, no exponential
that is not 0 or 1. There, decisions must be those of METHOD.md, ties included. Elsewhere they may differ
where they are won by less than rounding.
"""

from __future__ import annotations

import itertools
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pitome.energies import energy_function
from pitome.parameters import MergeParameters
from tests.merge_parameters import merge_parameters

DTYPES = (torch.float32, torch.float16, torch.bfloat16)

EXACT_CONTENTS = (
    "signs",
    "repeated_rows",
    "all_equal",
    "zero_rows",
    "non_finite_rows",
    "padding",
    "padding_all",
    "padding_non_finite",
    "sizes",
    "everything",
)
STEEP_WIDTH = 2.0**-6
ROUNDED_CONTENTS = ("random", "clusters", "random_sizes", "random_padding")


@dataclass(frozen=True)
class OperatorCase:
    """One call of the operator: x [B, N, C], metric [B, N, D], size [B, N, 1].

    Args:
        name: unique; also the seed of the inputs.
        batch: B.
        num_tokens: N.
        width: C.
        metric_width: D.
        parameters: the operator's attributes.
        content: what is in the tensors, one of EXACT_CONTENTS or ROUNDED_CONTENTS.
    """

    name: str
    batch: int
    num_tokens: int
    width: int
    metric_width: int
    parameters: MergeParameters
    content: str

    @property
    def exact(self) -> bool:
        """Whether decisions must be identical everywhere, ties included."""
        return self.content in EXACT_CONTENTS


def make_inputs(case: OperatorCase, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """x [B, N, C] and metric [B, N, D] in ``dtype``, size [B, N, 1] float32, always the same for a case."""
    random = np.random.default_rng(zlib.crc32(case.name.encode()))
    x = random.standard_normal((case.batch, case.num_tokens, case.width))
    images = [_fill(case, random) for _ in range(case.batch)]
    metric = np.stack([rows for rows, _ in images])
    size = np.stack([sizes for _, sizes in images])[..., None]
    with np.errstate(over="ignore"):
        return (
            torch.from_numpy(x).to(dtype),
            torch.from_numpy(metric).to(dtype),
            torch.from_numpy(size).to(torch.float32),
        )


def _fill(case: OperatorCase, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Metric [N, D] and size [N] of one image."""
    count, width, prefix = case.num_tokens, case.metric_width, case.parameters.num_protected
    if case.content.startswith("random"):
        rows = random.standard_normal((count, width))
    elif case.content == "clusters":
        centres = random.standard_normal((max(2, count // 8), width))
        rows = centres[random.integers(len(centres), size=count)] + 0.3 * random.standard_normal(
            (count, width)
        )
    else:
        signed = _signed_width(width)
        rows = np.zeros((count, width))
        rows[:, random.permutation(width)[:signed]] = random.choice([-1.0, 1.0], (count, signed))
    size = np.ones(count)
    for change in _CHANGES.get(case.content, ()):
        change(rows, size, prefix, random)
    return rows, size


def _signed_width(metric_width: int) -> int:
    """The largest power of 4 up to D: the norm of so many ones is a power of two."""
    power = 1
    while 4 * power <= metric_width:
        power *= 4
    return power


def _repeat_rows(rows: np.ndarray, size: np.ndarray, prefix: int, random: np.random.Generator) -> None:
    different = max(1, len(rows) // 6)
    rows[:] = rows[random.integers(different, size=len(rows))]


def _equal_rows(rows: np.ndarray, size: np.ndarray, prefix: int, random: np.random.Generator) -> None:
    rows[:] = rows[0]


def _zero_rows(rows: np.ndarray, size: np.ndarray, prefix: int, random: np.random.Generator) -> None:
    rows[_some(rows, prefix, random)] = 0


def _non_finite_rows(rows: np.ndarray, size: np.ndarray, prefix: int, random: np.random.Generator) -> None:
    # The last has finite entries, the sum of whose squares is not finite in float32.
    for row, value in zip(
        _some(rows, prefix, random), itertools.cycle([np.nan, np.inf, -np.inf, 1e30]), strict=False
    ):
        rows[row, random.integers(rows.shape[1])] = value


def _padding(rows: np.ndarray, size: np.ndarray, prefix: int, random: np.random.Generator) -> None:
    size[_some(rows, prefix, random)] = 0


def _padding_all(rows: np.ndarray, size: np.ndarray, prefix: int, random: np.random.Generator) -> None:
    size[prefix:] = 0


def _padding_non_finite(rows: np.ndarray, size: np.ndarray, prefix: int, random: np.random.Generator) -> None:
    padding = _some(rows, prefix, random)
    size[padding] = 0
    rows[padding[::2]] = np.nan


def _sizes(rows: np.ndarray, size: np.ndarray, prefix: int, random: np.random.Generator) -> None:
    size *= random.choice([1.0, 2.0, 4.0], len(size))


def _some(rows: np.ndarray, prefix: int, random: np.random.Generator) -> np.ndarray:
    """Up to a third of the positions after the prefix, at least one."""
    unprotected = len(rows) - prefix
    return prefix + random.permutation(unprotected)[: random.integers(1, max(2, unprotected // 3 + 1))]


_Change = Callable[[np.ndarray, np.ndarray, int, np.random.Generator], None]
_CHANGES: dict[str, tuple[_Change, ...]] = {
    "repeated_rows": (_repeat_rows,),
    "all_equal": (_equal_rows,),
    "zero_rows": (_zero_rows,),
    "non_finite_rows": (_non_finite_rows,),
    "padding": (_padding,),
    "padding_all": (_padding_all,),
    "padding_non_finite": (_padding_non_finite,),
    "sizes": (_sizes,),
    "random_sizes": (_sizes,),
    "random_padding": (_padding,),
    "everything": (_repeat_rows, _zero_rows, _sizes, _padding_non_finite, _non_finite_rows),
}

Row = dict[str, Any]
Axes = dict[str, tuple[Any, ...]]
Pair = tuple[tuple[str, Any], tuple[str, Any]]

_KINDS = ("elu", "eq4", "steep", "gaussian")
"""Energies whose sums can be exact: "steep" is sharp with a width that is a power of two."""
_SPLITS = ("alternate", "alternate_second", "half")
_RULES = (
    *itertools.product(("energy",), _KINDS, _SPLITS),
    *itertools.product(("position",), ("elu", "gaussian"), _SPLITS),
)
_AXES: Axes = {
    "num_tokens": (2, 3, 5, 17, 50, 197, 198, 257, 577),
    "content": EXACT_CONTENTS + ROUNDED_CONTENTS,
    "metric_width": (1, 4, 16, 64),
    "prefix": (0, 1, 2, 5),
    "merged": ("one", "tenth", "most"),
    "candidates": ("paper", "odd", "between", "all"),
    # One axis, so that each combination of the three meets every content and every N.
    "rule": _RULES,
    "batch": (1, 3),
    "size_penalty": (0.0, 0.05),
}
_LARGE_AXES: Axes = {
    "num_tokens": (2, 3, 197, 198, 257, 577, 1370, 3840),
    "content": EXACT_CONTENTS + ROUNDED_CONTENTS,
    "metric_width": (1, 64, 80, 768, 1408),
    "prefix": (0, 1, 5),
    "merged": ("one", "tenth", "most"),
    "candidates": ("paper", "odd", "all"),
    "rule": _RULES,
    "batch": (1, 3, 17),
    "size_penalty": (0.0, 0.05),
    "dtype": DTYPES,
    "width": (1, 100, 768, 1408),
}


def _fits(choice: Row) -> bool:
    """Whether the chosen values go together; axes that are not chosen yet do not matter."""
    tokens, prefix = choice.get("num_tokens"), choice.get("prefix", 0)
    room = tokens is None or tokens - prefix >= 2
    # With D = 1 every cosine is +-1, give or take rounding: nothing but ties that are not exact.
    ties = choice.get("content") in ROUNDED_CONTENTS and choice.get("metric_width") == 1
    return room and not ties


def _possible(choice: Row) -> bool:
    """``_fits``, and the slow loops do not take minutes."""
    return _fits(choice) and not (choice.get("num_tokens") == 577 and choice.get("batch") == 3)


def _possible_large(choice: Row) -> bool:
    """``_fits``, and neither the CPU build of the kernels nor the float64 loops over values take minutes."""
    tokens, batch = choice.get("num_tokens", 2), choice.get("batch", 1)
    multiply_adds = batch * tokens**2 * max(choice.get("metric_width", 1), 64)  # the kernels' tiles are full
    values = batch * tokens * choice.get("width", 1)
    return _fits(choice) and multiply_adds <= 1e9 and values <= 1e7


def pairwise(axes: Axes, possible: Callable[[Row], bool] = _possible) -> Iterator[Row]:
    """Greedy choice of rows so that every possible pair of values of two axes is in one; deterministic."""
    missing: dict[Pair, None] = {
        ((first, one), (second, other)): None
        for first, second in itertools.combinations(axes, 2)
        for one, other in itertools.product(axes[first], axes[second])
        if possible({first: one, second: other})
    }
    used: Counter[tuple[str, Any]] = Counter()
    while missing:
        row: Row = dict(next(iter(missing)))
        for axis in [axis for axis in axes if axis not in row]:
            fitting = [{**row, axis: value} for value in axes[axis] if possible({**row, axis: value})]
            row = max(fitting, key=lambda new: (_count_new(new, axes, missing), -used[axis, new[axis]]))
        for pair in _pairs(row, axes):
            missing.pop(pair, None)
        used.update(row.items())
        yield row


def _pairs(row: Row, axes: Axes) -> Iterator[Pair]:
    chosen = [(axis, row[axis]) for axis in axes if axis in row]
    yield from itertools.combinations(chosen, 2)


def _count_new(row: Row, axes: Axes, missing: Collection[Pair]) -> int:
    return sum(pair in missing for pair in _pairs(row, axes))


def _case_of(row: Row) -> OperatorCase:
    unprotected = row["num_tokens"] - row["prefix"]
    merged = {"one": 1, "tenth": max(1, unprotected // 10), "most": unprotected // 2}[row["merged"]]
    candidates = {
        "paper": 2 * merged,
        "odd": min(2 * merged + 1, unprotected),
        "between": (2 * merged + unprotected) // 2,
        "all": unprotected,
    }[row["candidates"]]
    order, kind, split = row["rule"]
    exact = row["content"] in EXACT_CONTENTS
    margin = (
        _exact_margin(kind, row["metric_width"], merged) if exact else _rounded_margin(kind, row["content"])
    )
    function, offset, width = energy_function("sharp" if kind == "steep" else kind, margin)
    parameters = MergeParameters(
        num_merged=merged,
        num_candidates=candidates,
        num_protected=row["prefix"],
        margin=margin,
        offset=offset,
        width=STEEP_WIDTH if kind == "steep" else width,
        alpha=0.0 if exact and margin > -1 else 1.0,  # below the margin is an exponential
        size_penalty=row["size_penalty"],
        order=order,
        function=function,
        split=split,
    )
    words = [f"N{row['num_tokens']}", f"B{row['batch']}", f"D{row['metric_width']}", f"p{row['prefix']}"]
    words += [
        f"r{merged}",
        f"M{candidates}",
        order,
        kind,
        split,
        f"s{row['size_penalty']}",
    ]
    columns = row.get("width", 6)
    words += [f"C{columns}"] if "width" in row else []
    name = "-".join(map(str, [row["content"], *words]))
    return OperatorCase(
        name, row["batch"], row["num_tokens"], columns, row["metric_width"], parameters, row["content"]
    )


def _rounded_margin(kind: str, content: str) -> float:
    # Steeply below it nothing adds anything, and rows at random would all have the energy of their own 1.
    return 0.0 if kind == "steep" and content.startswith("random") else 0.45


def _exact_margin(kind: str, metric_width: int, merged: int) -> float:
    if kind != "gaussian":  # 0.5 is a similarity that rows of +-1 have: at and above the margin is one side
        return -1.0 if merged % 2 else 0.5
    # So narrow that anything but an equal row (similarities are multiples of 2 / D) adds exp(-2048) = 0.
    return 1 - 1 / (32 * _signed_width(metric_width))


def _by_hand() -> Iterator[OperatorCase]:
    """What users run: the models' token counts and settings; then the widest and narrowest rows."""
    for tokens, prefix in ((197, 1), (198, 2), (257, 1)):
        unprotected = tokens - prefix
        merged = unprotected // 10
        for candidates, penalty in ((2 * merged, 0.0), (unprotected, 0.0), (int(0.9 * unprotected), 0.05)):
            parameters = merge_parameters(merged, candidates, prefix, margin=0.3, size_penalty=penalty)
            name = f"model-N{tokens}-M{candidates}-s{penalty}"
            yield OperatorCase(name, 2, tokens, 8, 64, parameters, "clusters")
    # So much that the sizes say which edges are the best, and by more than rounding.
    penalised = merge_parameters(5, 40, 1, margin=0.5, alpha=0.0, size_penalty=0.25)
    yield OperatorCase("penalised-N50", 2, 50, 6, 16, penalised, "sizes")
    # Below the margin the width changes the order; no power of two, and wide enough for few near ties.
    bent = MergeParameters(5, 40, 1, margin=0.5, offset=0.5, width=0.3)
    yield OperatorCase("bent-N50", 2, 50, 6, 16, bent, "clusters")
    # Few tokens after the prefix, many with it.
    prefixed = merge_parameters(5, 40, 50, margin=0.5, alpha=0.0)
    yield OperatorCase("prefix-N300", 2, 300, 6, 4, prefixed, "signs")
    text = merge_parameters(12, 24, 1, margin=0.65, energy="gaussian", split="half")
    yield OperatorCase("text-N128", 2, 128, 8, 16, text, "random_padding")
    wide = merge_parameters(2, 5, 1, margin=-1.0)
    yield OperatorCase("wide-C257-D1024", 1, 9, 257, 1024, wide, "signs")
    yield OperatorCase("narrow-C1", 1, 9, 1, 4, wide, "signs")


def _all_cases() -> tuple[OperatorCase, ...]:
    cases = itertools.chain(map(_case_of, pairwise(_AXES)), _by_hand())
    return tuple({case.name: case for case in cases}.values())


def _large_cases() -> tuple[tuple[OperatorCase, torch.dtype], ...]:
    return tuple((_case_of(row), row["dtype"]) for row in pairwise(_LARGE_AXES, _possible_large))


CASES = _all_cases()
LARGE_CASES = _large_cases()
