"""The steps worked out by hand, and what does not fit."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from pitome.bundle import ImagePreprocess, ResizeRecord
from pitome.errors import ImageError, InputError
from pitome.images.transform import (
    MAX_RESIZED_PIXELS,
    check_size,
    image_tensor,
    resized_size,
    shown_pixels,
    stack,
    transform,
)


def record(**changed: object) -> ImagePreprocess:
    """Pixels of 4 x 4 as they are, but for what is changed."""
    plain: dict[str, object] = {
        "height": 4,
        "width": 4,
        "channels": 1,
        "resize": None,
        "crops": (),
        "rescale_factor": None,
        "mean": None,
        "std": None,
    }
    return ImagePreprocess.model_validate(plain | changed)


def numbered(height: int, width: int) -> Image.Image:
    """Row times 10 plus column."""
    return Image.fromarray((10 * np.arange(height)[:, None] + np.arange(width)).astype(np.uint8))


@pytest.mark.parametrize(
    ("size", "resize", "height_width"),
    [
        ((640, 480), ResizeRecord(shortest_edge=224, resample=3), (224, 298)),
        ((480, 640), ResizeRecord(shortest_edge=224, resample=3), (298, 224)),
        ((3, 10), ResizeRecord(shortest_edge=2, resample=3), (6, 2)),
        ((500, 500), ResizeRecord(shortest_edge=224, resample=3), (224, 224)),
        ((500, 300), ResizeRecord(height=7, width=9, resample=3), (7, 9)),
        ((1000, 500), ResizeRecord(shortest_edge=300, longest_edge=400, resample=3), (200, 400)),
        ((500, 500), ResizeRecord(shortest_edge=300, longest_edge=400, resample=3), (300, 300)),
        ((1000, 300), ResizeRecord(shortest_edge=300, longest_edge=2000, resample=3), (300, 1000)),
    ],
)
def test_size_after_the_resize(
    size: tuple[int, int], resize: ResizeRecord, height_width: tuple[int, int]
) -> None:
    assert resized_size(size, resize) == height_width


def test_the_middle_is_cut_out() -> None:
    found = transform(numbered(7, 8), record(crops=((4, 4),)))
    assert found[0].tolist() == [[10 * row + column for column in range(2, 6)] for row in range(1, 5)]
    assert (found.shape, found.dtype) == ((1, 4, 4), np.float32)


def test_zeros_surround_what_is_smaller() -> None:
    """Of an odd rest the greater part is above and at the left."""
    found = transform(numbered(1, 6), record(crops=((4, 4),)))
    assert found[0].tolist() == [[0] * 4, [0] * 4, [1, 2, 3, 4], [0] * 4]


def test_crops_follow_each_other() -> None:
    found = transform(numbered(8, 8), record(crops=((6, 6), (4, 4))))
    assert found[0, 0].tolist() == [22, 23, 24, 25]


def test_rescaled_then_normalised() -> None:
    """(51 / 255 - 0.1) / 0.5 = 0.2."""
    image = Image.new("L", (4, 4), 51)
    found = transform(image, record(rescale_factor=1 / 255, mean=(0.1,), std=(0.5,)))
    np.testing.assert_allclose(found, 0.2, rtol=1e-6)
    assert transform(image, record()).tolist() == np.full((1, 4, 4), 51.0).tolist()
    assert transform(image, record(mean=(50,), std=(2,))).tolist() == np.full((1, 4, 4), 0.5).tolist()


def test_channels_come_first() -> None:
    image = np.dstack([np.full((4, 4), value, np.uint8) for value in (1, 2, 3, 4)])
    found = image_tensor(image, record(channels=4))
    assert found[:, 0, 0].tolist() == [1, 2, 3, 4]
    assert found.flags.c_contiguous


@pytest.mark.parametrize("size", [(30_000, 1), (1, 30_000), (40_000, 2)])
def test_a_very_long_image_is_refused_before_anything_is_allocated(size: tuple[int, int]) -> None:
    wanted = record(
        height=224, width=224, resize=ResizeRecord(shortest_edge=224, resample=3), crops=((224, 224),)
    )
    image = Image.new("L", size)
    tracemalloc.start()
    with pytest.raises(
        ImageError, match=rf"and would be \d+ x \d+ resized: more than {MAX_RESIZED_PIXELS} p"
    ):
        transform(image, wanted)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
    with pytest.raises(ImageError, match=r"^cat\.jpg: it is \d+ x \d+ and would be"):
        check_size(size, wanted, "cat.jpg")


def test_a_panorama_of_a_hundred_to_one_is_taken() -> None:
    wanted = record(
        height=518, width=518, resize=ResizeRecord(shortest_edge=518, resample=0), crops=((518, 518),)
    )
    assert transform(Image.new("L", (1000, 10), 7), wanted).mean() == 7


def test_an_edge_that_vanishes() -> None:
    wanted = record(resize=ResizeRecord(shortest_edge=4, longest_edge=4, resample=0), crops=((4, 4),))
    with pytest.raises(ImageError, match=r"it is 1000 x 1 and would be 4 x 0 resized|\d+ x 0 resized"):
        transform(Image.new("L", (1000, 1)), wanted)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            record(),
            r"it is 5 x 4 and comes to 5 x 4, the model takes 4 x 4, and its preprocessing does not res",
        ),
        (
            record(resize=ResizeRecord(shortest_edge=4, resample=0)),
            r"it is 5 x 4 and comes to 5 x 4, .* nothing is cropped off\. Resize it to 4 x 4 first",
        ),
    ],
)
def test_an_image_of_another_size(wanted: ImagePreprocess, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        transform(Image.new("L", (5, 4)), wanted)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_person_is_shown_what_the_model_got(channels: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (4, 4, channels), np.uint8)
    numbers = (0.1, 0.2, 0.3, 0.4)[:channels]
    for scaled in (
        record(channels=channels, rescale_factor=1 / 255, mean=numbers, std=numbers),
        record(channels=channels),
    ):
        shown = shown_pixels(image_tensor(image, scaled), scaled)
        expected = image[:, :, :3] if channels > 1 else np.repeat(image, 3, axis=2)
        assert shown.tolist() == expected.tolist()


def test_nothing_to_stack() -> None:
    with pytest.raises(InputError, match=r"^no images: the list is empty\. Give one or more$"):
        stack([])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"mean": (0.5,)}, "mean and std belong together"),
        ({"mean": (0.5, 0.5), "std": (0.5,)}, "mean has 2 numbers for 1 channels"),
        ({"mean": (0.5,), "std": (0.0,)}, "a std is above 0"),
        ({"mean": (0.5,), "std": (-1.0,)}, "a std is above 0"),
        ({"rescale_factor": 0.0}, "a rescale_factor of 0 makes every image the same"),
        ({"crops": ((3, 4),)}, r"the steps make \(3, 4\), not 4 x 4"),
        ({"resize": {"height": 8, "width": 8, "resample": 3}}, r"the steps make \(8, 8\), not 4 x 4"),
        (
            {"resize": {"height": 4, "resample": 3}},
            "either height and width say the size, or shortest_edge does",
        ),
        ({"resize": {"resample": 3}}, "either height and width say the size, or shortest_edge does"),
        (
            {"resize": {"height": 4, "width": 4, "shortest_edge": 4, "resample": 3}},
            "either height and width say the size, or shortest_edge does",
        ),
        (
            {"resize": {"height": 4, "width": 4, "longest_edge": 4, "resample": 3}},
            "longest_edge limits what shortest_edge makes",
        ),
        ({"channels": 2}, "channels"),
    ],
)
def test_records_that_contradict_themselves(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        record(**changed)
