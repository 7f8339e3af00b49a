"""Datasets of the hub's library, from folders that the test saves; what is said without the datasets."""

import sys

import datasets
import pytest
from PIL import Image

from pitome.errors import InputError
from pitome.models.preprocessing import make_preprocess
from pitome.validate.evaluate.datasets.hub_dataset import _parse, read_hub_dataset
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
