"""What is embedded, one by one: an image or a text, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Item:
    """One input, before anybody opened it."""

    id: str
    """Path as the user wrote it, in a table with ``#`` and the row from 0; or what the id column says."""
    place: str | None = None
    """File to read, absolute; None where ``text`` is what is embedded, or ``reason`` says why nothing is."""
    written: str | None = None
    """The place as it is written in a list or table; None where the id says it."""
    row: int | None = None
    """Of a Parquet file at ``place`` whose column holds the image itself."""
    size: int | None = None
    """Bytes of the file; None where it is not there."""
    changed: int | None = None
    """When the file was changed, in nanoseconds."""
    text: str | None = None
    reason: str | None = None
    """Why it can't be embedded, where that is known from its line or row alone."""
    kept: dict[str, Any] = field(default_factory=dict)
    """Columns that are passed through."""
