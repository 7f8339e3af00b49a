"""Other kernels beside these: one prediction for both, and what no two launches go below."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pitome.errors import InputError
from pitome.plugins.tools.account.comparison import comparison, floor_seconds, floors, read_kernels
from pitome.plugins.tools.account.counts import count_merge
from pitome.plugins.tools.account.gpus import GPUS
from pitome.plugins.tools.account.layers import LAYERS, METRICS
from pitome.plugins.tools.account.shares import Merge
from pitome.plugins.tools.merge_library import BUILD, HostLibrary
from tests.checkout import ROOT

LOG = BUILD / "ptxas.log"
L4 = GPUS[0]
HALF = 2


@pytest.fixture(scope="module")
def merges() -> list[Merge]:
    """Of CLIP-B/16."""
    library = HostLibrary()
    return [Merge(LAYERS[0], metric, count_merge(library, LAYERS[0], metric)) for metric in METRICS]


BEFORE = ROOT / "docs" / "results" / "kernels-before.json"


def test_the_kernels_before_are_compared_by_the_same_prediction(merges: list[Merge]) -> None:
    before, before_usages = read_kernels(BEFORE)
    heading, *rows = comparison((before, before_usages), (before, before_usages)).rows
    assert heading == ("metric", "batch", "L4", "A100", "H100")
    assert [row[:2] for row in rows] == [
        (metric, batch) for metric in METRICS for batch in ("1", "1, L2", "8", "8, L2")
    ]
    assert all(cell.endswith("**100.0%**") for row in rows for cell in row[2:])
    assert rows[0][4] == "18.1 -> 18.1 µs, 297 % -> 297 %: **100.0%**", "as the issue has it"
    _, *rows = comparison((before, before_usages), (merges, [])).rows
    assert "18.1 -> " in rows[0][4]


def test_two_launches_at_least_fetch_the_metric_and_x_and_store_y(merges: list[Merge]) -> None:
    hidden, keys = merges[:2]
    x, y = 197 * 768 * HALF, 178 * 768 * HALF
    assert floor_seconds(hidden, L4, 8) == pytest.approx(8 * (2 * x + y) / 300e9)
    assert floor_seconds(keys, L4, 8) == pytest.approx(8 * (197 * 64 * HALF + x + y) / 300e9)
    _, first, *_ = floors(merges).rows
    assert first == ("hidden", "1", "2.9 µs", "0.4 µs", "0.3 µs")


@pytest.mark.parametrize("text", [None, "{", "{}", '{"counts_of_one_image": [], "ptxas": [{}]}', "[]"])
def test_what_is_no_account_is_refused(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "before.json"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"Give a document that .* wrote"):
        read_kernels(file)


@pytest.mark.full
def test_the_results_hold_what_is_printed() -> None:
    if not LOG.is_file():
        pytest.fail(f"{LOG} is missing: run `make plugin` first")
    words = [sys.executable, "-m", "pitome.plugins.tools.account", "--compare", str(BEFORE)]
    printed = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert printed.returncode == 0, printed.stderr
    page = (ROOT / "docs" / "results" / "kernels.md").read_text(encoding="utf-8")
    assert all(table in page for table in printed.stdout.split("\n\n"))
