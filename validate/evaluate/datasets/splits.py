"""Seeded choices of rows: some that keep the share of every class, and plain ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pitome.errors import InputError

Rows = npt.NDArray[np.int64]


def stratified_choice(labels: Rows, count: int, seed: int, among: Rows | None = None) -> Rows:
    """Choose rows so that each class has its share of them.

    Shares are rounded by the largest remainder (ties: the lower class number); within a class the choice is
    random.

    Args:
        labels: [n] class numbers.
        count: rows wanted.
        seed: of the choice.
        among: rows to choose from; None = all.

    Returns:
        [count] rows, ascending.

    Raises:
        InputError: fewer rows than wanted, or none wanted.
    """
    available = np.arange(len(labels)) if among is None else np.asarray(among)
    if not 1 <= count <= len(available):
        raise InputError(
            f"{count} samples", f"there are {len(available)} to choose from", "Ask for 1 up to that many"
        )
    classes, sizes = np.unique(labels[available], return_counts=True)
    exact = sizes * count / len(available)
    quotas = np.floor(exact).astype(np.int64)
    by_remainder = np.argsort(quotas - exact, kind="stable")
    quotas[by_remainder[: count - int(quotas.sum())]] += 1
    generator = np.random.default_rng(seed)
    chosen = [
        generator.permutation(available[labels[available] == number])[:quota]
        for number, quota in zip(classes, quotas, strict=True)
    ]
    return np.sort(np.concatenate(chosen))


def first_of_shuffled(count: int, limit: int | None, seed: int) -> Rows:
    """The first ``limit`` of a seeded permutation of ``count`` rows; all in order where that is not fewer."""
    if limit is None or limit >= count:
        return np.arange(count)
    return np.random.default_rng(seed).permutation(count)[:limit]


def held_out(labels: Rows, num_fit: int, num_validation: int, seed: int) -> tuple[Rows, Rows]:
    """Two disjoint stratified choices from the training data: rows to fit a head to, rows to choose by.

    Raises:
        InputError: the training data has not so many rows.
    """
    fit = stratified_choice(labels, num_fit, seed)
    rest = np.setdiff1d(np.arange(len(labels)), fit)
    return fit, stratified_choice(labels, num_validation, seed, rest)
