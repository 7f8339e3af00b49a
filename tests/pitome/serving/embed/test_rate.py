"""How fast it goes, by a counted clock."""

from __future__ import annotations

import pytest

from pitome.serving.embed.rate import RateReport, told_rate, told_time


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_rate_and_time_left() -> None:
    told: list[tuple[str, int, int]] = []
    clock = Clock()
    progress = RateReport(lambda *each: told.append(each), 1_000, 101_000, clock)
    for _ in range(3):
        clock.now += 2
        progress.add(400)
    assert told == [
        ("1,000 of 101,000", 1_000, 101_000),
        ("1,000 of 101,000", 1_400, 101_000),
        ("1,000 of 101,000", 1_800, 101_000),
        ("2,200 of 101,000, 200/s, 8 min left", 2_200, 101_000),
    ]


def test_the_rate_is_of_the_last_half_minute() -> None:
    told: list[str] = []
    clock = Clock()
    progress = RateReport(lambda detail, done, total: told.append(detail), 0, 10_000, clock)
    for count in (10, 10, 10, 10, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000):
        clock.now += 10
        progress.add(count)
    assert told[-1] == "6,040 of 10,000, 100/s, 40 s left"


def test_at_the_end_no_time_is_left() -> None:
    told: list[str] = []
    clock = Clock()
    progress = RateReport(lambda detail, done, total: told.append(detail), 0, 3, clock)
    clock.now = 0.5
    progress.add(3)
    assert told[-1] == "3 of 3, 6/s"


@pytest.mark.parametrize(
    ("rate", "text"), [(0.034, "0.034/s"), (9.96, "10/s"), (10, "10/s"), (1234.5, "1,234/s")]
)
def test_rates(rate: float, text: str) -> None:
    assert told_rate(rate) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (90, "2 min"),
        (3_600, "1 h 0 min"),
        (7_500, "2 h 5 min"),
        (300_000, "3 days"),
    ],
)
def test_times(seconds: float, text: str) -> None:
    assert told_time(seconds) == text
