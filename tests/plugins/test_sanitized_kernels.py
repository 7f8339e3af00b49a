"""The plugin and its kernels under AddressSanitizer and UndefinedBehaviorSanitizer, whose reports end it."""

from __future__ import annotations

import pytest

from tests.plugins.kernel_runs import TABLES, assert_same_bits, results


@pytest.mark.full
@pytest.mark.parametrize("table", ["small", "light"])
def test_the_sanitizers_have_nothing_to_report(table: str) -> None:
    for expected, result in zip(results(table), results(table, sanitized=True), strict=True):
        assert_same_bits(expected, result)


def test_the_light_cases_have_every_width_and_batch() -> None:
    cases = [case for case, _ in TABLES["light"]]
    for axis in ("batch", "metric_width", "width", "content"):
        assert {getattr(case, axis) for case in cases} == {getattr(case, axis) for case, _ in TABLES["large"]}
    assert len({case.num_tokens for case in cases}) >= 4
