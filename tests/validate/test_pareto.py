"""The front against the definition, on points with many ties."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pitome.validate.pareto import pareto_front

Point = tuple[float, float]
FEW = st.integers(0, 4).map(float)
POINTS = st.lists(st.tuples(FEW, FEW) | st.tuples(st.floats(0, 1), st.floats(-1, 1)), max_size=12)


def slow_front(points: list[Point]) -> set[int]:
    """All points that no other one dominates, by comparing every pair."""

    def dominates(one: Point, other: Point) -> bool:
        return one[0] <= other[0] and one[1] >= other[1] and one != other

    return {
        place for place, point in enumerate(points) if not any(dominates(other, point) for other in points)
    }


@settings(deadline=None)
@given(POINTS)
def test_it_is_what_no_other_point_dominates(points: list[Point]) -> None:
    front = pareto_front(points)
    assert set(front) == slow_front(points)
    assert len(set(front)) == len(front)


@settings(deadline=None)
@given(POINTS)
def test_it_rises_in_cost_and_value(points: list[Point]) -> None:
    front = [points[place] for place in pareto_front(points)]
    assert front == sorted(front)
    assert bool(front) == bool(points)


def test_equal_points_stand_together_in_their_order() -> None:
    assert pareto_front([(2, 1), (1, 0), (2, 1), (2, 0.5), (3, 1)]) == [1, 0, 2]
