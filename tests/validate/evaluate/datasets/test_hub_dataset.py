"""Datasets of the hub's library, from folders that the test saves; what is said without the datasets."""

import sys

import datasets
import numpy as np
import pytest
from PIL import Image

from pitome.errors import InputError
from pitome.models.preprocessing import make_preprocess
from pitome.validate.evaluate.datasets.hub_dataset import _parse, read_hub_dataset
from tests.pitome.images.image_files import saved
from tests.validate.evaluate.datasets.small_hub import cut_off, images, red_levels, save, texts

PLAIN = make_preprocess(8, ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)))


@pytest.fixture(autouse=True)
def _cut_off(monkeypatch, tmp_path):
    cut_off(monkeypatch, tmp_path / "library")


def test_texts_and_a_test_split_without_labels(tmp_path):
    folder = save(tmp_path / "saved", train=texts(20), validation=texts(6), test=texts(4, labelled=False))
    found = read_hub_dataset(str(folder))
    assert found.test.kind == "text"
    test = found.split("test", 0).texts()
    assert test.texts == tuple(f"text {place} {('bad', 'good')[place % 2]}" for place in range(6))
    assert test.labels.tolist() == [0, 1] * 3
    assert test.class_names == ("bad", "good")
    held = found.split("validation", 0)
    assert len(held.labels) == 20  # of the training split


def test_images_of_one_split(tmp_path):
    images(10).save_to_disk(str(tmp_path / "saved"))
    found = read_hub_dataset(str(tmp_path / "saved"))
    validation, test = (found.split(split, 0).images(PLAIN) for split in ("validation", "test"))
    assert (len(validation), len(test)) == (2, 8)
    for each in (validation, test):
        assert (red_levels(each) % 2).tolist() == each.labels.tolist()


def test_a_limit_is_the_beginning_of_a_seeded_permutation(tmp_path):
    found = read_hub_dataset(str(save(tmp_path / "saved", train=images(30), test=images(20))))
    for split in ("validation", "test"):
        few, more = (red_levels(found.split(split, 0, limit).images(PLAIN)).tolist() for limit in (4, 9))
        whole = found.split(split, 0)
        assert few == more[:4]
        assert few == red_levels(whole.images(PLAIN).first_of_shuffled(4, 0)).tolist()
        assert few != red_levels(found.split(split, 1, 4).images(PLAIN)).tolist()
        assert found.split(split, 0, 4).labels.tolist() == [level % 2 for level in few]


def test_the_training_split_is_read_when_it_is_needed(tmp_path):
    folder = save(tmp_path / "saved", train=texts(10, labelled=False), test=texts(6))
    found = read_hub_dataset(str(folder))
    assert len(found.split("test", 0).labels) == 6
    with pytest.raises(InputError) as caught:
        found.split("validation", 0)
    assert "10 of its 10 rows have no label. Give a copy without them" in str(caught.value)


