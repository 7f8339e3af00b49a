"""Errors that ``transformers`` and torch raise over a checkpoint's content, in the words of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from pitome.errors import InputError, PitomeError


@contextmanager
def as_input_error(asked: str, found: str, remedy: str) -> Iterator[None]:
    """Turn any error of a library inside into an InputError; ours and a MemoryError pass through.

    Args:
        asked, found, remedy: as `PitomeError`; the library's own words follow ``found``.
    """
    try:
        yield
    except (PitomeError, MemoryError):
        raise
    except Exception as error:  # unknown names, divisions by zero, failed asserts, sizes beyond all memory
        lines = str(error).splitlines() or ["no reason given"]
        raise InputError(asked, f"{found}: {type(error).__name__}: {lines[0]}", remedy) from error


def as_configuration_error(image_size: int | None = None) -> AbstractContextManager[None]:
    """Around the building of a model; with ``image_size`` it is built for that many pixels at once."""
    pixels = "" if image_size is None else f" with IMAGE_SIZE={image_size}"
    remedy = "Correct the file" if image_size is None else "Correct the file, or choose a smaller IMAGE_SIZE"
    return as_input_error(f"the model's config.json{pixels}", "it can't be built", remedy)
