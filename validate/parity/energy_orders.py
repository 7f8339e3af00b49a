"""Orders of tokens by energy: that of float64, those that a jump leads to, and how wrong one is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pitome.validate.parity.energy_intervals import EnergyIntervals
from pitome.validate.parity.explanation import Order


def float64_order(energies: EnergyIntervals) -> Order:
    """By falling energy, ties to the lower position."""
    return np.argsort(-energies.exact, kind="stable")


def inversion(order: Order, energies: EnergyIntervals) -> float:
    """By how much the intervals of two tokens miss each other of which the order has the lower one first.

    The largest of all pairs, at least 0; without jumps it is the gap of two energies.
    """
    order = order[np.isfinite(energies.exact[order])]  # the infinite ones stay where they are
    low, high = energies.low[order], energies.high[order]
    return float((low - np.minimum.accumulate(high)).max(initial=0))


def ties(energies: EnergyIntervals, tolerance: float) -> NDArray[np.bool_]:
    """[T, T]: whether the intervals of two tokens miss each other by at most the tolerance; none infinite."""
    with np.errstate(invalid="ignore"):
        above = energies.low[:, None] - energies.high[None] <= tolerance
    return above & above.T


def moved_pairs(order: Order, energies: EnergyIntervals, tolerance: float) -> Iterator[Order]:
    """Orders in which the tokens of one near pair stand elsewhere, wherever their intervals allow.

    One rounding moves both tokens of a pair, each by its own number of ranks, and whatever it passes by one.
    """
    for pair in energies.near_pairs:
        moved = sorted(set(pair))
        rest = order[~np.isin(order, moved)]
        for placed in _placed(rest, moved[0], energies, tolerance):
            if len(moved) == 1:
                yield placed
            else:
                yield from _placed(placed, moved[1], energies, tolerance)


def _placed(rest: Order, token: int, energies: EnergyIntervals, tolerance: float) -> Iterator[Order]:
    """The order ``rest`` [n] with a token put at every place that its interval allows."""
    lowest_before = np.minimum.accumulate(np.append(np.inf, energies.high[rest]))
    highest_after = np.maximum.accumulate(np.append(-np.inf, energies.low[rest][::-1]))[::-1]
    over_those_before = energies.low[token] - lowest_before
    under_those_after = highest_after - energies.high[token]
    for place in np.flatnonzero((over_those_before <= tolerance) & (under_those_after <= tolerance)):
        yield np.insert(rest, place, token)
