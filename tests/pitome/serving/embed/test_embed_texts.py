"""Texts: from lines, tables and files, too long and not too long."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import pitome
from pitome.errors import InputError
from pitome.serving.embed import EmbedOptions, embed
from tests.pitome.serving.embed.embeddings import errors_of, published, rows_of, vectors_of

pytestmark = pytest.mark.slow

TEXTS = [" ".join(["the"] * count) for count in (1, 22, 23, 40, 3, 7)]
"""Of so many words: with the two tokens around it one of 22 just fits into 24."""


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EmbedOptions:
    monkeypatch.chdir(tmp_path)
    rows = [{"text": text, "label": number % 2 == 0} for number, text in enumerate([*TEXTS, " ", "\ud800"])]
    Path("t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return EmbedOptions(out=tmp_path / "out", shard_rows=4, batch_size=2, threads=1, keep=("label",))


def test_too_long_texts_are_failures(text_bundle: Path, options: EmbedOptions) -> None:
    found = embed(text_bundle, [Path("t.jsonl")], options)
    assert (found.embedded, found.failed, found.cut, found.dimension) == (4, 4, 0, 32)
    assert errors_of(options.out) == {
        "t.jsonl#2": "too long: 25 tokens, and the model takes 24",
        "t.jsonl#3": "too long: 42 tokens, and the model takes 24",
        "t.jsonl#6": "empty",
        "t.jsonl#7": "not UTF-8",
    }
    table = rows_of(options.out)
    assert table.column("row").to_pylist() == [0, 1, 4, 5]
    assert table.column("label").to_pylist() == [True, False, True, False]
    with pitome.load(text_bundle) as bundle:
        expected = bundle.texts([TEXTS[row] for row in (0, 1, 4, 5)])
    assert np.abs(vectors_of(options.out) - expected).max() <= 1e-5
    assert not (options.out / "truncated.parquet").exists()


def test_truncate_cuts_them_and_lists_them(text_bundle: Path, options: EmbedOptions) -> None:
    found = embed(text_bundle, [Path("t.jsonl")], replace(options, truncate=True))
    assert (found.embedded, found.failed, found.cut) == (6, 2, 2)
    assert parquet.read_table(options.out / "truncated.parquet").to_pylist() == [
        {"id": "t.jsonl#2", "tokens": 25, "limit": 24},
        {"id": "t.jsonl#3", "tokens": 42, "limit": 24},
    ]
    with pitome.load(text_bundle) as bundle:
        expected = bundle.texts(TEXTS, truncate=True)
    assert np.abs(vectors_of(options.out) - expected).max() <= 1e-5


@pytest.mark.full
def test_the_form_of_the_input_does_not_matter(text_bundle: Path, options: EmbedOptions) -> None:
    """Lines, a column of Parquet, files of a folder: the same vectors."""
    options = replace(options, keep=(), truncate=True)
    Path("lines.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    parquet.write_table(pa.table({"body": TEXTS}), "t.parquet")
    Path("folder").mkdir()
    for number, text in enumerate(TEXTS):
        Path("folder", f"{number}.txt").write_text(text, encoding="utf-8")
    found = {}
    for name in ("lines.txt", "t.parquet", "folder"):
        other = replace(options, out=Path(f"out-{name}"), column="body" if name == "t.parquet" else None)
        embed(text_bundle, [Path(name)], other)
        found[name] = vectors_of(other.out)
    assert np.array_equal(found["lines.txt"], found["t.parquet"])
    assert np.array_equal(found["lines.txt"], found["folder"])
    assert rows_of(Path("out-folder")).column("id").to_pylist() == [
        f"folder/{number}.txt" for number in range(6)
    ]


def test_files_that_hold_no_text(text_bundle: Path, options: EmbedOptions) -> None:
    Path("good.txt").write_text("the", encoding="utf-8")
    Path("wide.txt").write_text("the", encoding="utf-16")
    Path("folder").mkdir()
    Path("some.list").write_text("good.txt\nwide.txt\ngone.txt\nfolder\n", encoding="utf-8")
    embed(text_bundle, [Path("some.list")], replace(options, keep=()))
    assert errors_of(options.out) == {
        "wide.txt": "not UTF-8",
        "gone.txt": "there is no such file",
        "folder": "it is not a regular file",
    }


def test_a_repeat_writes_the_same_bytes(text_bundle: Path, options: EmbedOptions) -> None:
    embed(text_bundle, [Path("t.jsonl")], options)
    other = replace(options, out=Path("other"), threads=2)
    embed(text_bundle, [Path("t.jsonl")], other)
    assert published(options.out) == published(other.out)


def test_a_changed_text_is_another_list(text_bundle: Path, options: EmbedOptions) -> None:
    embed(text_bundle, [Path("t.jsonl")], options)
    before = published(options.out)
    content = Path("t.jsonl").read_text(encoding="utf-8")
    Path("t.jsonl").write_text(content.replace('"the"', '"thy"'), encoding="utf-8")
    with pytest.raises(InputError, match="its list had 8 inputs as this one has, and not the same"):
        embed(text_bundle, [Path("t.jsonl")], options)
    assert published(options.out) == before


def test_a_prompt_that_is_not_there(text_bundle: Path, options: EmbedOptions) -> None:
    with pytest.raises(InputError, match="prompt='query': the checkpoint has no prompts"):
        embed(text_bundle, [Path("t.jsonl")], replace(options, prompt="query"))
    assert not options.out.exists()


def test_images_are_not_texts(text_bundle: Path, options: EmbedOptions) -> None:
    with pytest.raises(InputError, match="--modality image with bert-tiny: its bundle takes texts"):
        embed(text_bundle, [Path("t.jsonl")], replace(options, modality="image"))
