"""docs/checkpoints.md is what its generator writes, and the README leads to it."""

from __future__ import annotations

from tests.checkout import ROOT
from tests.pitome.models.checkpoints_page import page


def test_the_page_is_the_generated_one() -> None:
    assert (ROOT / "docs/checkpoints.md").read_text(encoding="utf-8") == page(), (
        "run: python -m tests.pitome.models.checkpoints_page > docs/checkpoints.md"
    )


def test_the_readme_leads_to_it() -> None:
    assert "(docs/checkpoints.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
