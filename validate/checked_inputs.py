"""The inputs that parity is checked on: seeded ones that reach everywhere, and real ones that a task has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pitome.errors import InputError
from pitome.text_inputs import ATTENTION_MASK, INPUT_IDS, TOKEN_TYPE_IDS
from pitome.validate.own_data import OwnSamples, Progress, read_own_data
from pitome.validate.samples import CheckedInputs, Samples

if TYPE_CHECKING:
    from pitome.bundle import ImagePreprocess
    from pitome.models.loading import LoadedModel


MOST_OWN = 64
"""Images or texts of the user's that parity is checked on: each also runs with every decision forced."""
_DEVIATION_OF_PIXELS = ((256**2 - 1) / 12) ** 0.5
"""Of the numbers 0 to 255."""
_LEAST_USUAL = 0.25
"""Deviations of usual preprocessing lie between it and its inverse: they are about 1."""


def read_own_inputs(
    text: str, loaded: LoadedModel, column: str | None = None, progress: Progress | None = None
) -> OwnSamples:
    """At most `MOST_OWN` of a user's images or texts, chosen by a seed; as `read_own_data`."""
    return read_own_data(text, loaded, limit=MOST_OWN, column=column, progress=progress)


def checked_inputs(
    loaded: LoadedModel, count: int, seed: int = 0, own: OwnSamples | None = None
) -> CheckedInputs:
    """``count`` random inputs, and real ones: the user's, or else scikit-image's photos or our sentences.

    A model that takes token types gets pairs of sentences too, and random texts of several types. A text
    model without a tokenizer gets no sentences.

    Raises:
        InputError: scikit-image has not its photos.
    """
    if own is not None:
        return _own_and_random(loaded, count, seed, own)
    if loaded.family.modality == "text":
        from pitome.models.tokenizer import Text, encode_texts
        from pitome.validate.sentences import SENTENCE_PAIRS, SENTENCES, SHORTEST_PAIR

        config: Any = loaded.model.config
        length, types = loaded.sequence_length, loaded.num_token_types
        assert length is not None  # of every text model
        made_up = random_texts(count, length, config.vocab_size, seed, types)
        if loaded.tokenizer is None:  # random weights, or a checkpoint without one
            return CheckedInputs(made_up, made_up.rows(slice(0, 0)))
        texts: list[Text] = list(SENTENCES)
        if types and length >= SHORTEST_PAIR:
            texts += SENTENCE_PAIRS
        encoded = Samples(encode_texts(loaded.tokenizer, texts, types))
        return CheckedInputs(made_up, encoded.rows(_by_length(encoded)))
    from pitome.validate.photos import real_photos

    _, photos = real_photos(loaded.image_preprocess)
    noise = random_images(count, photos.shape[1:], seed, loaded.image_preprocess)
    return CheckedInputs(Samples({"pixel_values": noise}), Samples({"pixel_values": photos}))


def _own_and_random(loaded: LoadedModel, count: int, seed: int, own: OwnSamples) -> CheckedInputs:
    real = own.load(range(len(own)))
    if loaded.family.modality == "text":
        config: Any = loaded.model.config
        assert loaded.sequence_length is not None  # of every text model
        types = loaded.num_token_types
        made_up = random_texts(count, loaded.sequence_length, config.vocab_size, seed, types)
        return CheckedInputs(made_up, real, own.record)
    noise = random_images(count, real.inputs["pixel_values"].shape[1:], seed, loaded.image_preprocess)
    return CheckedInputs(Samples({"pixel_values": noise}), real, own.record)


def long_inputs(loaded: LoadedModel, count: int) -> Samples:
    """At most ``count`` (2 or more) photos of scikit-image, or texts that fill the model's length.

    Single sentences of this package are shorter than most models' texts: at a usual keep ratio nothing but
    their padding merges. So they are joined here (`pitome.validate.sentences.long_texts`).

    Raises:
        InputError: scikit-image has not its photos, or a text model has no tokenizer.
    """
    if loaded.family.modality == "text":
        from pitome.models.tokenizer import encode_texts
        from pitome.validate.sentences import SENTENCES, long_texts

        if loaded.tokenizer is None:
            raise InputError(
                f"real texts for {loaded.name}",
                "its checkpoint has no tokenizer.json",
                "Give a checkpoint with its tokenizer",
            )
        encoded = loaded.tokenizer.encode_batch(list(SENTENCES))
        lengths = [part.special_tokens_mask.count(0) for part in encoded]  # padding is special too
        assert loaded.sequence_length is not None  # of every text model
        texts = long_texts(lengths, loaded.sequence_length, count)
        return Samples(encode_texts(loaded.tokenizer, texts, loaded.num_token_types))
    from pitome.validate.photos import real_photos

    _, photos = real_photos(loaded.image_preprocess, limit=count)
    return Samples({"pixel_values": photos})


def random_images(
    count: int, shape: Sequence[int], seed: int = 0, preprocess: ImagePreprocess | None = None
) -> Tensor:
    """Seeded normal noise [count, *shape], scaled as preprocessed images are.

    Usual preprocessing gives images a mean near 0 and a deviation near 1. Where it does not, as without a
    rescaling, the noise gets the mean and deviation that pixels of all 256 values have after it.

    Args:
        count: images.
        shape: [C, H, W].
        seed: of the noise.
        preprocess: of the model; None = the usual.
    """
    noise = torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))
    if preprocess is None:
        return noise
    zeros, ones = (0.0,) * preprocess.channels, (1.0,) * preprocess.channels
    mean, std = torch.tensor(preprocess.mean or zeros), torch.tensor(preprocess.std or ones)
    factor = preprocess.rescale_factor or 1.0
    deviation = abs(factor) * _DEVIATION_OF_PIXELS / std
    if bool(((deviation > _LEAST_USUAL) & (deviation < 1 / _LEAST_USUAL)).all()):
        return noise
    centre = (factor * 127.5 - mean) / std
    return noise * deviation[:, None, None] + centre[:, None, None]


def random_texts(count: int, length: int, vocabulary: int, seed: int = 0, token_types: int = 0) -> Samples:
    """Seeded token ids and masks, int64 [count, length]; each text has 1 to ``length`` tokens.

    With ``token_types`` (2 or more) they have types too, which rise from text to text's end: a first part of
    random length is of type 0, as in a pair.
    """
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, length + 1, (count, 1), generator=generator)
    mask = (torch.arange(length) < lengths).long()
    ids = torch.randint(1, vocabulary, (count, length), generator=generator) * mask
    found = {INPUT_IDS: ids, ATTENTION_MASK: mask}
    if token_types:
        begins = torch.rand(count, token_types - 1, 1, generator=generator) * lengths.unsqueeze(1)
        found[TOKEN_TYPE_IDS] = (torch.arange(length) >= begins).sum(dim=1) * mask
    return Samples(found)


def _by_length(texts: Samples) -> list[int]:
    """Rows from the shortest to the longest; of equal ones the first first."""
    lengths = texts.inputs[ATTENTION_MASK].sum(dim=1)
    return [int(row) for row in torch.argsort(lengths, stable=True)]
