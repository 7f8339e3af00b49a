"""What a model computes, and from what. Imports nothing, so that presets can be listed without torch."""

from __future__ import annotations

from typing import Literal

Task = Literal[
    "image-embedding",
    "image-classification",
    "image-features",
    "text-features",
    "text-embedding",
    "text-classification",
    "token-classification",
]
Modality = Literal["image", "text"]
Tower = Literal["image", "both"]
"""Of a whole CLIP: its image tower alone, or its text tower too."""
