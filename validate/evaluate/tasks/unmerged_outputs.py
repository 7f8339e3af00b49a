"""What the unmerged model answers on a task's samples: what tasks of fidelity compare with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pitome.errors import InputError
from pitome.runtime import Runtime
from pitome.validate.evaluate.tasks.task import Progress, Split, Task, run_encoder

if TYPE_CHECKING:
    from torch import Tensor


class UnmergedOutputs:
    """Vectors of the unmerged model; it runs over a split when that is first asked for."""

    def __init__(
        self,
        task: Task,
        reduce: Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], Mapping[str, Tensor]],
    ) -> None:
        """``task``: whose samples; ``reduce``: (inputs, outputs) of a batch -> name -> [b, C]."""
        self._task, self._reduce = task, reduce
        self._encoder: Runtime | None = None
        self._made: dict[Split, dict[str, Tensor]] = {}

    def prepare(self, unmerged: Runtime) -> None:
        """From now on it is this model."""
        self._encoder, self._made = unmerged, {}

    def of(self, split: Split, progress: Progress | None = None) -> dict[str, Tensor]:
        """Name -> [n, C] of a split.

        Raises:
            InputError: ``prepare`` was not called.
        """
        if self._encoder is None:
            raise InputError(
                f"a score on {self._task.name}",
                "the unmerged model is not there",
                "Call prepare with the unmerged model",
            )
        if split not in self._made:
            self._made[split] = run_encoder(self._task, self._encoder, split, self._reduce, progress)
        return self._made[split]
