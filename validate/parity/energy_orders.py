"""Orders of tokens by energy that rounding may lead to, and how far an order goes against the energies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, permutations

import numpy as np
from numpy.typing import NDArray

from pitome.validate.parity.energy_intervals import EnergyIntervals

Order = NDArray[np.int64]
"""[T], every token once."""
_LONGEST_PERMUTED_RUN = 4


def float64_order(energies: EnergyIntervals) -> Order:
    """By falling energy, ties to the lower position."""
    return np.argsort(-energies.exact, kind="stable")


def inversion(order: Order, energies: EnergyIntervals) -> float:
    """By how much the intervals of two tokens miss each other of which the order has the lower one first.

    The largest of all pairs of the tokens [n] given, at least 0; without jumps it is the gap of two energies.
    """
    order = order[np.isfinite(energies.exact[order])]  # the infinite ones stay where they are
    low, high = energies.low[order], energies.high[order]
    return float((low - np.minimum.accumulate(high)).max(initial=0))


def other_orders(
    order: Order, energies: EnergyIntervals, tolerance: float, tokens: NDArray[np.int64]
) -> Iterator[Order]:
    """Orders beside this one in which two tokens stand the wrong way round only where their intervals miss
    each other by at most ``tolerance``: near ties permuted, and near pairs' tokens put elsewhere.

    Args:
        order: to change.
        energies: of the tokens.
        tolerance: of energies.
        tokens: long runs of near ties are permuted by swaps with one of these.
    """
    for start, stop in _near_ties(energies, tolerance):
        yield from _reordered(order, start, stop, energies, tolerance, tokens)
    for pair in energies.near_pairs:
        moved = sorted(set(pair))
        rest = order[~np.isin(order, moved)]
        for trial in _placed(rest, moved[0], energies, tolerance):
            if len(moved) == 1:
                yield trial
            else:  # one rounding moves both tokens of a pair, and each by another number of ranks
                yield from _placed(trial, moved[1], energies, tolerance)


def _near_ties(energies: EnergyIntervals, tolerance: float) -> list[tuple[int, int]]:
    """Runs [start, stop) of ranks; whatever stands before a run is above it by more than the tolerance."""
    order = float64_order(energies)
    lowest_before = np.minimum.accumulate(energies.low[order])[:-1]
    highest_after = np.maximum.accumulate(energies.high[order][::-1])[::-1][1:]
    with np.errstate(invalid="ignore"):
        close = lowest_before - highest_after <= tolerance
    runs, start = [], None
    for index, is_close in enumerate([*close.tolist(), False]):
        if is_close and start is None:
            start = index
        elif not is_close and start is not None:
            runs.append((start, index + 1))
            start = None
    return runs


def _reordered(
    order: Order,
    start: int,
    stop: int,
    energies: EnergyIntervals,
    tolerance: float,
    tokens: NDArray[np.int64],
) -> Iterator[Order]:
    """Other orders of one run; of a long one that by position, as equal energies stand, and swaps of two."""
    run = order[start:stop]
    if len(run) <= _LONGEST_PERMUTED_RUN:
        choices: Iterable[Order] = (run[list(choice)] for choice in permutations(range(len(run))))
    else:
        choices = chain([np.sort(run)], _swaps(run, np.flatnonzero(np.isin(run, tokens))))
    for choice in choices:
        if inversion(choice, energies) <= tolerance:
            trial = order.copy()
            trial[start:stop] = choice
            yield trial


def _swaps(run: Order, ranks: NDArray[np.int64]) -> Iterator[Order]:
    """Of a token at one of these ranks with any other; those that are nearest to each other first."""
    for distance in range(1, len(run)):
        for rank in ranks.tolist():
            for other in (rank - distance, rank + distance):
                if 0 <= other < len(run):
                    swapped = run.copy()
                    swapped[[rank, other]] = run[[other, rank]]
                    yield swapped


def _placed(rest: Order, token: int, energies: EnergyIntervals, tolerance: float) -> Iterator[Order]:
    """The order ``rest`` [n] with a token put at every place that its interval allows."""
    lowest_before = np.minimum.accumulate(np.append(np.inf, energies.high[rest]))
    highest_after = np.maximum.accumulate(np.append(-np.inf, energies.low[rest][::-1]))[::-1]
    over_those_before = energies.low[token] - lowest_before
    under_those_after = highest_after - energies.high[token]
    for place in np.flatnonzero((over_those_before <= tolerance) & (under_those_after <= tolerance)):
        yield np.insert(rest, place, token)
