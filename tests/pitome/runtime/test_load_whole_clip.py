"""A bundle of two graphs: images and texts, what is alike, and labels of one's own, as PyTorch has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import pitome
from pitome.bundle import read_manifest
from pitome.errors import InputError
from pitome.runtime.answers import softmax
from tests.pitome.runtime.bundles import bundle_of, checkpoint_of
from tests.pitome.runtime.conftest import Load

pytestmark = pytest.mark.slow
LABELS = ["ant", "bee", "a"]


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory, photos: list[Path]) -> tuple[Any, Any, Any]:
    """Image and text embeddings of PyTorch, the images' merged, and the manifest."""
    folder = bundle_of(tmp_path_factory, "whole-clip")
    manifest = read_manifest(folder)
    loaded = pitome.load_model(str(checkpoint_of(folder)), tower=None)
    assert loaded.text is not None
    images = pitome.compress(loaded.model, ratio=0.9).eval()
    tokenizer, length = loaded.text.loaded.tokenizer, manifest.model.text.sequence_length
    encoded = tokenizer.encode_batch([f"a photo of a {label}" for label in LABELS])
    texts = {
        "input_ids": torch.tensor([each.ids for each in encoded])[:, :length],
        "attention_mask": torch.tensor([each.attention_mask for each in encoded])[:, :length],
    }
    with torch.no_grad():
        pixels = torch.from_numpy(pitome.preprocess(folder, list(photos)))
        return (
            images(pixels).image_embeds.numpy(),
            loaded.text.loaded.model(**texts).text_embeds.numpy(),
            manifest,
        )


def unit(vectors: Any) -> Any:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_both_graphs_give_what_pytorch_gives(
    load: Load, photos: list[Path], features: tuple[Any, Any, Any]
) -> None:
    bundle, (images, texts, _) = load("whole-clip"), features
    assert [graph.file for graph in bundle.chosen.graphs] == ["image.onnx", "text.onnx"]
    np.testing.assert_allclose(bundle.images(photos), images, atol=1e-5 * np.abs(images).max())
    found = bundle.texts([f"a photo of a {label}" for label in LABELS])
    np.testing.assert_allclose(found, texts, atol=1e-5 * np.abs(texts).max())
    np.testing.assert_allclose(
        bundle.similarity(photos, [f"a photo of a {label}" for label in LABELS]),
        unit(images) @ unit(texts).T,
        atol=1e-5,
    )


def test_labels_of_ones_own(load: Load, photos: list[Path], features: tuple[Any, Any, Any]) -> None:
    bundle, (images, texts, manifest) = load("whole-clip"), features
    logits = manifest.model.logit_scale * unit(images) @ unit(texts).T
    for _ in range(2):  # the second time the labels' vectors are kept
        found = bundle.classify(photos, labels=LABELS, template="a photo of a {}")
        for each, wanted in zip(found, softmax(logits), strict=True):
            by_label = dict(each)
            assert list(by_label.values()) == sorted(by_label.values(), reverse=True)
            np.testing.assert_allclose([by_label[label] for label in LABELS], wanted, rtol=1e-3)


def test_graphs_by_name_and_by_their_inputs(load: Load, photos: list[Path]) -> None:
    bundle = load("whole-clip")
    pixels, texts = bundle.prepare_images(photos), bundle.prepare_texts(["ant"]).arrays
    np.testing.assert_array_equal(bundle.run({"pixel_values": pixels})["image_embeds"], bundle.images(photos))
    np.testing.assert_array_equal(bundle.run(texts, graph="text")["text_embeds"], bundle.texts("ant"))
    np.testing.assert_array_equal(bundle.embed_prepared(texts), bundle.texts("ant"))
    assert bundle.warm_up() > 0


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda bundle: bundle.classify([b"x"]), "no labels are given"),
        (lambda bundle: bundle.classify([b"x"], labels=[]), "labels=[]: there are none"),
        (lambda bundle: bundle.classify([b"x"], labels=["a", "a"]), "'a' stands there twice"),
        (lambda bundle: bundle.classify([b"x"], labels="cat"), "they are no list of texts"),
        (lambda bundle: bundle.classify([b"x"], labels=["a", 3]), "they are no list of texts"),
        (lambda bundle: bundle.classify([b"x"], labels=3), "labels=3: they are no list of texts"),
        (lambda bundle: bundle.classify([b"x"], labels={"a"}), "they are no list of texts"),
        (lambda bundle: bundle.classify([b"x"], labels=["a"], template=None), "it has not exactly one {}"),
        (lambda bundle: bundle.run({"pixel_values": 1}, graph=["image"]), "its graphs are image, text"),
        (lambda bundle: bundle.classify([b"x"], labels=["a"], template="photo"), "it has not exactly one {}"),
        (lambda bundle: bundle.classify([b"x"], labels=["a"], template="{} {}"), "it has not exactly one {}"),
        (
            lambda bundle: bundle.run({"pixels": 3}),
            "the inputs pixels belong to 0 of its graphs; it has the ",
        ),
        (lambda bundle: bundle.run({}), "the inputs (none) belong to 0 of its graphs"),
        (lambda bundle: bundle.run({"pixel_values": 1, "input_ids": 1}), "belong to 2 of its graphs"),
        (lambda bundle: bundle.run({"pixel_values": 1}, graph="model"), "its graphs are image, text"),
        (lambda bundle: bundle.similarity(), "neither images nor texts are given"),
    ],
)
def test_what_is_refused(load: Load, call: Any, told: str) -> None:
    with pytest.raises(InputError) as error:
        call(load("whole-clip"))
    assert told in str(error.value)
