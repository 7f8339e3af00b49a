from __future__ import annotations

import base64
import io
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pitome import compress
from pitome.errors import InputError
from pitome.models.preprocessing import make_preprocess
from pitome.observe import observe_merges
from pitome.validate.evaluate.merge_maps import (
    _spread,
    draw_groups,
    first_members,
    image_merge_maps,
    merge_maps_of,
    text_merge_maps,
)
from tests.compressed import compress_with
from tests.tiny_models import IMAGE_SIZE, NUM_LAYERS, NUM_PATCHES, tiny_images, tiny_model

PREPROCESS = make_preprocess(IMAGE_SIZE, ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)), "squash")
NAMES = ("noise", "more noise")


def picture(uri: str) -> np.ndarray:
    kind, _, content = uri.partition(";base64,")
    assert kind in ("data:image/png", "data:image/jpeg")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB"))


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=12))
def test_first_members(slots):
    assert first_members(np.array(slots)).tolist() == [slots.index(slot) for slot in slots]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4), st.integers(1, 9))
def test_groups_are_drawn_in_the_mean_colour_of_their_pixels(seed, rows, columns, groups):
    """The middle of every patch, pixel by pixel: two colours differ by rounding at most."""
    cell = 8
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 256, size=(rows * cell, columns * cell, 3), dtype=np.uint8)
    members = first_members(generator.integers(0, groups, size=rows * columns)).reshape(rows, columns)
    drawn = np.asarray(draw_groups(image, members).convert("RGB")).astype(float)
    assert drawn.shape == image.shape
    for row in range(rows):
        for column in range(columns):
            total, count = np.zeros(3), 0
            for y in range(rows * cell):
                for x in range(columns * cell):
                    if members[y // cell, x // cell] == members[row, column]:
                        total += image[y, x]
                        count += 1
            middle = drawn[row * cell + cell // 2, column * cell + cell // 2]
            assert np.abs(middle - total / count).max() <= 1


def test_borders_run_between_groups_only():
    image = np.full((16, 24, 3), 100, dtype=np.uint8)
    drawn = np.asarray(draw_groups(image, np.array([[0, 0, 2], [0, 4, 2]])).convert("RGB"))
    inside = [(4, 7), (4, 8), (7, 4), (8, 4)]  # both sides of the edges within group 0
    across = [(4, 15), (4, 16), (7, 12), (8, 12), (12, 7), (12, 8)]
    assert all((drawn[place] == 100).all() for place in inside)
    assert all((drawn[place] != 100).any() for place in across)
    assert (drawn[0, 0] != drawn[0, 23]).any(), "different groups have different borders"
    assert (drawn[8, 12] == 50).all(), "a token that stands alone has a dark one"


@pytest.mark.parametrize("name", ["CLIPVisionModelWithProjection", "DeiTModel"])
def test_image_maps_follow_the_merges(name):
    """Group counts by hand, from the decisions of each layer; one and two prefix tokens."""
    model = compress(tiny_model(name), ratio=0.8)
    images = tiny_images(2) * 0.5
    maps = image_merge_maps(model, NAMES, images, PREPROCESS)
    assert [found.name for found in maps] == list(NAMES)
    prefix = model.compression.schedule.num_protected
    with torch.no_grad(), observe_merges() as observer:
        model(pixel_values=images)
    for index, found in enumerate(maps):
        assert found.patches == NUM_PATCHES
        assert [layer.layer for layer in found.layers] == list(range(NUM_LAYERS))
        place = list(range(prefix + NUM_PATCHES))
        for layer, record in zip(found.layers, observer.records, strict=True):
            place = [int(record.decided[index][slot]) for slot in place]
            assert layer.tokens == len(set(place[prefix:])) == record.decided[index].max() + 1 - prefix
            assert picture(layer.picture).shape == picture(found.photo).shape
            assert len(layer.picture) < 200_000
        counts = [layer.tokens for layer in found.layers]
        assert counts == sorted(counts, reverse=True)


def test_photo_is_what_the_model_saw():
    pixels = torch.zeros(1, 3, IMAGE_SIZE, IMAGE_SIZE)
    pixels[:, 0] = 1.0  # 0.5 + 0.25
    (found,) = image_merge_maps(compress(tiny_model("ViTModel"), ratio=0.8), ["red"], pixels, PREPROCESS)
    shown = picture(found.photo).astype(int)
    assert np.abs(shown - [191, 128, 128]).max() <= 4  # JPEG
    assert picture(found.layers[0].picture).shape[0] >= 200, "small inputs are enlarged"


def test_text_maps_leave_padding_out():
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import BertConfig, BertModel

    words = {word: place for place, word in enumerate(["[PAD]", "[UNK]", "cat", "dog", "##s", "and"])}
    tokenizer = Tokenizer(WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.enable_truncation(12)
    tokenizer.enable_padding(length=12, pad_id=0, pad_token="[PAD]")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 3, "intermediate_size": 16}
    model = BertModel(BertConfig(vocab_size=6, max_position_embeddings=12, **sizes)).eval()
    merged = compress_with(model, ratio=0.75, layers=(0, 2), sequence_length=12)
    texts = ("cat and cat and dog ##s and dog and cat and cat", "cat and dog")
    full, short = text_merge_maps(merged, tokenizer, texts)
    assert full.words == tuple(texts[0].split())
    assert short.words == ("cat", "and", "dog")
    assert [layer.layer for layer in full.layers] == [0, 2]
    for layer in full.layers:
        assert len(layer.groups) == 12
        assert layer.tokens == merged.compression.schedule.tokens[layer.layer + 1] == len(set(layer.groups))
        assert all(group <= place for place, group in enumerate(layer.groups))
        assert all(layer.groups[group] == group for group in layer.groups)
    assert short.layers[0].groups == (0, 1, 2), "padding went first"


def test_maps_where_no_inputs_are_named():
    loaded = SimpleNamespace(
        name="tiny",
        family=SimpleNamespace(modality="image"),
        image_preprocess=PREPROCESS,
        tokenizer=None,
    )
    model = compress(tiny_model("ViTModel"), ratio=0.8, method="tome")
    maps = merge_maps_of(loaded, model, count=2)
    assert (maps.model, maps.method, len(maps.images), maps.texts) == ("tiny", "tome", 2, ())
    assert maps.images[0].name != maps.images[1].name
    loaded.family.modality = "text"
    with pytest.raises(InputError, match=r"no tokenizer\.json"):
        merge_maps_of(loaded, model)


def test_maps_refuse_a_model_that_merges_nothing():
    with pytest.raises(InputError, match="not compressed"):
        image_merge_maps(tiny_model("ViTModel"), NAMES, tiny_images(2), PREPROCESS)
    with pytest.raises(InputError, match="no layer of it merges"):
        image_merge_maps(compress(tiny_model("ViTModel"), ratio=1.0), NAMES, tiny_images(2), PREPROCESS)


def test_layers_of_a_deep_model_are_spread():
    assert _spread([0, 1, 2], 12) == [0, 1, 2]
    chosen = _spread(list(range(39)), 12)
    assert len(chosen) == len(set(chosen)) == 12
    assert (chosen[0], chosen[-1]) == (0, 38)
