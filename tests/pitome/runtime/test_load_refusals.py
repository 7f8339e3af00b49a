"""Inputs that a loaded bundle refuses, and methods that it has no graph for: one message each."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pitome
from pitome.errors import ImageError, InputError
from pitome.runtime.usage import Usage
from tests.pitome.runtime.bundles import bundle_of, copy_of, rewrite
from tests.pitome.runtime.conftest import Load

pytestmark = pytest.mark.slow
Call = Callable[[Any], object]
IDS = np.ones((1, 24), np.int64)
PIXELS = np.zeros((1, 3, 32, 32), np.float32)
OF_IMAGES = "it has the graph model for images, which gives image_embeds (task image-embedding)"
OF_TEXTS = "it has the graph model for texts, which gives sentence_embedding and last_hidden_state"


@pytest.mark.parametrize(
    ("kind", "call", "told"),
    [
        ("clip", lambda bundle: bundle.texts(["a"]), OF_IMAGES),
        ("clip", lambda bundle: bundle.prepare_texts(["a"]), OF_IMAGES),
        ("clip", lambda bundle: bundle.similarity(texts=["a"]), OF_IMAGES),
        ("clip", lambda bundle: bundle.similarity([PIXELS[0, 0]], ["a"]), OF_IMAGES),
        (
            "clip",
            lambda bundle: bundle.classify([PIXELS[0, 0]]),
            "its task is image-embedding, and its graph",
        ),
        (
            "clip",
            lambda bundle: bundle.classify([PIXELS[0, 0]], ["a"]),
            "need graphs for images and for texts",
        ),
        ("sentence", lambda bundle: bundle.images([b"a"]), OF_TEXTS),
        ("sentence", lambda bundle: bundle.prepare_images([b"a"]), OF_TEXTS),
        ("sentence", lambda bundle: bundle.similarity(["a"], ["b"]), OF_TEXTS),
        ("sentence", lambda bundle: bundle.embed_prepared(PIXELS), OF_TEXTS),
        ("sentence", lambda bundle: bundle.classify(["a"]), "its task is text-embedding, and its graph"),
        ("classifier", lambda bundle: bundle.classify([b"a"], ["x"]), "whose classes are fixed"),
        ("classifier", lambda bundle: bundle.classify([b"a"], top=0), "top=0: it is no number from 1 up"),
    ],
)
def test_what_a_bundle_has_not(load: Load, kind: str, call: Call, told: str) -> None:
    with pytest.raises(InputError) as error:
        call(load(kind))
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda bundle: bundle.images([]), "images: there are none"),
        (lambda bundle: bundle.images(None), "what was given is None"),
        (lambda bundle: bundle.images({"a": 1}), "what was given is of the type dict"),
        (lambda bundle: bundle.images([None]), "number 1: it is None, which is no image"),
        (lambda bundle: bundle.images(["no.png"]), "the image no.png, number 1: there is no such file"),
        (lambda bundle: bundle.images("no.png"), "the image no.png, number 1: there is no such file"),
        (
            lambda bundle: bundle.images([np.zeros((9, 9, 3), np.uint8), b"GIF"]),
            "number 2: it is none of the",
        ),
        (lambda bundle: bundle.images([np.zeros((3, 9, 9), np.uint8)]), "Transpose it"),
        (lambda bundle: bundle.images(["a"], batch_size=0), "batch_size=0: it is no number from 1 up"),
        (lambda bundle: bundle.images(["a"], batch_size=2.5), "batch_size=2.5: it is no number"),
    ],
)
def test_images_that_are_refused(load: Load, call: Call, told: str) -> None:
    with pytest.raises(InputError) as error:
        call(load("clip"))
    assert told in str(error.value)


def test_the_place_of_an_image_counts_over_all_batches(load: Load) -> None:
    good = np.zeros((9, 9, 3), np.uint8)
    with pytest.raises(ImageError, match="number 12"):
        load("clip").images([good] * 11 + [b"bad"])


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda bundle: bundle.texts([]), "texts: there are none"),
        (lambda bundle: bundle.texts(None), "what was given is None"),
        (lambda bundle: bundle.texts({"a"}), "what was given is of the type set"),
        (lambda bundle: bundle.texts(["a", 3]), "text 2 of 2: it is of the type int"),
        (lambda bundle: bundle.texts(["a", None]), "text 2 of 2: it is None"),
        (lambda bundle: bundle.texts([("a", "b", "c")]), "text 1 of 1: it is of the type tuple"),
        (lambda bundle: bundle.texts(["a", "\ud800"]), "text 2 of 2: it holds half a character"),
        (
            lambda bundle: bundle.texts(["a", "a " * 23]),
            "text 2 of 2: it has 25 tokens, and the model takes 24",
        ),
        (
            lambda bundle: bundle.texts(["a " * 23, "a " * 30]),
            "takes 24, and 1 more are too long. Shorten it",
        ),
        (lambda bundle: bundle.texts(["a"], prompt="title"), "the prompts 'query', 'passage', 'none'"),
        (lambda bundle: bundle.texts(["a " * 22], prompt="query"), "it has 25 tokens"),
        (lambda bundle: bundle.texts(["a"], prompt=["query"]), "prompt=['query']: the checkpoint has the"),
        (lambda bundle: bundle.texts(["a"], prompt=3), "prompt=3: the checkpoint has the prompts"),
    ],
)
def test_texts_that_are_refused(load: Load, call: Call, told: str) -> None:
    with pytest.raises(InputError) as error:
        call(load("sentence"))
    assert told in str(error.value)


def test_a_checkpoint_without_prompts(load: Load) -> None:
    with pytest.raises(InputError, match="the checkpoint has no prompts"):
        load("text-classifier").texts(["a"], prompt="query")
    assert load("text-classifier").prompts == {}


@pytest.mark.parametrize(
    ("kind", "arrays", "told"),
    [
        (
            "clip",
            {},
            "pixel_values is not given; given are none. Give pixel_values [batch, 3, 32, 32] float32",
        ),
        ("clip", {"pixels": PIXELS}, "pixel_values is not given; given are pixels"),
        ("clip", {"pixel_values": PIXELS, "mask": IDS}, "it has no input mask"),
        ("clip", {"pixel_values": PIXELS[0]}, "has the shape [3, 32, 32], and [batch, 3, 32, 32] is taken"),
        ("clip", {"pixel_values": PIXELS[:, :, :31]}, "[1, 3, 31, 32], and [batch, 3, 32, 32]"),
        ("clip", {"pixel_values": PIXELS[:0]}, "there are 0 of pixel_values"),
        (
            "clip",
            {"pixel_values": PIXELS.astype(np.uint8)},
            "pixel_values is uint8. Give pixel_values as float32",
        ),
        ("clip", {"pixel_values": "a.png"}, "its input pixel_values is <U5"),
        ("clip", {"pixel_values": [[1.0], [1.0, 2.0]]}, "its input pixel_values is no array"),
        ("clip", PIXELS, "it was given ndarray, and takes arrays by the names of its inputs"),
        ("sentence", {"input_ids": IDS}, "attention_mask is not given"),
        ("sentence", {"input_ids": IDS, "attention_mask": IDS[:, :9]}, "has the shape [1, 9]"),
        (
            "sentence",
            {"input_ids": IDS, "attention_mask": np.zeros((2, 24), int)},
            "there are 1 of input_ids, 2",
        ),
        ("sentence", {"input_ids": IDS * 50, "attention_mask": IDS}, "its input input_ids holds 50"),
        ("sentence", {"input_ids": IDS * 1.0, "attention_mask": IDS}, "its input input_ids is float64"),
        ("sentence", {"input_ids": IDS, "attention_mask": IDS * 0}, "is padding only"),
    ],
)
def test_arrays_that_are_refused(load: Load, kind: str, arrays: Any, told: str) -> None:
    with pytest.raises(InputError) as error:
        load(kind).run(arrays)
    assert told in str(error.value)


def test_arrays_of_other_floats_and_lists_are_taken(load: Load) -> None:
    wanted = load("clip").run({"pixel_values": PIXELS})["image_embeds"]
    for values in (PIXELS.astype(np.float64), PIXELS.tolist(), PIXELS[:, ::-1], PIXELS.astype(np.float16)):
        np.testing.assert_array_equal(load("clip").run({"pixel_values": values})["image_embeds"], wanted)
    mask = np.ones((1, 24), bool)
    found = load("sentence").run({"input_ids": IDS.astype(np.int32), "attention_mask": mask})
    assert found["sentence_embedding"].shape == (1, 32)


def test_a_bundle_without_a_tokenizer(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    bundle = copy_of(bundle_of(tmp_path_factory, "sentence"), tmp_path)

    def forget(document: Any) -> None:
        document["assets"] = [asset for asset in document["assets"] if asset["role"] != "tokenizer"]

    rewrite(bundle, forget)
    (bundle / "tokenizer.json").unlink()
    with pitome.load(bundle, threads=1) as loaded:
        with pytest.raises(InputError, match="it has no tokenizer: its model takes texts as token ids"):
            loaded.texts(["a"])
        assert loaded.run({"input_ids": IDS, "attention_mask": IDS})["sentence_embedding"].shape == (1, 32)


def test_closed_is_closed(tmp_path_factory: pytest.TempPathFactory) -> None:
    with pitome.load(bundle_of(tmp_path_factory, "clip"), threads=1) as bundle:
        assert bundle.warm_up() > 0
        waiting = bundle.asynchronous
        runtime = weakref.ref(bundle._vectors.graphs["model"].runtime)
    bundle.close()
    gc.collect()
    assert runtime() is None  # and its memory is free
    for call in (
        lambda: bundle.images([b"x"]),
        lambda: bundle.run({"pixel_values": PIXELS}),
        bundle.warm_up,
        lambda: bundle.texts(["a"]),
    ):
        with pytest.raises(InputError, match=r"it is closed\. Load it again"):
            call()
    assert waiting is bundle.asynchronous
    assert bundle.manifest.model.name


def test_closing_waits_for_those_inside() -> None:
    usage, order = Usage("the bundle b"), []
    inside = threading.Event()

    def work() -> None:
        with usage():
            inside.set()
            time.sleep(0.1)
            order.append("worked")

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait()
    assert usage.close()
    order.append("closed")
    thread.join()
    assert order == ["worked", "closed"]
    assert not usage.close()
