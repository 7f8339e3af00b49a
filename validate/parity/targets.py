"""What parity checks: the model in one precision on a runtime, loaded for the time of one pass."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from pitome.errors import ParityError
from pitome.export.debug_graph import write_debug_graph
from pitome.runtime import CPU, Device
from pitome.runtime.native import NativeLibrary
from pitome.runtime.onnxruntime import OnnxRuntime, runtime_name
from pitome.validate.runs import Advance, Run, arrays, run_samples
from pitome.validate.samples import Samples


class Target(Protocol):
    """A graph or a plan that returns its decisions when it runs."""

    @property
    def runtime(self) -> str:
        """As reports call what it runs on, such as "onnxruntime"."""

    @property
    def file(self) -> str:
        """Its file's name, as errors say it."""

    def run(self, samples: Samples, batch: int, advance: Advance | None = None) -> Run:
        """Run samples, ``batch`` at a time, nothing forced; floats are float32."""


@dataclass(frozen=True)
class GraphTarget:
    """An exported graph on onnxruntime, its decisions looked at in a debug copy."""

    path: Path
    precision: str = "fp32"
    threads: int = 2
    device: Device = CPU
    native: NativeLibrary | None = None
    """Computes the merges in place of the function that the graph carries."""

    @property
    def runtime(self) -> str:
        """With the device, where that is not the CPU, and with what computes the merges."""
        return runtime_name(self.device, self.native is not None)

    @property
    def file(self) -> str:
        """Name of the graph's file."""
        return self.path.name

    def run(self, samples: Samples, batch: int, advance: Advance | None = None) -> Run:
        """As the protocol has it.

        Raises:
            ParityError: the debug copy computes something else than the graph itself.
        """
        found = run_samples(self._open_debug_copy(), samples, batch, advance)
        self._check_published_graph(samples.rows(slice(0, batch)), found)
        return found

    def _open_debug_copy(self) -> OnnxRuntime:
        with tempfile.TemporaryDirectory(prefix=".debug-", dir=self.path.parent) as folder:
            debug = self.path.with_name(f"{Path(folder).name}.onnx")
            try:
                assignments = write_debug_graph(self.path, debug)
                return OnnxRuntime(
                    debug,
                    self.precision,
                    threads=self.threads,
                    device=self.device,
                    assignments=assignments,
                    purpose=f"running {self.path}",
                    native=self.native,
                )
            finally:
                debug.unlink(missing_ok=True)

    def _check_published_graph(self, samples: Samples, debugged: Run) -> None:
        """The graph that users get must compute what its debug copy computed, bit for bit."""
        plain = OnnxRuntime(
            self.path, self.precision, threads=self.threads, device=self.device, native=self.native
        )
        for name, value in plain.run(arrays(samples.inputs)).outputs.items():
            expected = debugged.outputs[name][: len(samples)].numpy()
            if not np.array_equal(value, expected, equal_nan=True):
                raise ParityError(
                    f"looking into {self.path.name}",
                    f"its output {name} changes when the decisions are returned too",
                    "Report this with the model's name and the version of onnxruntime",
                )
