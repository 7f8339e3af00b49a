"""`pitome.load`: what the methods give is what PyTorch's merged model computes, from whatever entrance."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import pitome
from pitome.bundle import read_manifest
from pitome.runtime.answers import Prediction
from tests.pitome.runtime.bundles import LABELS, bundle_of, checkpoint_of
from tests.pitome.runtime.conftest import Load

pytestmark = pytest.mark.slow
TEXTS = ["a", "is it the one that we have", "the of and", "a the of and to in is", "it"]


def merged(bundle: Path) -> Any:
    """PyTorch's merged model of a bundle, in float32."""
    loaded = pitome.load_model(str(checkpoint_of(bundle)))
    return pitome.compress(loaded.model, ratio=read_manifest(bundle).build.schedule.ratio).eval()


def tokens(bundle: Path, texts: list[Any], length: int) -> dict[str, torch.Tensor]:
    """By transformers' own tokenizer."""
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(bundle / "tokenizer.json"), pad_token="[PAD]")
    found = tokenizer(texts, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    return {name: found[name] for name in ("input_ids", "attention_mask")}


def close(found: np.ndarray, wanted: np.ndarray) -> None:
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * max(1.0, float(np.abs(wanted).max())))


@pytest.mark.parametrize(
    ("kind", "output"),
    [
        ("clip", "image_embeds"),
        ("classifier", "logits"),
        pytest.param("features", "last_hidden_state", marks=pytest.mark.full),
    ],
)
def test_images_are_what_pytorch_computes(
    load: Load, photos: list[Path], kind: str, output: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bundle, folder = load(kind), bundle_of(tmp_path_factory, kind)
    with torch.no_grad():
        found = getattr(merged(folder)(torch.from_numpy(pitome.preprocess(folder, list(photos)))), output)
    wanted = found.numpy()
    close(bundle.images(photos), wanted[:, 0] if wanted.ndim == 3 else wanted)


def test_texts_are_what_pytorch_computes(load: Load, tmp_path_factory: pytest.TempPathFactory) -> None:
    """In the order of the texts, although short ones run first."""
    bundle, folder = load("sentence"), bundle_of(tmp_path_factory, "sentence")
    with torch.no_grad():
        wanted = merged(folder)(**tokens(folder, TEXTS, 24)).sentence_embedding.numpy()
    close(bundle.texts(TEXTS), wanted)
    close(bundle.texts(TEXTS, batch_size=2), wanted)
    close(bundle.texts(np.array(TEXTS)), wanted)
    close(bundle.texts(tuple(TEXTS[:2])), wanted[:2])
    close(bundle.texts(TEXTS[0]), wanted[:1])
    close(bundle.texts(text for text in TEXTS), wanted)


def test_fp16_is_close(load: Load, photos: list[Path], tmp_path_factory: pytest.TempPathFactory) -> None:
    with pitome.load(bundle_of(tmp_path_factory, "clip"), precision="fp16", threads=1) as bundle:
        assert (bundle.chosen.file, bundle.chosen.precision) == ("model.fp16.onnx", "fp16")
        found, wanted = bundle.images(photos), load("clip").images(photos)
    assert found.dtype == np.float32
    cosines = (found * wanted).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)
    assert cosines.min() > 0.9  # rounding may flip a merge: the parity check judges that


def test_the_four_entrances_are_equal(load: Load, photos: list[Path]) -> None:
    bundle = load("clip")
    opened = [Image.open(path) for path in photos]
    first, *others = [
        bundle.images(photos),
        bundle.images([str(path) for path in photos]),
        bundle.images([path.read_bytes() for path in photos]),
        bundle.images(opened),
        bundle.images([np.asarray(image) for image in opened]),
        bundle.images(iter(photos)),
        bundle.embed_prepared(bundle.prepare_images(photos)),
        bundle.run({"pixel_values": bundle.prepare_images(photos)})["image_embeds"],
    ]
    for each in others:
        np.testing.assert_array_equal(each, first)
    several = np.stack([np.asarray(image)[:40] for image in opened])
    np.testing.assert_array_equal(bundle.images(several), bundle.images(list(several)))
    close(bundle.images(photos[0]), first[:1])
    close(bundle.images(photos, batch_size=2), first)


def test_a_classifier_says_its_labels(load: Load, photos: list[Path]) -> None:
    bundle = load("classifier")
    assert bundle.labels == LABELS
    logits = torch.from_numpy(bundle.images(photos))
    scores, order = logits.softmax(dim=1).topk(3)
    for found, wanted, places in zip(bundle.classify(photos, top=3), scores, order, strict=True):
        assert [each.label for each in found] == [LABELS[int(place)] for place in places]
        np.testing.assert_allclose([each.score for each in found], wanted.numpy(), rtol=1e-5)
    assert sum(score for _, score in bundle.classify(photos[0], top=99)[0]) == pytest.approx(1)


