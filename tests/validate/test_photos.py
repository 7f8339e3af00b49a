"""Real photos as tensors."""

import numpy as np
import pytest
import torch
from PIL import Image

from pitome.errors import InputError
from pitome.models.preprocessing import CLIP_COLOURS, IMAGENET_COLOURS, make_preprocess
from pitome.validate.photos import PHOTOS, real_photos, to_tensor

BLACK_TO_WHITE = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
PLAIN = make_preprocess(64, BLACK_TO_WHITE)


def test_every_photo_once_and_all_different():
    names, photos = real_photos(make_preprocess(224, IMAGENET_COLOURS, resize_size=256))
    assert names == [photo.partition(".")[0] for photo in PHOTOS]
    assert photos.shape == (len(PHOTOS), 3, 224, 224)
    assert photos.dtype == torch.float32
    assert len({tensor.numpy().tobytes() for tensor in photos}) == len(PHOTOS)
    assert photos.std(dim=(1, 2, 3)).min() > 0.1  # none is blank


def test_augmented_gives_eight_different_views_of_each_and_whole_photos_first():
    names, photos = real_photos(PLAIN, augmented=True)
    assert len(names) == len(set(names)) == 8 * len(PHOTOS)
    assert len({tensor.numpy().tobytes() for tensor in photos}) == len(names)
    plain_names, plain = real_photos(PLAIN)
    assert names[: len(PHOTOS)] == plain_names
    assert torch.equal(photos[: len(PHOTOS)], plain)
    mirrored = photos[names.index("coffee, mirrored")]
    torch.testing.assert_close(mirrored.flip(-1), photos[names.index("coffee")], rtol=0, atol=0.05)


def test_limit():
    names, photos = real_photos(PLAIN, limit=3)
    assert names == ["astronaut", "brick", "camera"]
    assert len(photos) == 3
    with pytest.raises(InputError, match="0 photos: there must be at least one"):
        real_photos(PLAIN, limit=0)


def test_grey_photos_have_three_equal_channels():
    names, photos = real_photos(PLAIN, limit=3)
    camera = photos[names.index("camera")]
    assert torch.equal(camera[0], camera[1])
    assert torch.equal(camera[0], camera[2])
    assert 0 <= camera.min() < camera.max() <= 1


def _stripes(width, height):
    """Columns of one colour each: red = column number, green = row number."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.arange(width)
    pixels[..., 1] = np.arange(height)[:, None]
    return Image.fromarray(pixels)


def test_shortest_edge_keeps_proportions_and_cuts_the_middle():
    tensor = to_tensor(_stripes(128, 64), PLAIN) * 255
    assert tensor[0, 0].tolist() == list(range(32, 96))
    assert tensor[1, :, 0].tolist() == list(range(64))


def test_resize_larger_than_the_crop():
    tensor = to_tensor(_stripes(80, 80), make_preprocess(64, BLACK_TO_WHITE, resize_size=80)) * 255
    assert tensor[0, 0].tolist() == list(range(8, 72))


def test_squash_keeps_both_edges():
    tensor = to_tensor(_stripes(128, 64), make_preprocess(64, BLACK_TO_WHITE, "squash")) * 255
    assert tensor[0, 0, 0] < 3
    assert tensor[0, 0, -1] > 125


def test_normalisation_is_per_channel():
    grey = Image.new("RGB", (64, 64), (51, 102, 153))
    tensor = to_tensor(grey, make_preprocess(64, ((0.1, 0.2, 0.3), (0.1, 0.2, 0.5))))
    torch.testing.assert_close(tensor[:, 5, 5], torch.tensor([1.0, 1.0, 0.6]))


def test_same_as_the_librarys_image_processor():
    from transformers import CLIPImageProcessorPil

    image = _stripes(200, 150)
    processor = CLIPImageProcessorPil()
    wanted = torch.as_tensor(np.asarray(processor(images=image)["pixel_values"][0]))
    found = to_tensor(image, make_preprocess(224, CLIP_COLOURS))
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)
