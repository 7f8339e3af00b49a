"""Data of the user's without labels: images of a folder, texts of a file, as a model's inputs.

They are listed in a fixed order, a limit chooses by a seed, and what can't be used is counted with its reason
and named. Nothing is taken in its place.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pitome.bundle.own_data_records import LeftOutRecord, OwnDataRecord
from pitome.bundle.portable import seen_from
from pitome.errors import InputError

if TYPE_CHECKING:
    from pitome.models.loading import LoadedModel
    from pitome.validate.samples import Samples

Progress = Callable[[str, int, int], None]
"""Called with (what is done, done, total)."""
IMAGES, TEXTS = "images", "texts"
FORMS = (f"{IMAGES}:FOLDER", f"{TEXTS}:FILE")
MOST_NAMES = 10
"""Names that are told of what was skipped for one reason."""


@dataclass(frozen=True)
class Reference:
    """What a user wrote: ``images:FOLDER`` or ``texts:FILE``."""

    text: str
    kind: str
    path: Path

    @classmethod
    def parse(cls, text: str) -> Reference | None:
        """None where the text is of another form. All behind the first colon is the path."""
        kind, colon, place = text.partition(":")
        if kind not in (IMAGES, TEXTS) or not colon or not place:
            return None
        return cls(text, kind, user_path(place))


def portable_data(text: str, bundle: Path) -> str:
    """What a manifest says of ``images:FOLDER`` or ``texts:FILE``: the path as seen from the bundle."""
    reference = Reference.parse(text)
    return text if reference is None else f"{reference.kind}:{seen_from(bundle, reference.path)}"


@dataclass(frozen=True)
class OwnSamples:
    """Inputs made of the user's images or texts."""

    record: OwnDataRecord
    names: tuple[str, ...]
    """Of each: the file below its folder, or the place of the text in its file."""
    load: Callable[[Sequence[int]], Samples]
    """Rows -> the model's inputs."""
    shown: Callable[[int], str]
    """Row -> the beginning of a text; of an image a small picture of it (JPEG as a data URI)."""

    def __len__(self) -> int:
        return len(self.names)


@dataclass
class LeftOut:
    """What could not be used, collected reason by reason."""

    _names: dict[str, list[str]] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)

    def add(self, reason: str, name: str) -> None:
        """One more."""
        self._counts[reason] = self._counts.get(reason, 0) + 1
        names = self._names.setdefault(reason, [])
        if len(names) < MOST_NAMES:
            names.append(name)

    def records(self) -> tuple[LeftOutRecord, ...]:
        """The most frequent reason first."""
        order = sorted(self._counts, key=lambda reason: (-self._counts[reason], reason))
        return tuple(
            LeftOutRecord(count=self._counts[reason], reason=reason, names=tuple(self._names[reason]))
            for reason in order
        )

    def told(self) -> str:
        """In a sentence: "3 empty (line 2, line 4, line 9); 1 no text (line 7)"."""
        return "; ".join(map(left_out_text, self.records()))


def left_out_text(part: LeftOutRecord) -> str:
    """Such as "2 damaged (a.jpg, b.jpg)"."""
    more = f", and {part.count - len(part.names):,} more" if part.count > len(part.names) else ""
    return f"{part.count:,} {part.reason} ({', '.join(part.names)}{more})"


def check_own_data(text: str, column: str | None = None) -> Reference | None:
    """What needs no model: the path must be there; None where the text is no own data.

    Raises:
        InputError: no such folder or file, or something else than what is asked for.
    """
    reference = Reference.parse(text)
    if reference is None:
        return None
    if reference.kind == IMAGES:
        from pitome.validate.own_images import require_folder

        require_folder(reference.path, text)
    else:
        from pitome.validate.own_texts import require_file

        require_file(reference.path, text, column)
    return reference


def check_inputs(text: str | None, column: str | None = None) -> None:
    """Of the option --inputs: what needs no model.

    Raises:
        InputError: another form, or as `check_own_data`.
    """
    if text is not None and check_own_data(text, column) is None:
        raise InputError(f"INPUTS={text}", "it is of no known form", f"Write {' or '.join(FORMS)}")


def check_column(column: str | None, names: Sequence[str]) -> None:
    """InputError where a column is given and none of these data has one."""
    if column is not None and not any(name.startswith(f"{TEXTS}:") for name in names):
        raise InputError(
            f"the column {column} for {', '.join(names) or 'the data'}",
            f"only {FORMS[1]} reads a column",
            "Leave --column out",
        )


def read_own_data(
    text: str,
    loaded: LoadedModel,
    *,
    limit: int | None = None,
    seed: int = 0,
    column: str | None = None,
    progress: Progress | None = None,
) -> OwnSamples:
    """Images or texts as the inputs of a model.

    Args:
        text: ``images:FOLDER`` or ``texts:FILE``.
        loaded: the model, whose preprocessing or tokenizer is used.
        limit: at most so many, chosen by the seed; None = all.
        seed: of the choice.
        column: that the texts stand in; None = "text", where a file has columns.
        progress: called with (what is done, done, total).

    Raises:
        InputError: no such form, a path that is not what is asked for, a model that takes other inputs, or
            nothing that could be used.
    """
    reference = check_own_data(text, column)
    if reference is None:
        raise InputError(f"the data {text}", "it is of no known form", f"Write {' or '.join(FORMS)}")
    wanted = "image" if reference.kind == IMAGES else "text"
    if loaded.family.modality != wanted:
        other = FORMS[1] if wanted == "image" else FORMS[0]
        raise InputError(
            f"{text} with {loaded.name}",
            f"the model takes {loaded.family.modality}s",
            f"Give {other}",
        )
    tell = progress or (lambda detail, done, total: None)
    if reference.kind == IMAGES:
        from pitome.validate.own_images import read_images

        return read_images(reference, loaded.image_preprocess, limit, seed, tell)
    from pitome.validate.own_texts import read_texts

    return read_texts(reference, loaded, column, limit, seed, tell)


def chosen_rows(count: int, limit: int | None, seed: int) -> list[int]:
    """At most ``limit`` of ``count`` rows, ascending; a larger limit holds those of a smaller one."""
    if limit is None or limit >= count:
        return list(range(count))
    return sorted(np.random.default_rng(seed).permutation(count)[:limit].tolist())


def make_record(
    reference: Reference,
    found: int,
    used: Sequence[tuple[str, bytes]],
    left_out: LeftOut,
    limit: int | None,
    seed: int,
    column: str | None = None,
) -> OwnDataRecord:
    """The record of what was used.

    Args:
        reference: as the user gave it.
        found: how many there were to choose from.
        used: name and SHA-256 of the content of each.
        left_out: what could not be used.
        limit: what the user gave.
        seed: of the choice.
        column: that texts stand in.
    """
    digest = hashlib.sha256()
    for name, content in used:
        digest.update(hashlib.sha256(name.encode()).digest() + content)
    limited = limit is not None and limit < found
    return OwnDataRecord(
        data=shown_name(reference.text),
        column=column,
        data_sha256=digest.hexdigest(),
        found=found,
        used=len(used),
        limit=limit if limited else None,
        seed=seed,
        chosen=tuple(name for name, _ in used) if limited else (),
        skipped=left_out.records(),
    )


def user_path(text: str) -> Path:
    """A path as a user wrote it; ``~`` is the home folder, and one of nobody is taken as it stands."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # ~nobody
        return Path(text)


def shown_name(name: str) -> str:
    """A name that JSON and a terminal can hold: bytes that are no UTF-8 are written out."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
