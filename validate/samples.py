"""Inputs of a model, many at a time: named tensors that share their first dimension."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pitome.bundle.own_data_records import OwnDataRecord
from pitome.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Samples:
    """``model(**inputs)`` takes them: images as pixel_values, texts as input_ids and attention_mask."""

    inputs: dict[str, Tensor]
    """Input name -> [n, ...]."""

    def __post_init__(self) -> None:
        counts = {name: len(value) for name, value in self.inputs.items()}
        if len(set(counts.values())) != 1:
            raise InputError(
                "samples with one row for each input",
                f"the rows are {counts or 'none'}",
                "Give tensors with the same first dimension",
            )

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def rows(self, chosen: slice | Sequence[int]) -> Samples:
        """Some of the samples."""
        index = chosen if isinstance(chosen, slice) else list(chosen)
        return Samples({name: value[index] for name, value in self.inputs.items()})

    def batches(self, size: int) -> Iterator[dict[str, Tensor]]:
        """All of them in order, ``size`` at a time; the last batch may be smaller."""
        for start in range(0, len(self), size):
            yield self.rows(slice(start, start + size)).inputs

    @staticmethod
    def concatenate(parts: Sequence[Samples]) -> Samples:
        """The samples of all parts, in order."""
        import torch

        return Samples({name: torch.cat([part.inputs[name] for part in parts]) for name in parts[0].inputs})


EXAMPLES = 5
"""Skipped samples that are named one by one."""


@dataclass(frozen=True)
class Skipped:
    """Samples that a data set lists and that could not be used."""

    count: int
    reason: str
    examples: tuple[str, ...] = ()
    """The first `EXAMPLES` of them by name, each with its own reason where it has one."""

    def __str__(self) -> str:
        return told_skipped(self.count, self.reason, self.examples)


def told_skipped(count: int, reason: str, examples: Sequence[str]) -> str:
    """Such as "3 samples: the image can't be used (cat.jpg: it has no pixels; and 2 more)"."""
    more = f"; and {count - len(examples):,} more" if count > len(examples) else ""
    named = f" ({'; '.join(examples)}{more})" if examples else ""
    return f"{count:,} {'sample' if count == 1 else 'samples'}: {reason}{named}"


def joined(parts: Sequence[Skipped]) -> tuple[Skipped, ...]:
    """One for each reason."""
    found: dict[str, Skipped] = {}
    for part in parts:
        before = found.get(part.reason, Skipped(0, part.reason))
        examples = (*before.examples, *part.examples)[:EXAMPLES]
        found[part.reason] = Skipped(before.count + part.count, part.reason, examples)
    return tuple(found.values())


@dataclass(frozen=True)
class CheckedInputs:
    """What parity is checked on: inputs of one model, made up and real."""

    random: Samples
    real: Samples
    """Photos or sentences."""
    own: OwnDataRecord | None = None
    """Where the real ones are the user's."""

    @property
    def all(self) -> Samples:
        """The real ones first."""
        return Samples.concatenate([self.real, self.random])

    def subset(self, count: int) -> list[int]:
        """Indices into ``all``: half real, half random where there are both.

        The real ones are spread from the first to the last: texts stand there by length.
        """
        real, made_up = len(self.real), len(self.random)
        of_real = min(real, max(count // 2, count - made_up))
        spread = [index * (real - 1) // max(of_real - 1, 1) for index in range(of_real)]
        return [*spread, *range(real, real + min(made_up, count - of_real))]
