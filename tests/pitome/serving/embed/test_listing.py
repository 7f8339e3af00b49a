"""From paths to the sorted list of inputs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from pitome.errors import InputError
from pitome.models.task import Modality
from pitome.serving.embed.items import Item
from pitome.serving.embed.listing import Listing
from pitome.serving.embed.tables import Columns


def listed(*paths: Path | str, modality: Modality = "image", **columns: Any) -> list[Item]:
    return list(Listing([Path(path) for path in paths], modality, Columns(**columns)).items())


def ids(items: list[Item]) -> list[str]:
    return [item.id for item in items]


def refused(*paths: Path | str, modality: Modality = "image", **columns: Any) -> str:
    with pytest.raises(InputError) as found:
        listed(*paths, modality=modality, **columns)
    return str(found.value)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*names: str, content: str = "") -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(content, encoding="utf-8")


def test_a_folder_is_sorted_by_path_and_what_is_no_image_is_counted(here: Path) -> None:
    make("p/b.png", "p/a/z.JPG", "p/a.png", "p/A.png", "p/x.txt", "p/.h.png", "p/.git/i.png")
    listing = Listing([Path("p")], "image", Columns())
    assert ids(list(listing.items())) == ["p/A.png", "p/a.png", "p/a/z.JPG", "p/b.png"]
    assert listing.left_out.told() == "2 hidden, 1 with another ending"


def test_the_order_of_the_paths_does_not_matter(here: Path) -> None:
    make("p/b.png", "q/a.png", "c.png")
    assert listed("q", "p", "c.png") == listed("p", "c.png", "q")
    assert ids(listed("q", "p", "c.png")) == ["c.png", "p/b.png", "q/a.png"]


def test_links_to_folders_are_followed_once(here: Path) -> None:
    make("p/a.png", "elsewhere/b.png")
    os.symlink("../p", "p/again")
    os.symlink("../elsewhere", "p/more")
    os.symlink("nowhere.png", "p/broken.png")
    os.symlink("itself", "p/itself")
    assert ids(listed("p")) == ["p/a.png", "p/broken.png", "p/more/b.png"]


def test_a_list_names_files_as_seen_from_its_folder(here: Path) -> None:
    make("lists/a.png", "b.png")
    make("lists/files.txt", content="a.png\n\n  ../b.png \n/nowhere/c.png\n")
    found = listed("lists/files.txt")
    assert ids(found) == ["a.png", "../b.png", "/nowhere/c.png"]
    assert [item.size for item in found] == [0, 0, None]
    assert [Path(str(item.place)).exists() for item in found] == [True, True, False]


def test_a_list_that_is_meant_from_the_working_folder_is_refused(here: Path) -> None:
    make("photos/a.png")
    make("lists/files.txt", content="photos/a.png\n")
    assert refused("lists/files.txt") == (
        "the list lists/files.txt: its first path, photos/a.png, is there from the working folder, and not "
        "from the list's own. Write the paths as seen from the list's folder, or in full"
    )


def test_texts(here: Path) -> None:
    make("t/b.txt", "t/a.txt", "t/c.png")
    make("lines.txt", content="one\r\ntwo\n\nfour")
    make("some.list", content="t/b.txt\n")
    found = listed("t", "lines.txt", "some.list", modality="text")
    assert ids(found) == [
        "lines.txt#0",
        "lines.txt#1",
        "lines.txt#2",
        "lines.txt#3",
        "t/b.txt",
        "t/a.txt",
        "t/b.txt",
    ]
    assert [item.text for item in found[:4]] == ["one", "two", "", "four"]


def test_lines_that_are_not_utf8_are_failures(here: Path) -> None:
    Path("t.txt").write_bytes(b"\xef\xbb\xbfone\ntw\xff\n")
    assert [(item.text, item.reason) for item in listed("t.txt", modality="text")] == [
        ("one", None),
        (None, "not UTF-8"),
    ]


def test_a_name_that_is_not_utf8_is_a_failure(here: Path) -> None:
    os.mkdir("p")
    with open(b"p/\xff.png", "wb"):
        pass
    (item,) = listed("p")
    assert (item.id, item.reason) == ("p/\\xff.png", "its name is not UTF-8")


def test_json_lines(here: Path) -> None:
    lines = [
        '{"text": "one", "n": 1}',
        "no json",
        "[1]",
        '{"n": 3}',
        "",
        '{"text": 5, "n": null}',
        '{"text": "\\ud800"}',
    ]
    make("t.jsonl", content="\n".join(lines))
    found = listed("t.jsonl", modality="text", keep=("n",))
    assert ids(found) == [f"t.jsonl#{row}" for row in range(6)]
    assert [item.text for item in found] == ["one", None, None, None, None, None]
    assert [item.reason for item in found] == [
        None,
        "no JSON",
        "no JSON object",
        "no text (it is without the column text)",
        "no text",
        "not UTF-8",
    ]
    assert [item.kept["n"] for item in found] == [1, None, None, 3, None, None]


def test_json_lines_of_texts_alone(here: Path) -> None:
    make("t.jsonl", content='"one"\n"two"\n')
    assert [item.text for item in listed("t.jsonl", modality="text")] == ["one", "two"]


@pytest.mark.parametrize(
    ("values", "kind", "kept"),
    [
        ([1, None, 2**62], pa.int64(), [1, None, 2**62]),
        ([1, 0.5], pa.float64(), [1.0, 0.5]),
        ([2**53 + 1, 0.5], pa.string(), ["9007199254740993", "0.5"]),
        ([2**63, 1], pa.string(), ["9223372036854775808", "1"]),
        ([True, False], pa.bool_(), [True, False]),
        ([True, 1], pa.string(), ["true", "1"]),
        (["a", None], pa.string(), ["a", None]),
        (["a", 1], pa.string(), ['"a"', "1"]),
        ([{"b": [1]}, None], pa.string(), ['{"b": [1]}', None]),
        ([None, None], pa.string(), [None, None]),
    ],
)
def test_kept_columns_of_json_lines_have_one_type(
    here: Path, values: list[Any], kind: pa.DataType, kept: list[Any]
) -> None:
    make("t.jsonl", content="".join(json.dumps({"text": "x", "k": value}) + "\n" for value in values))
    columns = Columns(keep=("k",))
    found = list(Listing([Path("t.jsonl")], "text", columns).items())
    assert columns.types == {"k": kind}
    assert [item.kept["k"] for item in found] == kept
    assert pa.array([item.kept["k"] for item in found], kind).to_pylist() == kept


def test_csv(here: Path) -> None:
    make("t.csv", content='id,text,n\na,"one,\n two",1\nb,two\n\nc,three,3,4\n')
    found = listed("t.csv", modality="text", keep=("n",))
    assert ids(found) == ["t.csv#0", "t.csv#1", "t.csv#2"]
    assert [item.text for item in found] == ["one,\n two", "two", None]
    assert found[2].reason == "with more values than the table has columns"
    assert [item.kept["n"] for item in found] == ["1", None, None]
    assert ids(listed("t.csv", modality="text", id_column="id")) == ["a", "b", "t.csv#2"]


def test_parquet_of_texts_and_ids(here: Path) -> None:
    table = pa.table(
        {"body": ["one", None, "three"], "key": [7, 8, 9], "when": pa.array([1, 2, 3], pa.date32())}
    )
    parquet.write_table(table, "t.parquet")
    columns = Columns("body", "key", ("when",))
    found = list(Listing([Path("t.parquet")], "text", columns).items())
    assert ids(found) == ["7", "8", "9"]
    assert [(item.text, item.reason) for item in found] == [("one", None), (None, "no text"), ("three", None)]
    assert columns.types == {"when": pa.date32()}
    assert [item.kept["when"] for item in found] == table.column("when").to_pylist()


@pytest.mark.parametrize(
    "kind", [pa.binary(), pa.large_binary(), pa.struct({"bytes": pa.binary(), "path": pa.string()})]
)
def test_parquet_that_holds_images_is_referred_to(here: Path, kind: pa.DataType) -> None:
    values = [{"bytes": b"x", "path": "a"}] * 3 if pa.types.is_struct(kind) else [b"x"] * 3
    parquet.write_table(pa.table({"image": pa.array(values, kind), "n": [1, 2, 3]}), "t.parquet")
    found = listed("t.parquet", keep=("n",))
    assert [(item.place, item.row) for item in found] == [(str(here / "t.parquet"), row) for row in range(3)]
    assert [item.kept["n"] for item in found] == [1, 2, 3]
    assert len(listed("t.parquet")) == 3


def test_images_by_their_paths_in_a_column(here: Path) -> None:
    make("data/a.png")
    make("data/t.csv", content="file,label\na.png,cat\n,dog\nb.png,cow\n")
    found = listed("data/t.csv", column="file", keep=("label",))
    assert [item.written for item in found] == ["a.png", None, "b.png"]
    assert [item.reason for item in found] == [None, "no image", None]
    assert [item.kept["label"] for item in found] == ["cat", "dog", "cow"]
    assert found[0].place == str(here / "data" / "a.png")


def test_refusals(here: Path) -> None:
    make("a.png", "x.doc")
    make("t.csv", content="text,n,n\nx,1,2\n")
    make("u.jsonl", content='{"text": "x", "n": 1}\n')
    make("quotes.csv", content='text\n"open\nx\n')
    Path("wide.jsonl").write_text('{"text": "x"}', encoding="utf-16")
    parquet.write_table(pa.table({"text": ["x"], "n": ["1"]}), "v.parquet")
    make("cut.parquet", content="PAR1")
    tables = ".jsonl, .csv, .tsv, .parquet"
    wanted = f"an image, a folder of them, a list of their paths (.txt, .list) or a table ({tables})"
    assert refused("gone") == f"gone: there is no such file or folder. Give {wanted}"
    assert refused("x.doc") == f"x.doc: its name ends in .doc. Give {wanted}"
    assert refused("a.png", modality="text").startswith(
        "a.png: its name ends in .png. Give a .txt with a text"
    )
    assert refused("a.png", id_column="n") == (
        "the column n: no table is among the paths. Give a table (.jsonl, .csv, .tsv, .parquet), or leave "
        "the option out"
    )
    assert refused("t.csv", modality="text", column="body") == (
        "the column body of t.csv: it has no such column; its columns are text, n, n. Name one of these "
        "(--column has the texts or images)"
    )
    assert refused("t.csv", modality="text", keep=("n",)) == (
        "t.csv: 2 columns are named n. Give each a name of its own"
    )
    assert refused("u.jsonl", "v.parquet", modality="text", keep=("n",)) == (
        "--keep n: it is string in v.parquet and int64 in u.jsonl. Give it one type in all tables, or embed "
        "them one by one"
    )
    assert refused("quotes.csv", modality="text") == (
        "quotes.csv: it can't be read as a table (unexpected end of data). Double the quotes in its values, "
        "or save it as .jsonl"
    )
    assert refused("wide.jsonl", modality="text") == (
        "wide.jsonl: it is written in UTF-16. Save it as UTF-8 (iconv -f UTF-16 -t UTF-8)"
    )
    assert refused("cut.parquet", modality="text").startswith("cut.parquet: it can't be read as Parquet (")
    assert refused("u.jsonl", modality="text", keep=("embedding",)) == (
        "--keep embedding: the embeddings have a column of that name. Rename it in the table"
    )
    make("ids.jsonl", content='{"text": "x", "key": "a"}\n{"text": "y", "key": 1.5}\n')
    assert refused("ids.jsonl", modality="text", id_column="key") == (
        "the ids in the column key of ids.jsonl: row 1, counted from 0, has 1.5. Give every row a text or a "
        "whole number there, or leave --id-column out"
    )


def test_a_pipe_is_not_waited_for(here: Path) -> None:
    os.mkfifo("p.png")
    assert refused("p.png").startswith("p.png: it is no regular file.")
