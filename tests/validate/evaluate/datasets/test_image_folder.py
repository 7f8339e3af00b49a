"""Class folders of images, written by the test."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from pitome.errors import InputError
from pitome.models.preprocessing import make_preprocess
from pitome.validate.evaluate.datasets import image_folder
from pitome.validate.evaluate.datasets.image_folder import class_names_of, read_image_folder

PLAIN = make_preprocess(8, ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)))


def write_images(folder, counts):
    """Image k of class c has the grey level 10 c + k."""
    for number, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True)
        for place in range(count):
            Image.new("L", (10, 12), 10 * number + place).save(folder / name / f"{place}.png")


def levels(images):
    return [round(float(value) * 255) for value in images.load(list(range(len(images))))[:, 0, 0, 0]]


def test_training_and_test_folders(tmp_path, monkeypatch):
    monkeypatch.setattr(image_folder, "NUM_VALIDATION", 3)
    write_images(tmp_path / "train", {"ant": 4, "bee": 2})
    write_images(tmp_path / "val", {"ant": 1, "bee": 2})
    test = read_image_folder(tmp_path, "test", PLAIN)
    assert test.class_names == ("ant", "bee")
    assert test.labels.tolist() == [0, 1, 1]
    assert levels(test) == [0, 10, 11]
    validation = read_image_folder(tmp_path, "validation", PLAIN)
    assert validation.labels.tolist() == [0, 0, 1]  # stratified
    assert all(
        level // 10 == label for level, label in zip(levels(validation), validation.labels, strict=True)
    )


def test_one_folder_gives_two_parts_that_do_not_overlap(tmp_path):
    write_images(tmp_path, {"ant": 10, "bee": 5})
    validation, test = (read_image_folder(tmp_path, split, PLAIN) for split in ("validation", "test"))
    assert (len(validation), len(test)) == (3, 12)
    assert np.bincount(validation.labels).tolist() == [2, 1]
    assert sorted(levels(validation) + levels(test)) == sorted([*range(10), *range(10, 15)])


def test_pixels_are_the_models(tmp_path):
    write_images(tmp_path, {"ant": 3, "bee": 3})
    images = read_image_folder(tmp_path, "test", PLAIN)
    pixels = images.load([0])
    assert (pixels.shape, pixels.dtype) == ((1, 3, 8, 8), torch.float32)


def test_what_is_no_image_is_counted(tmp_path):
    write_images(tmp_path, {"ant": 4, "bee": 4})
    (tmp_path / "ant" / "broken.jpg").write_bytes(b"no image")
    (tmp_path / "ant" / "notes.txt").write_text("hello")
    os.mkfifo(tmp_path / "ant" / "pipe.png")
    (tmp_path / "bee" / "link.png").symlink_to("nowhere")
    (tmp_path / "bee" / "zero.png").symlink_to("/dev/zero")
    images = read_image_folder(tmp_path, "test", PLAIN)
    assert [(part.count, part.reason) for part in images.skipped] == [
        (1, "the image can't be used"),
        (1, "the name does not end as an image's does"),
        (3, "no regular file, or a link that leads nowhere"),
    ]
    assert images.skipped[2].examples == ("ant/pipe.png", "bee/link.png", "bee/zero.png")
    assert images.skipped[0].examples[0].startswith("ant/broken.jpg: it is none of the formats that are read")


def noise_files(folder, count, cut):
    """PNG files of noise, the first ``cut`` of them cut off in the middle."""
    generator = np.random.default_rng(0)
    folder.mkdir()
    for place in range(count):
        noise = generator.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        path = folder / f"{place}.png"
        Image.fromarray(noise).save(path)
        if place < cut:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_images_that_are_cut_off_are_skipped_and_the_first_ones_named(tmp_path):
    noise_files(tmp_path / "ant", 12, cut=8)
    images = read_image_folder(tmp_path, "test", PLAIN)
    (skipped,) = images.skipped
    assert (len(images), skipped.count, skipped.reason) == (3, 7, "the image can't be used")
    assert len(skipped.examples) == 5
    assert all("it can't be decoded (" in example for example in skipped.examples)
    assert images.load(range(3)).shape == (3, 3, 8, 8)
    assert str(skipped).startswith("7 samples: the image can't be used (ant/")
    assert str(skipped).endswith("; and 2 more)")


def test_all_images_cut_off(tmp_path):
    noise_files(tmp_path / "ant", 5, cut=5)
    with pytest.raises(InputError, match=r"none of the 4 files that were chosen can be used: 4 samples: "):
        read_image_folder(tmp_path, "test", PLAIN)


def test_a_very_long_image_is_skipped_and_a_photo_is_turned(tmp_path):
    (tmp_path / "ant").mkdir()
    Image.new("RGB", (30_000, 1)).save(tmp_path / "ant" / "0-long.png")
    turned = Image.new("RGB", (16, 16))
    turned.paste((255, 255, 255), (0, 0, 16, 8))
    exif = Image.Exif()
    exif[274] = 3
    for place in range(1, 5):
        turned.save(tmp_path / "ant" / f"{place}.jpg", quality=100, exif=exif)
    wide = make_preprocess(224, ((0.0,) * 3, (1.0,) * 3))
    sets = [read_image_folder(tmp_path, split, wide) for split in ("validation", "test")]
    (skipped,) = (part for each in sets for part in each.skipped)
    assert skipped.examples == (
        "ant/0-long.png: it is 30000 x 1 and would be 6720000 x 224 resized: more than 33554432 pixels",
    )
    for each in sets:
        for pixels in each.load(range(len(each))):
            assert (pixels[:, 0].max() < 0.1, pixels[:, -1].min() > 0.9) == (True, True)


def files_of_level(folder):
    """Grey level -> the file that has it."""
    return {Image.open(path).getpixel((0, 0)): path for path in folder.rglob("*.png")}


@pytest.mark.parametrize("layout", ["one folder", "training and test folders"])
@pytest.mark.parametrize("split", ["validation", "test"])
def test_only_files_within_the_limit_are_opened(tmp_path, layout, split):
    if layout == "one folder":
        write_images(tmp_path, {"ant": 9, "bee": 9})
    else:
        write_images(tmp_path / "train", {"ant": 9, "bee": 9})
        write_images(tmp_path / "test", {"ant": 9, "bee": 9})
    chosen = read_image_folder(tmp_path, split, PLAIN, seed=3, limit=2)
    expected, labels = levels(chosen), chosen.labels.tolist()
    whole = read_image_folder(tmp_path, split, PLAIN, seed=3)
    assert expected == levels(whole.first_of_shuffled(2, 3))
    for path in tmp_path.rglob("*.png"):
        with Image.open(path) as image:
            used = image.getpixel((0, 0)) in expected
        if not used:
            path.write_bytes(b"no image")
    again = read_image_folder(tmp_path, split, PLAIN, seed=3, limit=2)
    assert (levels(again), again.labels.tolist(), again.skipped) == (expected, labels, ())


def test_no_other_image_is_taken_for_one_that_can_not_be_opened(tmp_path):
    write_images(tmp_path, {"ant": 10, "bee": 10})
    before = levels(read_image_folder(tmp_path, "test", PLAIN, limit=5))
    files = files_of_level(tmp_path)
    files[before[1]].write_bytes(b"no image")
    images = read_image_folder(tmp_path, "test", PLAIN, limit=5)
    assert levels(images) == [before[0], *before[2:]]
    assert images.labels.tolist() == [level // 10 for level in levels(images)]
    assert [(part.count, part.reason) for part in images.skipped] == [(1, "the image can't be used")]
    for level in before:
        files[level].write_bytes(b"no image")
    with pytest.raises(InputError) as caught:
        read_image_folder(tmp_path, "test", PLAIN, limit=5)
    assert "none of the 5 files that were chosen can be used: 5 samples: " in str(caught.value)


def test_classes_are_known_without_a_look_at_files(tmp_path):
    for name in ("train/ant", "train/bee", "val/bee"):
        (tmp_path / name).mkdir(parents=True)
    assert class_names_of(tmp_path) == ("ant", "bee")
    assert class_names_of(tmp_path / "val") == ("bee",)
    (tmp_path / "val" / "fly").mkdir()
    with pytest.raises(InputError, match="it has classes that the training folder has not: fly"):
        class_names_of(tmp_path)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda path: None, "it has no folders in it"),
        (lambda path: (path / "ant").mkdir(), "its 1 folders hold no image"),
        (lambda path: write_images(path / "train", {"ant": 1}), "beside train there is none of test, val"),
        (
            lambda path: (
                write_images(path / "train", {"ant": 1}),
                write_images(path / "test", {"ant": 1, "fly": 1}),
            ),
            "it has classes that the training folder has not: fly",
        ),
    ],
)
def test_folders_that_can_not_be_used(tmp_path, make, found):
    make(tmp_path)
    with pytest.raises(InputError) as caught:
        read_image_folder(tmp_path, "test", PLAIN)
    assert found in str(caught.value)


def test_a_missing_folder(tmp_path):
    with pytest.raises(InputError, match="there is no such folder"):
        read_image_folder(tmp_path / "none", "test", PLAIN)