def test_class_folders_of_images(tmp_path):
    for name, level in (("ant", 10), ("bee", 20)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for place in range(5):
            Image.new("RGB", (9, 9), (level + place, 0, 0)).save(tmp_path / "images" / name / f"{place}.png")
    found = read_hub_dataset(str(tmp_path / "images"))
    assert (found.test.kind, found.test.class_names) == ("image", ("ant", "bee"))
    test = found.split("test", 0).images(PLAIN)
    assert (red_levels(test) // 10 - 1).tolist() == test.labels.tolist()


def test_parquet_files(tmp_path):
    (tmp_path / "files").mkdir()
    for split in ("train", "test"):
        texts(8).to_parquet(str(tmp_path / "files" / f"{split}.parquet"))
    found = read_hub_dataset(str(tmp_path / "files"))
    assert found.train is not None
    assert len(found.test.labels) == 8


@pytest.mark.parametrize(
    "columns", [("sentence1", "sentence2"), ("premise", "hypothesis"), ("question", "sentence")]
)
def test_two_columns_of_texts_are_pairs(tmp_path, columns):
    rows = {columns[1]: ["b", None, "d"], columns[0]: ["a", "x", "c"], "label": [0, 1, 1]}
    features = {name: datasets.Value("string") for name in columns}
    features["label"] = datasets.ClassLabel(names=["no", "yes"])
    table = datasets.Dataset.from_dict(rows, features=datasets.Features(features))
    found = read_hub_dataset(str(save(tmp_path / "saved", test=table))).test.texts()
    assert found.texts == (("a", "b"), ("c", "d"))
    assert found.labels.tolist() == [0, 1]
    assert [part.count for part in found.skipped] == [1]


def test_columns_that_can_not_be_told_apart(tmp_path):
    rows = {"question": ["a"], "answer": ["b"], "label": [0]}
    features = {name: datasets.Value("string") for name in ("question", "answer")}
    features["label"] = datasets.ClassLabel(names=["no"])
    datasets.Dataset.from_dict(rows, features=datasets.Features(features)).save_to_disk(
        str(tmp_path / "saved")
    )
    with pytest.raises(InputError) as caught:
        read_hub_dataset(str(tmp_path / "saved"))
    assert "it has 2 columns that may be the text: question, answer" in str(caught.value)


def test_a_folder_without_data(tmp_path):
    with pytest.raises(InputError, match="it can't be loaded"):
        read_hub_dataset(str(tmp_path))


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError) as caught:
        read_hub_dataset("org/name")
    assert "the library datasets can't be imported" in str(caught.value)
    assert "pip install '.[validate]'" in str(caught.value)


def test_names_configurations_and_revisions(tmp_path):
    assert _parse("glue:sst2@main") == ("glue", "sst2", "main")
    assert _parse("org/name") == ("org/name", None, None)
    assert _parse("org/name@abc") == ("org/name", None, "abc")
    assert _parse(str(tmp_path)) == (str(tmp_path), None, None)
    with pytest.raises(InputError, match=r"it has no name\. Write hf:NAME"):
        _parse("@main")


def undecoded(folder, rows):
    """A dataset of files of images as bytes, whatever they are; None is no image."""
    table = {
        "picture": [None if content is None else {"bytes": content, "path": None} for content in rows],
        "kind": [place % 2 for place in range(len(rows))],
    }
    features = {"picture": datasets.Image(), "kind": datasets.ClassLabel(names=["ant", "bee"])}
    datasets.Dataset.from_dict(table, features=datasets.Features(features)).save_to_disk(str(folder))
    return read_hub_dataset(str(folder))


def test_images_that_can_not_be_used_are_skipped_and_named(tmp_path):
    generator = np.random.default_rng(0)
    noise = [generator.integers(0, 256, (40, 40, 3), np.uint8) for _ in range(5)]
    whole = [saved(Image.fromarray(each), "PNG") for each in noise]
    long = saved(Image.new("RGB", (30_000, 1)), "PNG")
    found = undecoded(tmp_path / "saved", [*whole, whole[0][:900], None, b"", long])
    wide = make_preprocess(224, ((0.0,) * 3, (1.0,) * 3))
    sets = [found.split(split, 0).images(wide) for split in ("validation", "test")]
    assert sum(map(len, sets)) == 5
    examples = sorted(example for each in sets for part in each.skipped for example in part.examples)
    assert [example.partition(" (")[0] for example in examples] == [
        "row 5: it can't be decoded",
        "row 6",
        "row 7: it is none of the formats that are read",
        "row 8: it is 30000 x 1 and would be 6720000 x 224 resized: more than 33554432 pixels",
    ]
    for each in sets:
        assert each.load(range(len(each))).shape == (len(each), 3, 224, 224)


def test_no_image_can_be_used(tmp_path):
    found = undecoded(tmp_path / "saved", [b"?"] * 5)
    with pytest.raises(
        InputError, match=r"column picture of the dataset: none of the 4 rows .* has an image"
    ):
        found.split("test", 0).images(PLAIN)


def test_rows_without_a_text_are_skipped_and_named(tmp_path):
    table = texts(10).map(lambda row: {"sentence": None if row["idx"] in (2, 7) else row["sentence"]})
    folder = save(tmp_path / "saved", train=table, test=table)
    found = read_hub_dataset(str(folder)).split("test", 0).texts()
    assert (len(found), len(found.labels)) == (8, 8)
    assert [str(part) for part in found.skipped] == ["2 samples: the row holds no text (row 2; row 7)"]
    assert all("None" not in text for text in found.texts)


def test_no_row_has_a_text(tmp_path):
    table = texts(4).map(lambda row: {"sentence": None}, features=texts(4).features)
    folder = save(tmp_path / "saved", train=table, test=table)
    with pytest.raises(InputError, match=r"column sentence of the dataset: none of the 4 rows .* has a text"):
        read_hub_dataset(str(folder)).split("test", 0).texts()
