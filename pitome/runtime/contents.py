"""What a bundle is made of, once it is opened."""

from __future__ import annotations

from dataclasses import dataclass

from pitome.bundle.manifest import Manifest
from pitome.models.answers import AnswerKind
from pitome.runtime.choice import Chosen
from pitome.runtime.private_files import Verification
from pitome.runtime.texts import TextPreparation


@dataclass(frozen=True)
class Contents:
    """All of an opened bundle but its graphs, which end when it is closed."""

    name: str
    """As errors call it, such as "the bundle build/clip-b16"."""
    manifest: Manifest
    chosen: Chosen
    verification: Verification
    texts: TextPreparation | None
    """None: the bundle has no tokenizer, or its model takes no texts."""
    labels: tuple[str, ...]
    """Of a classifier's outputs; none where the bundle has no names."""
    answers: AnswerKind
    """Of a classifier."""

    @property
    def text_limit(self) -> int | None:
        """Tokens of the longest text; None: the model takes no texts."""
        text = self.manifest.model.text or self.manifest.model.preprocess
        return text.sequence_length if text.kind == "text" else None
