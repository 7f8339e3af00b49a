"""Labelled texts from Orange's tab-separated files."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pitome.errors import InputError
from pitome.models.tokenizer import Text
from pitome.validate.samples import Skipped

_TEXT_TYPES = ("string", "s", "text")
_HEADER_ROWS = 3
_LONGEST_CELL = 1 << 24
"""Characters; the csv module's own limit is below the longest news article."""


@dataclass(frozen=True)
class LabelledTexts:
    """Documents with their classes."""

    texts: tuple[Text, ...]
    """Single ones, or pairs."""
    labels: npt.NDArray[np.int64]
    """[n], places in ``class_names``."""
    class_names: tuple[str, ...]
    skipped: tuple[Skipped, ...] = ()
    """What could not be used."""

    def __len__(self) -> int:
        return len(self.texts)

    def rows(self, chosen: npt.NDArray[np.int64]) -> LabelledTexts:
        """Some of the documents."""
        texts = tuple(self.texts[row] for row in chosen)
        return LabelledTexts(texts, self.labels[chosen], self.class_names, self.skipped)


def read_tab(path: Path, class_names: Sequence[str] | None = None) -> LabelledTexts:
    """Read a file of one class column and one text column.

    The format (Orange's documentation, "Loading your data"): cells separated by tabs, quoted as in CSV where
    they hold a tab, a quote or a line break; a row of names, a row of types, a row of roles, then the data.
    Rows whose cells are all empty are no data.

    Args:
        path: the file, UTF-8.
        class_names: what the labels number; None = the classes found, sorted.

    Raises:
        InputError: unreadable, other columns, a row of another length, or a class outside ``class_names``.
    """
    rows = _cells(path)
    if len(rows) < _HEADER_ROWS:
        raise _damaged(path, "it has not the three header rows of names, types and roles")
    types, roles = rows[1][1], rows[2][1]
    classes = [place for place, role in enumerate(roles) if "class" in role.split()]
    texts = [place for place, kind in enumerate(types) if kind in _TEXT_TYPES and place not in classes]
    if len(classes) != 1 or len(texts) != 1:
        raise _damaged(
            path, f"it has {len(classes)} class columns and {len(texts)} text columns, not one of each"
        )
    found: list[str] = []
    documents: list[str] = []
    for line, cells in rows[_HEADER_ROWS:]:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(types):
            raise _damaged(path, f"line {line} has {len(cells)} cells, not {len(types)}")
        if not cells[classes[0]]:
            raise _damaged(path, f"line {line} has no class")
        found.append(cells[classes[0]])
        documents.append(cells[texts[0]])
    names = tuple(class_names) if class_names is not None else tuple(sorted(set(found)))
    numbers = {name: number for number, name in enumerate(names)}
    unknown = sorted(set(found) - set(names))
    if unknown:
        raise _damaged(path, f"it has classes that the training data has not: {', '.join(unknown[:5])}")
    return LabelledTexts(tuple(documents), np.array([numbers[name] for name in found], np.int64), names)


def _cells(path: Path) -> list[tuple[int, list[str]]]:
    """(number of the last line, cells) of each row."""
    before = csv.field_size_limit(_LONGEST_CELL)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file, delimiter="\t", quotechar='"', strict=True)
            return [(reader.line_num, cells) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _damaged(path, f"it can't be read ({error})") from error
    finally:
        csv.field_size_limit(before)


def _damaged(path: Path, found: str) -> InputError:
    return InputError(f"the texts in {path}", found, "Give a file in Orange's .tab format, or fetch it again")
