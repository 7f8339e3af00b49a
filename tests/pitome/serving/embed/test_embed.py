"""``pitome.serving.embed.embed``: what a run leaves, how it is gone on with, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from pitome.bundle import file_sha256
from pitome.errors import BundleError, InputError
from pitome.images.decoding import decode
from pitome.serving.embed import EmbedOptions, EmbedResult, embed
from tests.pitome.serving.embed.embeddings import (
    errors_of,
    one_by_one,
    published,
    rows_of,
    shards_of,
    vectors_of,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def options(tmp_path: Path) -> EmbedOptions:
    return EmbedOptions(out=tmp_path / "out", shard_rows=10, batch_size=4, threads=1, workers=1)


@pytest.fixture
def copied(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The photos below the working folder, with their times."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(photos, "photos")
    return Path("photos")


def stopped_after(count: int) -> Callable[[str, int, int], None]:
    """A report that interrupts the run when so many inputs are done."""

    def report(detail: str, done: int, total: int) -> None:
        if done >= count:
            raise KeyboardInterrupt

    return report


def test_images(image_bundle: Path, copied: Path, options: EmbedOptions) -> None:
    found = embed(image_bundle, [copied], options)
    assert (found.inputs, found.embedded, found.failed, found.shards) == (32, 30, 2, 4)
    assert found.left_out == "1 hidden, 1 with another ending"
    table = rows_of(options.out)
    assert table.schema.names == ["id", "row", "embedding"]
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), 16)
    ids = table.column("id").to_pylist()
    assert ids == sorted(ids)
    assert (ids[0], ids[-1]) == ("photos/00.png", "photos/below/29.png")
    assert sorted({*range(32)} - {*table.column("row").to_pylist()}) == [30, 31]
    expected = one_by_one(image_bundle, [Path(each) for each in ids])
    assert np.abs(vectors_of(options.out) - expected).max() <= 1e-5
    assert errors_of(options.out) == {
        "photos/damaged.jpg": "it is none of the formats that are read",
        "photos/empty.png": "it is empty",
    }
    digest = file_sha256(image_bundle / "manifest.json").encode()
    for path in (*shards_of(options.out), options.out / "errors.parquet"):
        assert parquet.read_schema(path).metadata[b"pitome.bundle_sha256"] == digest
    assert sorted(published(options.out)) == [
        "embed.json",
        "errors.parquet",
        *(path.name for path in shards_of(options.out)),
    ]


def test_a_repeat_writes_the_same_bytes(image_bundle: Path, copied: Path, options: EmbedOptions) -> None:
    embed(image_bundle, [copied], options)
    other = replace(options, out=options.out.with_name("other"), workers=2, threads=2)
    embed(image_bundle, [copied], other)
    assert published(other.out) == published(options.out)


@pytest.mark.full
def test_the_data_may_lie_elsewhere(
    image_bundle: Path, copied: Path, options: EmbedOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same paths as the user wrote them, copied without their times: the same shards."""
    embed(image_bundle, [copied], options)
    shutil.copytree(copied, tmp_path / "moved" / "photos", copy_function=shutil.copyfile)
    monkeypatch.chdir(tmp_path / "moved")
    other = replace(options, out=options.out.with_name("other"))
    embed(image_bundle, [copied], other)
    one, two = published(options.out), published(other.out)
    del one["embed.json"], two["embed.json"]
    assert one == two


def test_a_finished_run_is_not_repeated(image_bundle: Path, copied: Path, options: EmbedOptions) -> None:
    first = embed(image_bundle, [copied], options)
    before = published(options.out)
    again = embed(image_bundle, [copied], options)
    assert published(options.out) == before
    assert (again.reused_shards, again.rate) == (4, None)
    assert replace(again, reused_shards=0, seconds=0, rate=None) == replace(first, seconds=0, rate=None)


def test_a_stopped_run_is_gone_on_with(image_bundle: Path, copied: Path, options: EmbedOptions) -> None:
    whole = replace(options, out=options.out.with_name("whole"))
    embed(image_bundle, [copied], whole)
    with pytest.raises(KeyboardInterrupt) as stop:
        embed(image_bundle, [copied], options, stopped_after(25))
    done = len(shards_of(options.out))
    assert 0 < done < 4
    assert stop.value.__notes__ == [f"{done} of 4 shards are in {options.out}: the same command goes on"]
    assert not (options.out / "errors.parquet").exists()
    found = embed(image_bundle, [copied], options)
    assert found.reused_shards == done
    assert published(options.out) == published(whole.out)


