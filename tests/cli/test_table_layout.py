"""At 80 columns, and at fewer, every table shows every cell whole; names are folded, numbers are not."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pitome.cli import tables
from pitome.cli.console import output_console
from pitome.cli.table_layout import Column, ResultTable
from tests.cli.command_line import finish, start

LONG = "organisation-with-a-long-name/vision-transformer-of-a-long-name-patch16-224-finetuned"
TIMING = {"median_milliseconds": 1234.56, "p95_milliseconds": 2345.67, "per_second": 1234.5}
CONTESTANT = {
    "name": LONG,
    "timing": TIMING,
    "ratio": 1.23,
    "ratio_interval": (1.2, 1.26),
    "bound": 1.52,
    "share": 0.81,
    "share_of_bound": 0.81,
    "memory": {"peak_bytes": 1_234_000_000},
    "steady": True,
    "steady_reason": None,
}
LATENCY = {
    "provider": "CPUExecutionProvider",
    "threads": 2,
    "comparison": [{"batch": batch, "contestants": [CONTESTANT] * 2} for batch in (1, 32)],
}
LAYER = {
    "layer": 11,
    "tokens": 1025,
    "merged": 102,
    "compared": 123_456,
    "agreed": 123_450,
    "excused": 6,
    "excused_by_jumps": 1,
    "unexplained": 0,
    "token_agreement": 0.9987,
    "tolerance": 1.2e-7,
    "free_running_agreement": 0.998,
    "first_differences": 12,
}
DECISIONS = {
    "runtime": "onnxruntime",
    "verdict": "pass",
    "layers": [LAYER],
    "same_throughout": 4,
    "images": 8,
    "margins": [
        {"layer": 11, "kind": "edge", "count": 12345, "smallest": 1e-9}
        | {"percentiles": {"1": 1e-8, "10": 1e-7, "50": 1e-3}}
    ],
}
ARITHMETIC = {"output": "text_embedding_of_a_long_name", "precision": "fp32", "passed": True} | dict.fromkeys(
    ("error", "torch_error", "limit", "rms_error", "torch_rms_error", "rms_limit"), 1.23e-7
)
PARITY = {
    "verdict": "pass",
    "decisions": DECISIONS,
    "reported_decisions": [],
    "reduced": [],
    "unchecked": [],
    "arithmetic": [ARITHMETIC],
    "failures": [],
}


def printed(show: Callable[[Console], None], columns: int, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    with redirect_stdout(io.StringIO()) as stream:
        show(output_console())
    text = stream.getvalue()
    assert max(map(len, text.splitlines())) <= columns
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    return text


def holds_folded(text: str, name: str) -> bool:
    """Whether a column that was folded holds a name: its first characters, and all of its pieces in order."""
    lines = text.splitlines()
    for place, line in enumerate(lines):
        for found in re.finditer(re.escape(name[:8]), line):
            rest = name
            for below in lines[place:]:
                piece = (below[found.start() :].split() or [""])[0]
                if not piece or not rest.startswith(piece):
                    break
                rest = rest[len(piece) :]
            if not rest:
                return True
    return False


@pytest.mark.parametrize("columns", [140, 80, 60, 40])
def test_latency(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed(lambda console: tables.print_latency(console, LATENCY), columns, monkeypatch)
    for cell in ("32", "1234.56", "2345.67", "1234.5", "1.23\N{MULTIPLICATION SIGN}", "(1.20 to 1.26)"):
        assert text.count(cell) >= 2
    for cell in ("1.52\N{MULTIPLICATION SIGN}", "0.81", "1.23 GB", "yes"):
        assert text.count(cell) >= 4
    assert holds_folded(text, LONG)


@pytest.mark.parametrize("columns", [140, 80, 60, 40])
def test_parity(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed(lambda console: tables.print_parity(console, PARITY), columns, monkeypatch)
    for cell in ("1025", "123456", "123450", "unexplained", "0.9987", "1.2e-07", "0.998", "12345", "1.0e-09"):
        assert cell in text
    assert text.count("1.23e-07") == 6
    assert holds_folded(text, "text_embedding_of_a_long_name")


def accuracy() -> dict[str, Any]:
    metric = {"mean": 0.81234, "low": 0.8, "high": 0.82, "samples": 12_345}
    change = {"against": "unmerged", "metric": "accuracy", "mean": -0.01, "low": -0.02, "high": 0.01}
    model = {"metrics": {"accuracy": metric}, "differences": [change | {"p_value": 0.123}], "refit": False}
    return {
        "task": "fashion",
        "split": "test",
        "main": "accuracy",
        "models": [model | {"model": name} for name in ("unmerged", LONG)],
        "unavailable": {},
    }


def test_accuracy(monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed(lambda console: tables.print_accuracy(console, accuracy()), 80, monkeypatch)
    for cell in ("81.23", "80.00 to 82.00", "(-2.00 to +1.00)", "0.123"):
        assert text.count(cell) == 2
    assert holds_folded(text, LONG)


def test_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("Model", LONG, LONG), ("FLOPs per input", "17.6 G", "12.1 G")]
    first, second = Path("build", LONG), Path("other", LONG)
    text = printed(lambda console: tables.print_comparison(console, first, second, rows), 80, monkeypatch)
    assert holds_folded(text, LONG)
    assert holds_folded(text, f"build/{LONG}")
    assert holds_folded(text, f"other/{LONG}")


@pytest.mark.parametrize("columns", ["80", "60"])
def test_the_presets_at_real_widths(columns: str) -> None:
    outcome = finish(start("models", environment={"COLUMNS": columns}))
    assert outcome.code == 0
    assert max(map(len, outcome.out.splitlines())) <= int(columns)
    for name in ("deit-t16-distilled", "distilbert-sst2"):
        assert name in outcome.out
    assert holds_folded(outcome.out, "distilbert/distilbert-base-uncased-finetuned-sst-2-english")


def test_frames_where_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    table = ResultTable("title", [Column("name", free=True), Column("number", right=True)])
    table.add_row("clip", "1.5")
    assert "┃ name" in printed(lambda console: console.print(table), 80, monkeypatch)


def test_columns_that_do_not_fit_follow_below_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    table = ResultTable(
        "title", [Column("name"), *(Column(f"number{each}", right=True) for each in range(4))]
    )
    table.add_row("clip", *("1234567890",) * 4)
    assert printed(lambda console: console.print(table), 30, monkeypatch).splitlines() == [
        "title".ljust(28),
        *("name     number0     number1", "─" * 28, "clip  1234567890  1234567890"),
        *("name     number2     number3", "─" * 28, "clip  1234567890  1234567890"),
    ]


def test_a_console_that_is_too_narrow_for_words_cuts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    table = ResultTable("", [Column("name"), Column("value")])
    table.add_row("a" * 50, "b" * 50)
    text = printed(lambda console: console.print(table), 20, monkeypatch)
    assert text.count("a") == 52  # those of the headings too
    assert text.count("b") == 50
