"""Datasets of the hub's library, from folders that the test saves; what is said without the library."""

import sys

import numpy as np
import pytest
from PIL import Image

from pitome.errors import InputError
from pitome.models.presets import make_preprocess
from validate.datasets.hub_dataset import _parse, read_hub_dataset

PLAIN = make_preprocess(8, ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)))


@pytest.fixture
def library():
    return pytest.importorskip("datasets", reason="the optional library datasets is not installed")


def texts(library, count, labelled=True):
    rows = {
        "idx": list(range(count)),
        "sentence": [f"text {place}" for place in range(count)],
        "label": [place % 2 if labelled else -1 for place in range(count)],
    }
    features = {
        "idx": library.Value("int32"),
        "sentence": library.Value("string"),
        "label": library.ClassLabel(names=["bad", "good"]),
    }
    return library.Dataset.from_dict(rows, features=library.Features(features))


def test_texts_and_a_test_split_without_labels(library, tmp_path):
    splits = {"train": texts(library, 20), "validation": texts(library, 6), "test": texts(library, 4, False)}
    library.DatasetDict(splits).save_to_disk(str(tmp_path / "saved"))
    found = read_hub_dataset(str(tmp_path / "saved"))
    assert found.test.kind == "text"
    assert found.split("test", 0).texts().texts == tuple(f"text {place}" for place in range(6))
    assert found.split("test", 0).texts().class_names == ("bad", "good")
    held = found.split("validation", 0)
    assert len(held.labels) == 20  # of the training split


def test_images_of_one_split(library, tmp_path):
    rows = {
        "picture": [Image.new("RGB", (9, 9), (place, 0, 0)) for place in range(10)],
        "kind": [place % 2 for place in range(10)],
    }
    features = library.Features(
        {"picture": library.Image(), "kind": library.ClassLabel(names=["even", "odd"])}
    )
    library.Dataset.from_dict(rows, features=features).save_to_disk(str(tmp_path / "saved"))
    found = read_hub_dataset(str(tmp_path / "saved"))
    validation, test = (found.split(split, 0).images(PLAIN) for split in ("validation", "test"))
    assert (len(validation), len(test)) == (2, 8)
    for images in (validation, test):
        levels = np.round(images.load(list(range(len(images))))[:, 0, 0, 0].numpy() * 255).astype(int)
        assert (levels % 2).tolist() == images.labels.tolist()


def test_parquet_files(library, tmp_path):
    for split in ("train", "test"):
        texts(library, 8).to_parquet(str(tmp_path / f"{split}.parquet"))
    found = read_hub_dataset(str(tmp_path))
    assert found.train is not None
    assert len(found.test.labels) == 8


def test_columns_that_can_not_be_told_apart(library, tmp_path):
    rows = {"question": ["a"], "answer": ["b"], "label": [0]}
    features = {name: library.Value("string") for name in ("question", "answer")}
    features["label"] = library.ClassLabel(names=["no"])
    library.Dataset.from_dict(rows, features=library.Features(features)).save_to_disk(str(tmp_path / "saved"))
    with pytest.raises(InputError) as caught:
        read_hub_dataset(str(tmp_path / "saved"))
    assert "it has 2 columns that may be the text: question, answer" in str(caught.value)


def test_a_folder_without_data(library, tmp_path):
    with pytest.raises(InputError, match="it can't be loaded"):
        read_hub_dataset(str(tmp_path))


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError) as caught:
        read_hub_dataset("org/name")
    assert "the library datasets can't be imported" in str(caught.value)
    assert "pip install datasets" in str(caught.value)


def test_names_configurations_and_revisions(tmp_path):
    assert _parse("glue:sst2@main") == ("glue", "sst2", "main")
    assert _parse("org/name") == ("org/name", None, None)
    assert _parse("org/name@abc") == ("org/name", None, "abc")
    assert _parse(str(tmp_path)) == (str(tmp_path), None, None)
    with pytest.raises(InputError, match=r"it has no name\. Write hf:NAME"):
        _parse("@main")
