"""What a plan builder is asked for, what it hands back, and what a backend must provide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pitome.runtime.backends import PlanBackend

Progress = Callable[[str, int, int], None]
"""Called as ``progress(phase, done, total)``; phases nest, and ``done == total`` ends one."""


@dataclass(frozen=True)
class PlanRequest:
    """One plan to build from one ONNX file.

    Attributes:
        onnx: the ONNX file; external data is looked for beside it.
        plan: the file to write. It appears when it is complete, and not before.
        backend: ``"tensorrt_rtx"`` or ``"tensorrt"``.
        targets: GPU architectures such as ``("sm80", "sm89")``. Upper case is lowered, repeats are dropped.
            Classic TensorRT builds for the GPU in the machine: its name, or nothing.
        profile: smallest, typical and largest batch, ``1 <= min <= opt <= max``.
        precision: ``"fp32"``, ``"fp16"`` or ``"bf16"``: what the ONNX file's types are, for the checks and
            messages. The builder is strongly typed and changes nothing.
        num_merges: how many ``pitome::EnergyMerge`` nodes the graph holds.
        merge_path: how each of them must reach the builder: ``"function"`` (its standard-operator body) or
            ``"plugin"`` (one layer of the plugin library).
        plugin: the plugin library, for the merge path ``"plugin"`` only.
        embed_plugin: put that library into the plan too. A runtime then loads it by itself, but only where
            the application set ``engine_host_code_allowed = True``.
    """

    onnx: Path
    plan: Path
    backend: str
    targets: tuple[str, ...]
    profile: tuple[int, int, int]
    precision: str
    num_merges: int
    merge_path: str = "function"
    plugin: Path | None = None
    embed_plugin: bool = False

    def __post_init__(self) -> None:
        targets = tuple(dict.fromkeys(target.lower() for target in self.targets))
        object.__setattr__(self, "targets", targets)
        object.__setattr__(self, "profile", tuple(self.profile))

    @property
    def needs_plugin(self) -> bool:
        """Whether the builder loads the plugin library: not where nothing is merged."""
        return self.merge_path == "plugin" and self.num_merges > 0


@dataclass(frozen=True)
class PlanResult:
    """A finished plan, and how it came about.

    Attributes:
        plan: the file.
        bytes: its size.
        sha256: its digest, hexadecimal.
        backend: as asked.
        backend_version: the library that wrote it, as the plan's own header states it (``"1.7.1.116"``).
        targets: the architectures it holds code for.
        profile: smallest, typical and largest batch.
        precision: as asked.
        num_merges: how many merges the parser was seen to take.
        merge_path: the way they went; ``"none"`` where nothing is merged.
        plugin_embedded: whether the plugin library is in the plan.
        num_layers: layers of the network after parsing, before the builder fuses them.
        build_seconds: wall time of the builder process, parsing and writing included.
    """

    plan: Path
    bytes: int
    sha256: str
    backend: str
    backend_version: str
    targets: tuple[str, ...]
    profile: tuple[int, int, int]
    precision: str
    num_merges: int
    merge_path: str
    plugin_embedded: bool
    num_layers: int
    build_seconds: float


class Backend(Protocol):
    """What differs between two builders that share TensorRT's Python interface."""

    library: PlanBackend
    """Which it is. Its Python module is imported in the builder process only."""

    def check_targets(self, request: PlanRequest) -> None:
        """Raise InputError or BackendError where this builder cannot make code for the targets."""

    def resolve_targets(self, request: PlanRequest) -> tuple[str, ...]:
        """Return the targets that a build of this request is for."""

    def named_libraries(self) -> dict[str, Path]:
        """Return shared libraries that the builder process must find by other names than their files have.

        Only a build with the plugin needs them.
        """

    def set_targets(self, trt: Any, config: Any, targets: tuple[str, ...]) -> None:
        """Tell the builder configuration which architectures to compile for."""
