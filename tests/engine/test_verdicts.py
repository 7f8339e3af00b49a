"""The verdict on a bundle, from those on its parts."""

from __future__ import annotations

from typing import Any

import pytest

from pitome.engine.verdicts import judged_bundle
from pitome.validate.validation_records import SectionVerdict

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("parity", "latency", "verdict", "reason"),
    [
        ("pass", "pass", "pass", "every section meets its limits"),
        ("not judged", "pass", "not judged", "parity: too many jumps"),
        ("not judged", "fail", "fail", "latency: too slow"),
        ("fail", "fail", "fail", "parity: too many jumps"),
    ],
)
def test_a_bundle_passes_where_every_part_does(parity: Any, latency: Any, verdict: str, reason: str) -> None:
    """What fails is worse than what is not judged, and neither passes."""
    found = judged_bundle(
        (
            SectionVerdict(name="parity", verdict=parity, reason="too many jumps"),
            SectionVerdict(name="latency", verdict=latency, reason="too slow"),
        )
    )
    assert (found.verdict, found.reason) == (verdict, reason)
