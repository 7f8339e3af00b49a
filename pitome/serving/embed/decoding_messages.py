"""What a process that decodes images is told, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Where an image lies."""

    path: str
    row: int | None = None
    """Of a Parquet file that has the image in a column."""
    column: str | None = None


@dataclass(frozen=True)
class Setup:
    """What a decoding process is told first."""

    preprocess: str
    """JSON of an `ImagePreprocess`."""
    rows: int
    """Images that a slot of the memory has room for."""
    slots: int


@dataclass(frozen=True)
class Task:
    """Images for a slot."""

    slot: int
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Done:
    """A task that is done; the slot's row is filled where there is no reason."""

    slot: int
    reasons: tuple[str | None, ...]
    remarks: tuple[str, ...]