def test_a_classifier_of_texts_takes_pairs(load: Load, tmp_path_factory: pytest.TempPathFactory) -> None:
    bundle, folder = load("text-classifier"), bundle_of(tmp_path_factory, "text-classifier")
    texts = ["the of", ("a", "is it")]
    with torch.no_grad():
        given = bundle.prepare_texts(texts)
        inputs = {name: torch.from_numpy(values) for name, values in given.arrays.items()}
        wanted = merged(folder)(**inputs).logits.numpy()
    close(bundle.texts(texts), wanted)
    assert given.lengths.tolist() == [4, 3]  # its template of a pair has nothing around the two
    first = bundle.classify(texts, top=1)
    assert [each[0].label for each in first] == [("no", "yes", "maybe")[place] for place in wanted.argmax(1)]


def test_prompts_are_put_in_front_by_name(load: Load) -> None:
    bundle = load("sentence")
    assert bundle.prompts == {"query": "is ", "passage": "a ", "none": ""}
    plain = bundle.texts(["is it", "a it", "it"])
    np.testing.assert_array_equal(bundle.texts(["it"] * 3, prompt="query")[0], bundle.texts(["is it"] * 3)[0])
    close(bundle.texts(["it"], prompt="passage"), plain[1:2])
    for prompt in (None, "", "none"):
        close(bundle.texts(["it"], prompt=prompt), plain[2:])


def test_long_texts_are_cut_where_it_is_asked_for(load: Load) -> None:
    bundle = load("sentence")
    assert bundle.text_limit == 24
    cut = bundle.texts(["the " * 40, "it"], truncate=True)
    close(cut, bundle.texts(["the " * 22, "it"]))
    prepared = bundle.prepare_texts(["it", "the " * 40], truncate=True)
    assert (prepared.lengths.tolist(), prepared.too_long, prepared.limit) == ([3, 42], [1], 24)
    assert prepared.arrays["input_ids"].shape == (2, 24)


def test_similarity_is_the_cosine(load: Load, photos: list[Path]) -> None:
    vectors = load("clip").images(photos).astype(np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    found = load("clip").similarity(photos)
    np.testing.assert_allclose(found, unit @ unit.T, atol=1e-6)
    assert (found.dtype, found.max() <= 1) == (np.float32, True)
    texts = load("sentence").similarity(texts=TEXTS)
    np.testing.assert_allclose(np.diag(texts), 1, atol=1e-6)


def test_coroutines_give_the_same(load: Load, photos: list[Path]) -> None:
    images, texts = load("classifier"), load("sentence")

    async def both() -> tuple[Any, ...]:
        return await asyncio.gather(
            images.asynchronous.images(photos),
            images.asynchronous.classify(photos, top=1),
            images.asynchronous.run({"pixel_values": images.prepare_images(photos)}),
            texts.asynchronous.texts(TEXTS, prompt="query"),
            texts.asynchronous.similarity(texts=TEXTS),
        )

    vectors, labels, outputs, embedded, cosines = asyncio.run(both())
    np.testing.assert_array_equal(vectors, images.images(photos))
    assert labels == images.classify(photos, top=1)
    assert isinstance(labels[0][0], Prediction)
    np.testing.assert_array_equal(outputs["logits"], vectors)
    np.testing.assert_array_equal(embedded, texts.texts(TEXTS, prompt="query"))
    np.testing.assert_array_equal(cosines, texts.similarity(texts=TEXTS))


@pytest.mark.parametrize("kind", ["clip", "sentence"])
def test_32_threads_get_their_own_answers(load: Load, kind: str) -> None:
    """Every answer is that of a call alone, to the last bit."""
    bundle, numbers = load(kind), np.random.default_rng(0)
    if kind == "clip":
        inputs = [numbers.integers(0, 256, (8 + place, 9, 3), np.uint8) for place in range(64)]
        call: Any = bundle.images
    else:
        inputs = [" ".join(numbers.permuted(TEXTS[3].split())[: 1 + place % 7]) for place in range(64)]
        call = bundle.texts
    alone = [call([each]) for each in inputs]
    with ThreadPoolExecutor(32) as threads:
        together = list(threads.map(lambda each: call([each]), inputs * 3))
    for place, found in enumerate(together):
        np.testing.assert_array_equal(found, alone[place % 64])
