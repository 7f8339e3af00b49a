"""Files of texts as users have them: lines, JSON and tables, with marks, holes and other encodings."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pitome.errors import InputError
from pitome.models.loading import LoadedModel
from pitome.validate.own_data import OwnSamples, check_own_data, read_own_data
from tests.validate.evaluate.tasks.small_text_models import load_tiny_text_model


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_tiny_text_model("BertModel", tmp_path_factory.mktemp("bert"))


def read(
    loaded: LoadedModel, path: Path, content: str | bytes, column: str | None = None, limit: int | None = None
) -> OwnSamples:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_own_data(f"texts:{path}", loaded, limit=limit, column=column)


def texts(samples: OwnSamples) -> dict[str, str]:
    return {name: samples.shown(row) for row, name in enumerate(samples.names)}


def skipped(samples: OwnSamples) -> dict[str, tuple[int, tuple[str, ...]]]:
    return {part.reason: (part.count, part.names) for part in samples.record.skipped}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("last", [True, False])
def test_a_line_each(loaded: LoadedModel, tmp_path: Path, end: str, mark: str, last: bool) -> None:
    content = mark + end.join(["good text", "", "  ", "bad text", "text\u2028text"]) + (end if last else "")
    samples = read(loaded, tmp_path / "a.txt", content)
    assert texts(samples) == {"line 1": "good text", "line 4": "bad text", "line 5": "text text"}
    assert skipped(samples) == {"empty": (2, ("line 2", "line 3"))}
    record = samples.record
    assert (record.found, record.used, record.column) == (3, 3, None)
    inputs = samples.load([0, 2]).inputs
    assert inputs["input_ids"][0, :2].tolist() == [4, 2]
    assert inputs["attention_mask"].sum(dim=1).tolist() == [2, 2]


def test_bytes_that_are_no_utf8(loaded: LoadedModel, tmp_path: Path) -> None:
    samples = read(loaded, tmp_path / "a.txt", b"good\ncaf\xe9 text\nbad\n\xff\xff\n")
    assert texts(samples) == {"line 1": "good", "line 3": "bad"}
    assert skipped(samples) == {"not UTF-8": (2, ("line 2", "line 4"))}


def test_json_lines(loaded: LoadedModel, tmp_path: Path) -> None:
    lines = [
        {"text": "good", "id": 1},
        {"text": None},
        {"text": 5},
        {"text": ["good"]},
        {"id": 2},
        "a text of its own",
        {"text": ""},
        {"text": "half \ud800 a pair"},
        7,
        {"id": 3, "text": "line\nbreak"},
    ]
    content = "\n".join(map(json.dumps, lines)) + "\n{broken\n\n" + "[" * 100_000
    samples = read(loaded, tmp_path / "a.jsonl", content)
    assert texts(samples) == {"line 1": "good", "line 6": "a text of its own", "line 10": "line break"}
    assert samples.record.column == "text"
    assert skipped(samples) == {
        "no text": (4, ("line 2", "line 3", "line 4", "line 9")),
        "empty": (2, ("line 7", "line 12")),
        "no JSON": (2, ("line 11", "line 13")),
        "without the column text": (1, ("line 5",)),
        "not UTF-8": (1, ("line 8",)),
    }


@pytest.mark.parametrize(
    ("content", "column"),
    [
        (["good", "bad"], None),
        ([{"text": "good"}, {"text": "bad"}], None),
        ([{"body": "good", "text": "x"}, {"body": "bad"}], "body"),
        ({"text": ["good", "bad"], "id": [1, 2]}, None),
        ({"body": ["good", "bad"], "n": 2}, "body"),
    ],
)
def test_json(loaded: LoadedModel, tmp_path: Path, content: object, column: str | None) -> None:
    samples = read(loaded, tmp_path / "a.json", json.dumps(content), column)
    assert texts(samples) == {"item 1": "good", "item 2": "bad"}


@pytest.mark.parametrize("suffix", ["csv", "tsv", "CSV"])
def test_tables(loaded: LoadedModel, tmp_path: Path, suffix: str) -> None:
    comma = "\t" if suffix == "tsv" else ","
    rows = [
        "id, text ,note",
        '1,"good, ""text""\nin two lines",x',
        "2,,x",
        "",
        "3",
        "4,bad,x,y",
        "5,None,x",
        "6,5,x",
    ]
    content = "\r\n".join(row.replace(",", comma) for row in rows)
    samples = read(loaded, tmp_path / f"a.{suffix}", "\ufeff" + content)
    assert texts(samples) == {
        "row 1": f'good{comma} "text" in two lines'.replace("\t", " ").replace("  ", " "),
        "row 6": "None",
        "row 7": "5",
    }
    assert skipped(samples) == {
        "empty": (3, ("row 2", "row 3", "row 4")),
        "with more values than the table has columns": (1, ("row 5",)),
    }
    named = read(loaded, tmp_path / f"a.{suffix}", content, "note")
    assert named.record.column == "note"
    assert set(texts(named).values()) == {"x"}


def test_huge_texts(loaded: LoadedModel, tmp_path: Path) -> None:
    huge = "text " * 150_000
    samples = read(loaded, tmp_path / "a.txt", f"good\n{huge}\n{huge}{huge}\nbad")
    assert list(samples.names) == ["line 1", "line 2", "line 4"]
    assert skipped(samples) == {"too long (more than 1,000,000 characters)": (1, ("line 3",))}
    assert samples.shown(1) == f"{('text ' * 32)[:160]}..."
    as_table = read(loaded, tmp_path / "a.csv", f"text\ngood\n{huge}\n")
    assert list(as_table.names) == ["row 1", "row 2"]


def test_a_limit_chooses_by_the_seed_and_says_which(loaded: LoadedModel, tmp_path: Path) -> None:
    content = "\n".join(f"good {'text ' * (place % 5)}" for place in range(30))
    five, again, ten = (read(loaded, tmp_path / "a.txt", content, limit=limit) for limit in (5, 5, 10))
    assert five.names == again.names == five.record.chosen
    assert set(five.names) < set(ten.names)
    assert (five.record.found, five.record.used, five.record.limit) == (30, 5, 5)
    assert five.record.data_sha256 == again.record.data_sha256 != ten.record.data_sha256


def test_the_digest_is_that_of_what_is_used(loaded: LoadedModel, tmp_path: Path) -> None:
    first = read(loaded, tmp_path / "a.txt", "good\nbad\n").record.data_sha256
    assert read(loaded, tmp_path / "a.txt", "good\nbad\n\n").record.data_sha256 == first
    assert read(loaded, tmp_path / "a.txt", "good\nbad text\n").record.data_sha256 != first
    assert read(loaded, tmp_path / "a.txt", "good\n\nbad\n").record.data_sha256 != first


REFUSED = [
    ("a.txt", b"", None, "there is no text in it that can be used. Give a file"),
    ("a.txt", b"\n \n", None, "there is no text in it that can be used: 2 empty (line 1, line 2)"),
    ("a.txt", b"\xff\xfeg\x00", None, "it is written in UTF-16. Save it as UTF-8 (iconv -f UTF-16 -t UTF-8)"),
    ("a.txt", b"good", "text", "the column text of texts:{path}: a .txt file has no columns"),
    ("a.csv", b"", None, "it has no column text; its columns are none. Name the one with the texts with"),
    ("a.csv", b"id;body\n1;good\n", None, "it has no column text; its columns are id;body"),
    ("a.csv", b"id,body\n1,good\n", None, "it has no column text; its columns are id, body"),
    ("a.csv", b"id,text\n1,good\n", "body", "it has no column body; its columns are id, text"),
    ("a.csv", b"text,text\ngood,bad\n", None, "2 columns are named text"),
    ("a.csv", b'text\n"good\nbad\n', None, "it can't be read as a table (unexpected end of data)"),
    ("a.csv", b"text\n", None, "there is no text in it that can be used. Give"),
    ("a.tsv", b"text,id\ngood,1\n", None, "it has no column text; its columns are text,id"),
    ("a.jsonl", b'{"body": "good"}\n', None, "it has no column text; its columns are body"),
    ("a.jsonl", b'"good"\n', "body", "it has no column body; its columns are none"),
    ("a.jsonl", b"{\n", None, "there is no text in it that can be used: 1 no JSON (line 1)"),
    ("a.json", b"{", None, "it holds no JSON that can be read. Give a list of texts"),
    ("a.json", b"5", None, "it holds JSON that is no list"),
    ("a.json", b'{"text": "good"}', None, "it holds JSON that is no list"),
    ("a.json", b"[]", None, "there is no text in it that can be used. Give"),
    ("a.json", b"[" * 100_000, None, "it holds no JSON that can be read"),
    ("a.parquet", b"PAR1", None, "ends in none of .txt, .jsonl, .json, .csv, .tsv"),
    ("texts", b"good", None, "ends in none of .txt"),
]


@pytest.mark.parametrize(("name", "content", "column", "found"), REFUSED)
def test_files_that_are_refused(
    loaded: LoadedModel, tmp_path: Path, name: str, content: bytes, column: str | None, found: str
) -> None:
    path = tmp_path / name
    with pytest.raises(InputError) as error:
        read(loaded, path, content, column)
    assert found.format(path=path) in str(error.value)
    assert f"texts:{path}" in str(error.value)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda path: None, "there is no file"),
        (lambda path: path.mkdir(), "is a folder"),
        (os.mkfifo, "is no regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "is no regular file"),
        (lambda path: path.symlink_to(path), "can't be read (Too many levels of symbolic links)"),
    ],
)
def test_what_is_no_file_is_refused_unopened(tmp_path: Path, make, found: str) -> None:
    make(tmp_path / "a.txt")
    with pytest.raises(InputError) as error:
        check_own_data(f"texts:{tmp_path / 'a.txt'}")
    assert found in str(error.value)


def test_a_file_larger_than_memory_is_refused_unread(tmp_path: Path) -> None:
    with open(tmp_path / "a.txt", "wb") as file:
        file.truncate(2**40)  # takes no space
    with pytest.raises(InputError, match="the file has 1,099,511,627,776 bytes, and 1,073,741,824 at most"):
        check_own_data(f"texts:{tmp_path / 'a.txt'}")
