"""How a report writes numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

DASH = "\N{EN DASH}"


class Interval(Protocol):
    """A mean with the ends of its interval."""

    @property
    def mean(self) -> float:
        """The value."""
        ...

    @property
    def low(self) -> float:
        """The lower end."""
        ...

    @property
    def high(self) -> float:
        """The upper end."""
        ...


@dataclass(frozen=True)
class Cell:
    """A number in a table, and its interval in smaller print."""

    value: str = DASH
    interval: str = ""


@dataclass(frozen=True)
class Unit:
    """How a metric is written: shares in percent and their differences in points, cosines as they are."""

    factor: float
    digits: int
    suffix: str
    points: str

    @classmethod
    def of(cls, metric: str) -> Unit:
        """By the metric's name."""
        return cls(1, 4, "", "") if "cosine" in metric else cls(100, 2, " %", " points")

    def cell(self, value: float, low: float, high: float) -> Cell:
        """Such as ``95.30 %`` with ``94.10 to 96.20``."""
        number, ends = self._written(value, ""), (self._written(low, ""), self._written(high, ""))
        return Cell(number + self.suffix, " to ".join(ends))

    def paired(self, difference: Interval | None) -> Cell:
        """Such as ``-0.31 points`` with ``-0.60 to +0.10``; a dash for none."""
        if difference is None:
            return Cell()
        ends = (self._written(difference.low, "+"), self._written(difference.high, "+"))
        return Cell(self._written(difference.mean, "+") + self.points, " to ".join(ends))

    def _written(self, value: float, sign: str) -> str:
        return f"{self.factor * value:{sign}.{self.digits}f}"


def p_value(value: float | None) -> str:
    """Such as ``0.031`` or ``< 0.001``."""
    if value is None:
        return DASH
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def plain(value: object) -> str:
    """A value as a table shows it: up to six significant digits, a dash for none."""
    if value is None:
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def small(value: float | None) -> str:
    """An error or a margin in scientific notation, such as ``1.2e-07``."""
    if value is None:
        return DASH
    return f"{value:.1e}" if value else "0"


def grouped(value: int | None) -> str:
    """A count with separators, such as ``12,608``."""
    return DASH if value is None else f"{value:,}"
