"""Images that are read when they are needed, with a number for the class (or picture) of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pitome.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Skipped:
    """Samples that a data set lists and that could not be used."""

    count: int
    reason: str


@dataclass(frozen=True)
class ImageSet:
    """Images of one split."""

    labels: npt.NDArray[np.int64]
    """[n]."""
    class_names: tuple[str, ...]
    """Name of each label; empty where a label is the number of a picture."""
    load: Callable[[Sequence[int]], Tensor]
    """Rows -> float32 [rows, 3, S, S], as the model wants them."""
    skipped: tuple[Skipped, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, chosen: npt.NDArray[np.int64]) -> ImageSet:
        """Some of the images, in the order asked for."""

        def load(rows: Sequence[int]) -> Tensor:
            return self.load([int(chosen[row]) for row in rows])

        return ImageSet(self.labels[chosen], self.class_names, load, self.skipped)

    def first_of_shuffled(self, limit: int | None, seed: int) -> ImageSet:
        """The first ``limit`` images of a seeded permutation; None = all, in their own order."""
        if limit is None or limit >= len(self):
            return self
        return self.rows(np.random.default_rng(seed).permutation(len(self))[:limit])


def class_numbers(names: Sequence[str], label_of: Mapping[str, int]) -> list[int]:
    """The model's number of each class of a data set.

    The first rule that fits all names counts: the model's own labels; one of the synonyms of a label
    ("tench, Tinca tinca"), upper and lower case alike; the numbers themselves; and, where there are as many
    classes as labels, their sorted order. The last is ImageNet's convention: its 1,000 folders are WordNet
    ids such as n01440764, and labels number them in sorted order.

    Args:
        names: of the data set's classes, such as names of folders.
        label_of: the model's label -> its number (``config.label2id``).

    Raises:
        InputError: no rule fits.
    """
    synonyms: dict[str, int] = {}
    for label, number in label_of.items():
        for part in (label, *label.split(",")):
            synonyms.setdefault(part.strip().lower(), number)
    if all(name in label_of for name in names):
        return [label_of[name] for name in names]
    if all(name.lower() in synonyms for name in names):
        return [synonyms[name.lower()] for name in names]
    numbers = set(label_of.values())
    if all(name.isdecimal() and int(name) in numbers for name in names):
        return [int(name) for name in names]
    known = [name for name in names if name.lower() in synonyms]
    if len(names) == len(label_of) and not known:
        place = {name: number for number, name in enumerate(sorted(names))}
        return [place[name] for name in names]
    unknown = [name for name in names if name.lower() not in synonyms]
    raise InputError(
        f"the classes {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}",
        f"the model has {len(label_of)} labels, and {len(unknown)} of the {len(names)} classes are none of "
        f"them ({', '.join(unknown[:3])})",
        "Name the classes as the model's config.json does (id2label), or give as many as it has labels",
    )
