"""What a session can be asked for. Not in session.py: run as a program, that module exists twice."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from pitome.bundle.manifest import Record


class EngineFile(Record):
    """A plan, and what its process must load or allow."""

    name: str
    plan: Path
    plugin: Path | None = None
    host_code: bool = False


class CheckRequest(Record):
    """Check engines of one kind, one per precision, against PyTorch."""

    work: Literal["check"] = "check"
    name: str
    backend: str
    engines: dict[str, EngineFile]
    decisions: dict[str, tuple[str, ...]]
    """Precision -> outputs of its engine that are decisions."""


class MeasureRequest(Record):
    """Measure engines against each other and against PyTorch."""

    work: Literal["measure"] = "measure"
    backend: str
    precision: str
    engines: tuple[EngineFile, ...]
    batches: tuple[int, ...]


class RunRequest(Record):
    """Run one engine on given inputs, twice: enqueued, then replayed from a CUDA graph."""

    work: Literal["run"] = "run"
    backend: str
    engine: EngineFile
    inputs: Path
    """A safetensors file; the batch is the first dimension."""
    outputs: Path
    """The file to write: outputs of the first run as ``<name>``, of the second as ``<name>.replay``."""


Request = CheckRequest | MeasureRequest | RunRequest
REQUEST: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="work")])
