"""Which settings no other one beats in both cost and quality."""

from __future__ import annotations

from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """The places of all points (cost, value) that no other point dominates.

    One point dominates another where it costs no more, is worth no less, and differs in one of the two.
    Points that are equal in both stand or fall together.

    Args:
        points: finite costs (less is better) and values (more is better).

    Returns:
        Indices into ``points``, by rising cost, equal costs in their order.
    """
    front: list[int] = []
    best = float("-inf")
    for place in sorted(range(len(points)), key=lambda place: (points[place][0], -points[place][1], place)):
        if points[place][1] > best or (front and points[place] == points[front[-1]]):
            front.append(place)
            best = points[place][1]
    return front
