"""The report, word for word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.plugins.gpu_kernels.block import CLIP_B16
from tests.plugins.gpu_kernels.report import Report, Setting, describe_setting
from tests.plugins.gpu_kernels.speed import KernelTime, Speed
from tests.plugins.gpu_kernels.table import TableResult, WrongCase

SETTING = Setting(
    "2026-11-28T10:00:00+00:00", "43e139357323", "Some GPU, compute capability 9.0", "3.12.3", "2.11.0",
    "13.0", "libpitome_kernels.so", "0123abcd", early_launch=True,
)  # fmt: skip
KERNELS = (KernelTime("compare_pairs", 1, 2.5e-6), KernelTime("decide_and_merge", 1, 4.25e-6))
SPEED = (
    Speed("hidden", 1, 50e-6, 8e-6, 56.04e-6, KERNELS),
    Speed("keys", 1, 50e-6, 6e-6, 54e-6, ()),
)
RIGHT = TableResult(1054, 1054, 1054, ())


def test_the_page() -> None:
    assert (
        Report(SETTING, RIGHT, CLIP_B16, SPEED, "").to_markdown()
        == """\
# The merge's kernels

Ran on Some GPU, compute capability 9.0, 2026-11-28T10:00:00+00:00.

- checkout: 43e139357323
- Python 3.12.3, PyTorch 2.11.0, built for CUDA 13.0
- library: libpitome_kernels.so, SHA-256 0123abcd
- programmatic dependent launch: asked for

## Cases

1054 of 1054 cases are right, each run twice. 1054 of 1054 were to run.

## Time

One float16 merge of CLIP ViT-B/16, first layer: 197 tokens of 768, r = 19, M = 176; in PyTorch, \
20 of a kind in one CUDA graph, medians of 31 rounds. The share is of the block's time without a merge; \
with it, the block's MLP has 178 tokens.

| metric | batch | block | merge | share | block with merge |
| --- | --- | --- | --- | --- | --- |
| hidden | 1 | 50.0 µs | 8.0 µs | 16.0 % | 56.0 µs |
| keys | 1 | 50.0 µs | 6.0 µs | 12.0 % | 54.0 µs |

Each kernel by PyTorch's profiler, in one merge:

| metric | batch | kernel | launches | time |
| --- | --- | --- | --- | --- |
| hidden | 1 | `compare_pairs` | 1 | 2.5 µs |
| hidden | 1 | `decide_and_merge` | 1 | 4.2 µs |
"""
    )


def test_a_page_with_wrong_cases_and_without_times() -> None:
    wrong = (WrongCase("signs-N17", "AssertionError: (at assert_values: assert x)"),)
    page = Report(SETTING, TableResult(3, 1054, 2, wrong), CLIP_B16, (), "a case is wrong").to_markdown()
    assert (
        page.split("## Cases\n\n")[1]
        == """\
1 of 2 cases are right, each run twice. 3 of 1054 were to run.

- `signs-N17`: AssertionError: (at assert_values: assert x)

## Time

Not measured: a case is wrong.
"""
    )


def test_a_profiler_that_sees_nothing_is_named() -> None:
    page = Report(SETTING, RIGHT, CLIP_B16, SPEED[1:], "").to_markdown()
    assert page.endswith(
        "none: the profiler saw no kernel, which some drivers allow to administrators only.\n"
    )


def test_the_json_has_every_number(tmp_path: Path) -> None:
    Report(SETTING, RIGHT, CLIP_B16, SPEED, "").write(tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["report.json", "report.md"]
    found = json.loads((tmp_path / "new" / "report.json").read_text(encoding="utf-8"))
    assert found["setting"]["ran_on"] == "Some GPU, compute capability 9.0"
    assert found["table"] == {"chosen": 1054, "of": 1054, "run": 1054, "wrong": []}
    assert found["layer"]["parameters"]["num_candidates"] == 176
    assert found["speed"][0] == {
        "metric": "hidden",
        "batch": 1,
        "block_seconds": 50e-6,
        "merge_seconds": 8e-6,
        "merging_block_seconds": 56.04e-6,
        "kernels": [
            {"name": "compare_pairs", "launches": 1, "seconds": 2.5e-6},
            {"name": "decide_and_merge", "launches": 1, "seconds": 4.25e-6},
        ],
        "share": pytest.approx(0.16),
    }


def test_the_setting_is_that_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = tmp_path / "library.so"
    library.write_bytes(b"abc")
    monkeypatch.setenv("PITOME_EARLY_LAUNCH", "1")
    found = describe_setting("here", library)
    assert (found.ran_on, found.torch, found.library) == ("here", torch.__version__, "library.so")
    assert found.library_sha256.startswith("ba7816bf8f01cfea")
    assert found.early_launch
    monkeypatch.setenv("PITOME_EARLY_LAUNCH", "0")
    monkeypatch.setenv("PATH", "")
    found = describe_setting("here", library)
    assert not found.early_launch
    assert found.commit == "", "no git, no commit"
