"""The rows of METHOD.md section 6, those of families that do not exist yet too."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pitome.models.author_settings import AUTHOR_SETTINGS, AuthorSettings
from pitome.models.families import family_of_type
from tests.checkout import ROOT

ROWS = {
    # metric, margin, M = T in, mean, proportional attention
    "deit": ("keys", (0.75, 0.75), "first half", "by size", False),
    "mae": ("keys", (0.75, 0.75), "second half", "by size", False),
    "clip": ("hidden", (0.95, 0.95), "never", "by size", False),
    "blip": ("hidden", (0.9, 0.9), "never", "by size", False),
    "albef": ("hidden", (0.9, 0.9), "never", "by size", False),
    "blip-2": ("keys", (0.75, 0.4), "never", "by size", True),
    "llava-1.5": ("hidden", (0.9, 0.9), "never", "plain", False),
    "bert": ("keys", (0.9, 0.25), "never", "by size within the layer", False),
    "distilbert": ("keys", (0.9, 0.25), "never", "by size within the layer", False),
}
BESIDE = {
    "blip": {"last_layer_merges": False},
    "albef": {"last_layer_merges": False},
    "blip-2": {"num_layers": 39},
    "llava-1.5": {"tome_layers": 13, "merges_after": "layer"},
    "bert": {"energy": "gaussian", "split": "half", "first_layers": 3},
    "distilbert": {"energy": "gaussian", "split": "half", "first_layers": 3},
}
"""What differs from the other rows."""


def test_every_row_has_its_columns() -> None:
    assert set(AUTHOR_SETTINGS) == set(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_a_row(name: str) -> None:
    metric, margin, all_candidates, mean, attention = ROWS[name]
    row = AUTHOR_SETTINGS[name]
    found = (row.metric, row.margin, row.all_candidates, row.mean, row.proportional_attention)
    assert found == (metric, margin, all_candidates, mean, attention)
    usual = AuthorSettings("hidden", (0.0, 0.0))
    for field in (
        "energy",
        "split",
        "first_layers",
        "tome_layers",
        "merges_after",
        "last_layer_merges",
        "num_layers",
    ):
        assert getattr(row, field) == BESIDE.get(name, {}).get(field, getattr(usual, field)), field


@pytest.mark.parametrize(
    ("name", "num_layers", "found"),
    [
        ("deit", 5, ["all", "all", "all", "paper", "paper"]),  # layers 0, 1 and 2 are below 2.5
        ("mae", 4, ["paper", "paper", "all", "all"]),
        ("clip", 3, ["paper", "paper", "paper"]),
    ],
)
def test_the_matcher_of_each_layer(name: str, num_layers: int, found: list[str]) -> None:
    row = AUTHOR_SETTINGS[name]
    assert [row.candidates(layer, num_layers) for layer in range(num_layers)] == found


@pytest.mark.parametrize(
    ("family", "row"),
    [
        ("vit", "deit"),  # supervised checkpoints of that type, DeiT's among them
        ("deit", "deit"),
        ("clip", "clip"),
        ("bert", "bert"),
        ("distilbert", "distilbert"),
    ],
)
def test_the_row_of_a_family(family: str, row: str) -> None:
    assert family_of_type(family).author_settings == AUTHOR_SETTINGS[row]


def test_the_rows_import_no_torch() -> None:
    code = "import sys, pitome.models.author_settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
