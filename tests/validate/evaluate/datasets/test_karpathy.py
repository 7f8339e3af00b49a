"""Karpathy's splits, on a small description with small images."""

import json

import pytest
from PIL import Image

from pitome.errors import InputError
from pitome.models.preprocessing import make_preprocess
from pitome.validate.evaluate.datasets.karpathy import read_karpathy, require_files

PLAIN = make_preprocess(8, ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)))


def entry(number, split, captions=5, **more):
    sentences = [{"raw": f"caption {place} of {number}"} for place in range(captions)]
    return {"filename": f"{number}.png", "split": split, "sentences": sentences, **more}


@pytest.fixture
def write(tmp_path):
    def write(entries, without=()):
        for number, each in enumerate(entries):
            folder = tmp_path / "images" / each.get("filepath", "")
            folder.mkdir(parents=True, exist_ok=True)
            if number not in without:
                Image.new("RGB", (9, 9), (number, 0, 0)).save(folder / each["filename"])
        (tmp_path / "dataset.json").write_text(json.dumps({"images": entries, "dataset": "made up"}))
        return tmp_path / "dataset.json", tmp_path / "images"

    return write


def test_splits_and_captions(write):
    files = write(
        [entry(0, "train"), entry(1, "test"), entry(2, "val"), entry(3, "restval"), entry(4, "test")]
    )
    test = read_karpathy(*files, "test", PLAIN)
    assert test.captions[1] == tuple(f"caption {place} of 4" for place in range(5))
    assert [round(float(value) * 255) for value in test.images.load([0, 1])[:, 0, 0, 0]] == [1, 4]
    assert test.images.labels.tolist() == [0, 1]
    assert len(read_karpathy(*files, "validation", PLAIN).captions) == 1
    assert [texts[0] for texts in read_karpathy(*files, "train", PLAIN).captions] == [
        "caption 0 of 0",
        "caption 0 of 3",
    ]


def test_folders_of_coco_and_its_sixth_captions(write):
    files = write([entry(0, "test", captions=7, filepath="val2014"), entry(1, "test", captions=3)])
    found = read_karpathy(*files, "test", PLAIN)
    assert [len(captions) for captions in found.captions] == [5, 3]


def test_a_missing_image_is_counted_and_its_captions_go_with_it(write):
    files = write([entry(0, "test"), entry(1, "test"), entry(2, "test")], without=(1,))
    found = read_karpathy(*files, "test", PLAIN)
    assert [captions[0] for captions in found.captions] == ["caption 0 of 0", "caption 0 of 2"]
    assert [(part.count, part.reason) for part in found.images.skipped] == [(1, "the file is missing")]


def test_an_image_without_captions_is_skipped_and_named(write):
    silent = entry(1, "test") | {"sentences": [{"raw": None}, {"raw": None}]}
    partly = entry(2, "test", captions=2)
    partly["sentences"][0]["raw"] = None
    found = read_karpathy(*write([entry(0, "test"), silent, partly]), "test", PLAIN)
    assert [len(captions) for captions in found.captions] == [5, 1]
    assert len(found.images) == 2
    assert [str(part) for part in found.images.skipped] == ["1 sample: the image has no caption (1.png)"]


def test_a_limit_is_a_seeded_choice(write):
    files = write([entry(number, "test") for number in range(8)])
    first, again = (read_karpathy(*files, "test", PLAIN, limit=3) for _ in range(2))
    assert first.captions == again.captions
    assert len(first.captions) == 3


def test_no_other_image_is_taken_for_a_missing_one(write):
    entries = [entry(number, "test") for number in range(8)]
    files = write(entries)
    before = read_karpathy(*files, "test", PLAIN, limit=4).captions
    gone = int(before[1][0].split()[-1])
    (files[1] / f"{gone}.png").unlink()
    found = read_karpathy(*files, "test", PLAIN, limit=4)
    assert found.captions == (before[0], *before[2:])
    assert [(part.count, part.reason) for part in found.images.skipped] == [(1, "the file is missing")]


def test_only_images_within_the_limit_are_opened(write):
    files = write([entry(number, "test") for number in range(8)])
    before = read_karpathy(*files, "test", PLAIN, limit=3).captions
    used = {int(captions[0].split()[-1]) for captions in before}
    for number in set(range(8)) - used:
        (files[1] / f"{number}.png").write_bytes(b"no image")
    found = read_karpathy(*files, "test", PLAIN, limit=3)
    assert (found.captions, found.images.skipped) == (before, ())


def test_files_that_are_not_there(write, tmp_path):
    description, images = write([entry(0, "test")])
    require_files(description, images)
    with pytest.raises(InputError, match=r"none.json: there is no such file. Give dataset_flickr30k.json"):
        require_files(tmp_path / "none.json", images)
    with pytest.raises(InputError, match=r"none: there is no such folder. Name the folder of the images"):
        require_files(description, tmp_path / "none")


def test_no_image_at_all(write):
    files = write([entry(0, "test")], without=(0,))
    with pytest.raises(InputError, match=r"1 are listed, and none of them can be used: 1 sample: the f"):
        read_karpathy(*files, "test", PLAIN)


def test_a_name_that_leads_out_of_the_folder(write):
    description, images = write([entry(0, "test")])
    description.write_text(json.dumps({"images": [entry(0, "test") | {"filename": "../dataset.json"}]}))
    with pytest.raises(InputError, match="it lies outside"):
        read_karpathy(description, images, "test", PLAIN)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("{", "JSONDecodeError"),
        ('{"pictures": []}', "KeyError"),
        (
            '{"images": [{"filename": "a.png", "sentences": [], "split": "test"}]}',
            "without a filename or sent",
        ),
    ],
)
def test_a_description_of_another_form(tmp_path, content, found):
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(InputError) as caught:
        read_karpathy(tmp_path / "dataset.json", tmp_path, "test", PLAIN)
    assert found in str(caught.value)
    assert "Give dataset_flickr30k.json or dataset_coco.json" in str(caught.value)
