"""Splits that are read when they are first used: a task knows all of them and mostly uses one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Generic, Literal, TypeVar

SplitName = Literal["validation", "test"]
SPLITS: tuple[SplitName, ...] = ("validation", "test")
Content = TypeVar("Content")


class LateSplits(Mapping[SplitName, Content], Generic[Content]):
    """Split -> its content, made at the first look-up and kept."""

    def __init__(self, make: Callable[[SplitName], Content]) -> None:
        """``make``: a split's content."""
        self._make = make
        self._made: dict[SplitName, Content] = {}

    def __getitem__(self, split: SplitName) -> Content:
        if split not in SPLITS:
            raise KeyError(split)
        if split not in self._made:
            self._made[split] = self._make(split)
        return self._made[split]

    def __iter__(self) -> Iterator[SplitName]:
        return iter(SPLITS)

    def __len__(self) -> int:
        return len(SPLITS)
