"""Features of unmerged models on disk: they take minutes, and every run of a task needs the same ones."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pitome.models.packaged import cache_errors
from pitome.validate.samples import Samples


@dataclass(frozen=True)
class FeatureCache:
    """One model's features, in files named by what they were computed from."""

    folder: Path
    weights_sha256: str

    def read(self, samples: Samples) -> npt.NDArray[np.float64] | None:
        """[n, C] of these samples; None where there are none."""
        try:
            return np.asarray(np.load(self._path(samples), allow_pickle=False), np.float64)
        except (OSError, ValueError, EOFError):
            return None

    def write(self, samples: Samples, features: npt.NDArray[np.float64]) -> None:
        """Keep [n, C] of these samples; written beside and renamed.

        Raises:
            InputError: the cache can't be written.
        """
        with cache_errors():
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.folder, suffix=".npy")
            try:
                with os.fdopen(handle, "wb") as file:
                    np.save(file, features, allow_pickle=False)
                Path(name).replace(self._path(samples))
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise

    def _path(self, samples: Samples) -> Path:
        digest = hashlib.sha256(self.weights_sha256.encode())
        for name, value in sorted(samples.inputs.items()):
            digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
            digest.update(value.contiguous().numpy().tobytes())
        return self.folder / f"{digest.hexdigest()[:32]}.npy"
