"""Images that are read when they are needed, with a number for the class (or picture) of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pitome.errors import InputError
from pitome.validate.evaluate.datasets.class_words import is_wordnet_id
from pitome.validate.evaluate.datasets.splits import first_of_shuffled
from pitome.validate.samples import Skipped

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ImageSet:
    """Images of one split."""

    labels: npt.NDArray[np.int64]
    """[n]."""
    class_names: tuple[str, ...]
    """Name of each label; empty where a label is the number of a picture."""
    load: Callable[[Sequence[int]], Tensor]
    """Rows -> float32 [rows, C, H, W], as the model wants them."""
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
        return self.rows(first_of_shuffled(len(self), limit, seed))


class UnknownClassesError(InputError):
    """No class of a data set is one of the model's labels."""


def class_numbers(names: Sequence[str], labels: Mapping[int, str]) -> list[int]:
    """The model's number of each class of a data set.

    The first rule that fits all names counts: the model's own labels; a label, or one of the synonyms in one
    ("tench, Tinca tinca"), upper and lower case alike; the numbers themselves; and, where all names are
    WordNet ids such as n01440764 and there are as many as labels, their sorted order, which is how ImageNet
    numbers its classes.

    Args:
        names: of the data set's classes, such as names of folders.
        labels: the model's numbers and their labels (``config.id2label``). Two may have the same label: to
            ImageNet's models 134 and 517 are both "crane".

    Raises:
        UnknownClassesError: no name is a label, by any rule.
        InputError: no rule fits, or a name is that of two numbers.
    """
    whole, folded, parts = _numbers_by_label(labels)
    if all(name in whole for name in names):
        return _only_numbers({name: whole[name] for name in names})
    found = {name: folded.get(name.lower()) or parts.get(name.lower()) or [] for name in names}
    unknown = [name for name in names if not found[name]]
    if not unknown:
        return _only_numbers(found)
    if all(name.isdecimal() and int(name) in labels for name in names):
        return [int(name) for name in names]
    in_order = sorted(labels) == list(range(len(names)))
    if in_order and len(unknown) == len(names) and all(is_wordnet_id(name) for name in names):
        place = {name: number for number, name in enumerate(sorted(names))}
        return [place[name] for name in names]
    none_known = len(unknown) == len(names) and not any(
        name.isdecimal() and int(name) in labels for name in names
    )
    raise (UnknownClassesError if none_known else InputError)(
        f"the classes {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}",
        f"the model has {len(labels)} labels ({', '.join(list(labels.values())[:3]) or 'none'}), and "
        f"{len(unknown)} of the {len(names)} classes are none of them ({', '.join(unknown[:3])})",
        "Name the classes as the model's config.json does (id2label), or write their names there; only "
        "WordNet ids, as many as labels, are numbered in their sorted order",
    )


def _numbers_by_label(
    labels: Mapping[int, str],
) -> tuple[dict[str, list[int]], dict[str, list[int]], dict[str, list[int]]]:
    """Numbers of each label, of each label in lower case, and of each synonym in lower case."""
    whole: dict[str, list[int]] = {}
    folded: dict[str, list[int]] = {}
    parts: dict[str, list[int]] = {}
    for number, label in sorted(labels.items()):
        whole.setdefault(label, []).append(number)
        folded.setdefault(label.strip().lower(), []).append(number)
        for part in {part.strip().lower() for part in label.split(",")}:
            parts.setdefault(part, []).append(number)
    return whole, folded, parts


def _only_numbers(found: Mapping[str, Sequence[int]]) -> list[int]:
    """The number of each name, where each has one."""
    for name, numbers in found.items():
        if len(numbers) > 1:
            raise InputError(
                f"the class {name}",
                f"{len(numbers)} of the model's labels are called so ({', '.join(map(str, numbers))})",
                "Name it by another synonym of its label, or name all classes by their numbers",
            )
    return [numbers[0] for numbers in found.values()]
