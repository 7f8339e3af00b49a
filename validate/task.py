"""What every task has in common: it runs an encoder over a split and judges each sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from pitome.bundle.own_data_records import OwnDataRecord
from pitome.errors import InputError
from pitome.runtime import Runtime
from pitome.validate.runs import run_batch
from pitome.validate.samples import Samples, Skipped

if TYPE_CHECKING:
    from torch import Tensor

    from pitome.validate.evaluate.records import OwnFindings

Split = Literal["validation", "test"]
Progress = Callable[[str, int, int], None]
"""Called with (step, done, total)."""
BATCH = 32


@dataclass(frozen=True)
class Score:
    """How a model did on one split."""

    metrics: dict[str, npt.NDArray[np.float64]]
    """Metric -> [n], one value per sample (1 right, 0 wrong, or a cosine); the same samples in the same order
    for every model. Two metrics may look at different samples (images, captions)."""
    main: str
    """The metric that decides."""
    details: dict[str, Any] = field(default_factory=dict)
    """JSON."""
    groups: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    """Metric -> [n] numbers, equal for samples that belong together (views of one photo); a metric that is
    not here has independent samples."""
    own: OwnFindings | None = None
    """On data of the user's without labels."""

    def mean(self, name: str | None = None) -> float:
        """Mean over all samples of a metric; None = the main one."""
        return float(self.metrics[name or self.main].mean())


class Task(ABC):
    """One data set and how a model's outputs are judged on it.

    "validation" is held out from the training data and used for every choice; "test" is used once.
    """

    name: str
    has_head: ClassVar[bool] = False
    """Whether ``score(refit=True)`` fits anything."""
    batch: int = BATCH
    """Samples that an encoder gets at a time."""

    @abstractmethod
    def count(self, split: Split) -> int:
        """Samples of a split."""

    @abstractmethod
    def samples(self, split: Split, rows: slice | Sequence[int]) -> Samples:
        """Some samples of a split, made when asked for."""

    def prepare(self, unmerged: Runtime, progress: Progress | None = None) -> None:  # noqa: B027 (optional)
        """Fit, or remember, whatever comes from the unmerged model. To be called once, before ``score``."""

    @abstractmethod
    def score(
        self, encoder: Runtime, split: Split, refit: bool = False, progress: Progress | None = None
    ) -> Score:
        """Judge a model.

        Args:
            encoder: the model.
            split: "validation" or "test".
            refit: fit the task's head anew to this model's features of the training data; a task without a
                head refuses it.
            progress: called with (step, done, total).
        """

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """What could not be used, and why."""
        return ()

    @property
    def own_data(self) -> OwnDataRecord | None:
        """What is used of the user's data, where that has no labels."""
        return None

    @property
    def in_place_of(self) -> str | None:
        """Why this is not the task that was asked for, where it is another."""
        return None


def run_encoder(
    task: Task,
    encoder: Runtime,
    split: Split,
    reduce: Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], Mapping[str, Tensor]],
    progress: Progress | None = None,
) -> dict[str, Tensor]:
    """Run a model over a split, batch by batch.

    Args:
        task: whose samples.
        encoder: the model.
        split: which samples.
        reduce: (inputs, outputs) of a batch -> what is kept of it, by name, each [b, ...].
        progress: called with (step, done, total).

    Returns:
        Name -> [n, ...].
    """
    step = f"{task.name}: {split}"
    total = task.count(split)

    def part(start: int) -> Samples:
        return task.samples(split, slice(start, start + task.batch))

    return _collect(part, total, task.batch, encoder, reduce, step, progress)


def run_samples(
    samples: Samples,
    batch: int,
    encoder: Runtime,
    reduce: Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], Mapping[str, Tensor]],
    step: str,
    progress: Progress | None = None,
) -> dict[str, Tensor]:
    """As `run_encoder`, for samples that are in memory."""

    def part(start: int) -> Samples:
        return samples.rows(slice(start, start + batch))

    return _collect(part, len(samples), batch, encoder, reduce, step, progress)


def _collect(
    part: Callable[[int], Samples],
    total: int,
    batch: int,
    encoder: Runtime,
    reduce: Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], Mapping[str, Tensor]],
    step: str,
    progress: Progress | None,
) -> dict[str, Tensor]:
    import torch

    kept: dict[str, list[Tensor]] = {}
    for start in range(0, total, batch):
        if progress is not None:
            progress(step, start, total)
        inputs = part(start).inputs
        for name, value in reduce(inputs, run_batch(encoder, inputs)).items():
            kept.setdefault(name, []).append(value)
    if progress is not None:
        progress(step, total, total)
    return {name: torch.cat(values) for name, values in kept.items()}


def require_output(outputs: Mapping[str, Tensor], name: str, task: str) -> Tensor:
    """An output of a model by name.

    Raises:
        InputError: the model has it not.
    """
    if name not in outputs:
        raise InputError(
            f"the task {task}",
            f"it needs the output {name}, and the model gives {', '.join(outputs) or 'none'}",
            "Choose a task that fits the model",
        )
    return outputs[name]


def refuse_refit(task: Task, refit: bool) -> None:
    """InputError where ``refit`` is asked of a task without a head."""
    if refit:
        raise InputError(
            f"a head of {task.name} that is fitted anew",
            "this task fits no head",
            "Leave refit out for it",
        )