@pytest.mark.parametrize(
    "spoil",
    ["flipped", pytest.param("cut", marks=pytest.mark.full), pytest.param("emptied", marks=pytest.mark.full)],
)
def test_a_damaged_shard_is_made_again(
    image_bundle: Path, copied: Path, options: EmbedOptions, spoil: str
) -> None:
    embed(image_bundle, [copied], options)
    before = published(options.out)
    path = shards_of(options.out)[1]
    content = bytearray(path.read_bytes())
    if spoil == "flipped":
        content[len(content) // 3] ^= 255
    path.write_bytes(b"" if spoil == "emptied" else content[:-9] if spoil == "cut" else content)
    notes: list[str] = []
    found = embed(image_bundle, [copied], options, note=notes.append)
    assert published(options.out) == before
    assert found.reused_shards == 3
    assert notes[-1].startswith(f"the shard {path} is made again: it is damaged (")


def begun(bundle: Path, paths: list[Path], options: EmbedOptions) -> dict[str, bytes]:
    with pytest.raises(KeyboardInterrupt):
        embed(bundle, paths, options, stopped_after(20))
    return published(options.out)


def refused(bundle: Path, paths: list[Path], options: EmbedOptions) -> str:
    with pytest.raises(InputError) as error:
        embed(bundle, paths, options)
    return str(error.value)


def test_another_option_is_refused(image_bundle: Path, copied: Path, options: EmbedOptions) -> None:
    before = begun(image_bundle, [copied], options)
    for other, told in (
        (replace(options, batch_size=8), "it was begun with --batch-size 4, and this is --batch-size 8"),
        (replace(options, shard_rows=9), "it was begun with --shard-rows 10, and this is --shard-rows 9"),
        (replace(options, dtype="float16"), "it was begun with --dtype float32, and this is --dtype float16"),
        (replace(options, truncate=True), "it was begun with without --truncate, and this is --truncate"),
    ):
        assert told in refused(image_bundle, [copied], other)
        assert published(options.out) == before


def test_another_list_is_refused(image_bundle: Path, copied: Path, options: EmbedOptions) -> None:
    before = begun(image_bundle, [copied], options)
    asked = f"go on with {options.out}: it was begun with other inputs: "
    fewer = [copied / "below", *copied.glob("[0-9]*.png"), copied / "empty.png"]
    assert asked + "its list had 32 inputs, and this one has 31" in refused(image_bundle, fewer, options)
    os.utime(copied / "03.png", ns=(1, 1))
    assert asked + "files of its list were changed since" in refused(image_bundle, [copied], options)
    (copied / "03.png").write_bytes((copied / "03.png").read_bytes() + b"\0")
    assert asked + "its list had 32 inputs as this one has, and not the same" in refused(
        image_bundle, [copied], options
    )
    (copied / "03.png").unlink()
    assert asked + "its list had 32 inputs, and this one has 31" in refused(image_bundle, [copied], options)
    assert published(options.out) == before


def test_another_bundle_is_refused(
    image_bundle: Path, copied: Path, options: EmbedOptions, tmp_path: Path
) -> None:
    from pitome.bundle import read_manifest, write_manifest

    before = begun(image_bundle, [copied], options)
    other = Path(shutil.copytree(image_bundle, tmp_path / "bundle"))
    write_manifest(other, read_manifest(other).model_copy(update={"created": "2026-01-02T03:04:05+00:00"}))
    told = refused(other, [copied], options)
    assert f"go on with {options.out}: it was begun with another bundle" in told
    assert published(options.out) == before


def test_a_folder_of_something_else_is_left_alone(
    image_bundle: Path, copied: Path, options: EmbedOptions
) -> None:
    assert refused(image_bundle, [copied], replace(options, out=copied)).startswith(
        f"write {copied}: the folder holds something else, such as "
    )
    file = copied / "notes.md"
    assert refused(image_bundle, [copied], replace(options, out=file)) == (
        f"write {file}: it is a file. Give another folder with --out"
    )
    assert not (copied / ".lock").exists()


def test_a_folder_that_is_written_to_is_refused(
    image_bundle: Path, copied: Path, options: EmbedOptions
) -> None:
    """By another thread or process alike: the lock is of the open file."""
    told: list[str] = []

    def report(detail: str, done: int, total: int) -> None:
        if not told:
            told.append(refused(image_bundle, [copied], options))

    embed(image_bundle, [copied], options, report)
    assert told == [
        f"write {options.out}: another run is writing there. Wait until it ends, or give another folder with "
        f"--out"
    ]


def test_a_record_that_is_damaged_is_refused(image_bundle: Path, copied: Path, options: EmbedOptions) -> None:
    embed(image_bundle, [copied], options)
    (options.out / "embed.json").write_text("{", encoding="utf-8")
    assert refused(image_bundle, [copied], options).startswith(
        f"go on with {options.out}: its embed.json can't be read ("
    )


def test_nothing_to_embed(image_bundle: Path, tmp_path: Path, options: EmbedOptions) -> None:
    (tmp_path / "none").mkdir()
    assert refused(image_bundle, [tmp_path / "none"], options) == (
        "the paths to embed: there is no input in them. Name folders or files with some"
    )
    assert not options.out.exists()


def test_nothing_that_could_be_embedded(image_bundle: Path, copied: Path, options: EmbedOptions) -> None:
    told = refused(image_bundle, [copied / "empty.png"], options)
    assert told == (
        f"embed 1 inputs: none could be; of 1 the reason is: it is empty. {options.out}/errors.parquet has "
        "the reason of each"
    )
    assert errors_of(options.out) == {str(copied / "empty.png"): "it is empty"}
    assert len(rows_of(options.out)) == 0


def test_random_weights_must_be_allowed(
    image_bundle: Path, copied: Path, options: EmbedOptions, tmp_path: Path
) -> None:
    from pitome.bundle import read_manifest, write_manifest

    other = Path(shutil.copytree(image_bundle, tmp_path / "bundle"))
    manifest = read_manifest(other)
    weights = manifest.model.weights.model_copy(update={"random": True, "seed": 0, "source": "random"})
    model = manifest.model.model_copy(update={"weights": weights})
    write_manifest(other, manifest.model_copy(update={"model": model}))
    with pytest.raises(BundleError, match="random"):
        embed(other, [copied], options)
    assert not options.out.exists()
    assert embed(other, [copied], replace(options, allow_random=True)).embedded == 30


@pytest.mark.full
def test_half_precision(image_bundle: Path, copied: Path, options: EmbedOptions) -> None:
    embed(image_bundle, [copied], options)
    other = replace(options, out=options.out.with_name("other"), dtype="float16")
    embed(image_bundle, [copied], other)
    assert rows_of(other.out).schema.field("embedding").type == pa.list_(pa.float16(), 16)
    assert np.array_equal(vectors_of(other.out), vectors_of(options.out).astype(np.float16))


def test_images_in_a_table(image_bundle: Path, copied: Path, options: EmbedOptions) -> None:
    """By their bytes or by their paths, the same vectors as from files; columns are passed through."""
    files = sorted(copied.glob("[0-9e]*.png"))
    rows = {"n": list(range(len(files))), "key": [f"k{number}" for number in range(len(files))]}
    parquet.write_table(
        pa.table({"image": [path.read_bytes() for path in files], **rows}), "bytes.parquet", row_group_size=7
    )
    parquet.write_table(pa.table({"image": [str(path) for path in files], **rows}), "paths.parquet")
    for name in ("bytes", "paths"):
        other = replace(options, out=Path(name), keep=("n",), id_column="key")
        found = embed(image_bundle, [Path(f"{name}.parquet")], other)
        assert (found.embedded, found.failed) == (10, 1)
        table = rows_of(other.out)
        kept = [number for number, path in enumerate(files) if path.name != "empty.png"]
        assert table.column("n").to_pylist() == kept
        assert table.column("id").to_pylist() == [f"k{number}" for number in kept]
        expected = one_by_one(image_bundle, [files[number] for number in kept])
        assert np.abs(vectors_of(other.out) - expected).max() <= 1e-5
    assert errors_of(Path("bytes")) == {"k10": "there are no bytes of an image"}
    assert errors_of(Path("paths")) == {"k10": "it is empty"}


@pytest.mark.full
def test_ids_that_stand_twice_are_told(image_bundle: Path, copied: Path, options: EmbedOptions) -> None:
    notes: list[str] = []
    found = embed(image_bundle, [copied, copied / "03.png"], options, note=notes.append)
    assert (found.inputs, found.repeated_ids) == (33, 1)
    assert "1 inputs have the id of an earlier one" in notes


def test_what_is_assumed_of_images_is_told(image_bundle: Path, tmp_path: Path, options: EmbedOptions) -> None:
    from PIL import Image

    image = Image.fromarray(np.linspace(0, 1, 400, dtype=np.float32).reshape(20, 20))
    image.save(tmp_path / "float.tiff")
    remark = decode(tmp_path / "float.tiff").remark
    assert remark is not None
    assert embed(image_bundle, [tmp_path / "float.tiff"], options).remarks == {remark: 1}


@pytest.mark.full
def test_the_record_says_what_it_was_made_from(
    image_bundle: Path, copied: Path, options: EmbedOptions
) -> None:
    found: EmbedResult = embed(image_bundle, [copied], options)
    record = json.loads((options.out / "embed.json").read_text(encoding="utf-8"))
    assert record["model"] == "clip-tiny"
    assert record["list"]["inputs"] == 32
    assert record["result"] == {
        "embedded": found.embedded,
        "failed": 2,
        "cut": 0,
        "shards": 4,
        "dimension": 16,
        "remarks": {},
    }
