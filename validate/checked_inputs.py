"""The inputs that parity is checked on: seeded ones that reach everywhere, and real ones that a task has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from validate.samples import CheckedInputs, Samples

if TYPE_CHECKING:
    from pitome.models.loading import LoadedModel


def checked_inputs(loaded: LoadedModel, count: int, seed: int = 0) -> CheckedInputs:
    """``count`` random inputs, and the photos of scikit-image or the sentences of this package.

    Raises:
        InputError: scikit-image has not its photos.
    """
    if loaded.family.modality == "text":
        from pitome.models.tokenizer import encode_texts
        from validate.datasets.sentences import SENTENCES

        assert loaded.tokenizer is not None  # every text model has one
        real = Samples(encode_texts(loaded.tokenizer, SENTENCES))
        config: Any = loaded.model.config
        length = real.inputs["input_ids"].shape[1]
        return CheckedInputs(random_texts(count, length, config.vocab_size, seed), real)
    from validate.datasets.photos import real_photos

    _, photos = real_photos(loaded.preprocess)
    made_up = random_images(count, photos.shape[1:], seed)
    return CheckedInputs(Samples({"pixel_values": made_up}), Samples({"pixel_values": photos}))


def random_images(count: int, shape: Sequence[int], seed: int = 0) -> Tensor:
    """Seeded normal noise [count, *shape], scaled as preprocessed images are."""
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))


def random_texts(count: int, length: int, vocabulary: int, seed: int = 0) -> Samples:
    """Seeded token ids and masks, int64 [count, length]; each text has 1 to ``length`` tokens."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, length + 1, (count, 1), generator=generator)
    mask = (torch.arange(length) < lengths).long()
    ids = torch.randint(1, vocabulary, (count, length), generator=generator) * mask
    return Samples({"input_ids": ids, "attention_mask": mask})
