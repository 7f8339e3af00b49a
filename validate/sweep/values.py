"""The values of every sample, kept beside the records so that later points can be compared with them."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pitome.errors import InputError
from pitome.validate.statistics import PairedDifference, paired_difference
from pitome.validate.sweep.records import DifferenceRecord

if TYPE_CHECKING:
    from pitome.validate.task import Score


@dataclass(frozen=True)
class SampleValues:
    """The main metric of one point on one task, sample by sample."""

    values: npt.NDArray[np.float64]
    """[n]."""
    groups: npt.NDArray[np.int64] | None = None
    """[n], equal for samples that belong together; None = each on its own."""

    @classmethod
    def of(cls, score: Score) -> SampleValues:
        """The main metric of a score."""
        return cls(score.metrics[score.main], score.groups.get(score.main))

    def difference(self, other: SampleValues, seed: int) -> DifferenceRecord:
        """This minus the other over the same samples."""
        found: PairedDifference = paired_difference(self.values, other.values, seed, self.groups)
        return DifferenceRecord(
            mean=found.mean, low=found.low, high=found.high, p_value=found.p_value, method=found.method
        )


class ValueStore:
    """A folder with one .npz per point and task; a file is complete or not there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: str, task: str) -> Path:
        """The file of one point and task."""
        safe = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in task)
        return self.folder / f"{key}.{safe}.npz"

    def save(self, key: str, task: str, values: SampleValues) -> None:
        """Keep the values.

        Raises:
            InputError: the folder can't be written to.
        """
        final = self.path(key, task)
        partial = final.with_name(f".{final.name}.partial")
        arrays: dict[str, Any] = {"values": values.values}
        if values.groups is not None:
            arrays["groups"] = values.groups
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                np.savez(file, **arrays)
            os.replace(partial, final)
        except OSError as error:
            raise InputError(
                f"keeping the values of {final.name}",
                f"{self.folder} can't be written to ({error.strerror})",
                "Name another --out",
            ) from error

    def load(self, key: str, task: str) -> SampleValues | None:
        """The values, or None where there are none that can be read."""
        try:
            with np.load(self.path(key, task), allow_pickle=False) as found:
                return SampleValues(found["values"], found.get("groups"))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return None
