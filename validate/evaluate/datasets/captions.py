"""Captions of the classes of Fashion-MNIST: what the small CLIP learns from, and what it is asked with."""

from __future__ import annotations

TRAINING_TEMPLATES = (
    "a photo of a {}",
    "a picture of a {}",
    "an image of a {}",
    "a grey photo of a {}",
    "a small photo of a {}",
    "a {} on a black background",
)
EVALUATION_TEMPLATES = (
    "a photo of a {}",
    "a grey picture of a {}",
    "a small image of a {}",
    "an image of a {} on a black background",
)
"""The first one was trained with; the others combine words of several training templates."""
WORDS = {
    "t-shirt": ("t-shirt", "tee", "t-shirt or top"),
    "trousers": ("pair of trousers", "pair of pants"),
    "pullover": ("pullover", "sweater"),
    "dress": ("dress", "gown"),
    "coat": ("coat", "jacket"),
    "sandal": ("sandal", "open shoe"),
    "shirt": ("shirt", "blouse"),
    "sneaker": ("sneaker", "trainer"),
    "bag": ("bag", "handbag"),
    "ankle boot": ("ankle boot", "boot"),
}
"""Class name -> the words that stand for it in a caption, the usual one first."""


def training_captions() -> list[list[str]]:
    """For each class, in order, every template with every of its words."""
    return [
        [template.format(word) for template in TRAINING_TEMPLATES for word in words]
        for words in WORDS.values()
    ]


def class_captions() -> list[list[str]]:
    """For each class, in order, every evaluation template with its usual word."""
    return [[template.format(words[0]) for template in EVALUATION_TEMPLATES] for words in WORDS.values()]
