"""Words for the classes of a data set, to be put into captions: those of a file, or the classes' names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pitome.errors import InputError

CLASS_FILE = "classes.txt"
"""In the folder of the data set: lines such as ``n01440764 tench``."""
_WORDNET_ID = re.compile(r"n\d{8}", re.ASCII)
_FORM = "Write lines such as: n01440764 tench"


def is_wordnet_id(name: str) -> bool:
    """Whether a class is named as ImageNet's folders are: an n and eight digits."""
    return _WORDNET_ID.fullmatch(name) is not None


def read_class_words(folder: Path) -> dict[str, str]:
    """Name of a class -> its words, from ``classes.txt`` in a folder; empty where there is no such file.

    Each line has a class's name (without spaces), a space, and its words, of which those before the first
    comma count ("n01440764 tench, Tinca tinca"). Empty lines are none.

    Raises:
        InputError: the file can't be read, a line has no words, or a class has two lines.
    """
    path = folder / CLASS_FILE
    if not path.is_file():
        return {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the words of classes in {path}", f"it can't be read ({error})", _FORM) from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name, *rest = line.split(maxsplit=1)
        words = rest[0].partition(",")[0].strip() if rest else ""
        if not words:
            raise InputError(f"line {number} of {path}", f"it has no words for the class {name}", _FORM)
        if name in found:
            raise InputError(
                f"line {number} of {path}", f"the class {name} has a line already", "Keep one of the two"
            )
        found[name] = words
    return found


def words_of_classes(names: Sequence[str], folder: Path | None = None) -> list[str]:
    """Words that stand for each class in a caption.

    Those of ``classes.txt`` in ``folder`` if it has the class, else the name with spaces for underscores.

    Raises:
        InputError: the file is damaged or has none of the classes; a WordNet id has no words; or two classes
            have the same.
    """
    given = read_class_words(folder) if folder is not None else {}
    asked = f"captions of the classes {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
    if folder is not None and given and not set(given) & set(names):
        raise InputError(
            asked,
            f"{folder / CLASS_FILE} has other classes ({', '.join(list(given)[:3])})",
            "Begin each of its lines with the name of a class folder",
        )
    _refuse_ids([name for name in names if is_wordnet_id(name) and name not in given], asked, folder)
    words = [given.get(name, name.replace("_", " ")) for name in names]
    _refuse_equals(dict(zip(names, words, strict=True)), asked, folder)
    return words


def _refuse_ids(ids: Sequence[str], asked: str, folder: Path | None) -> None:
    if ids:
        raise InputError(
            asked,
            f"{len(ids)} of them are WordNet ids without words ({', '.join(ids[:3])}), which say nothing "
            "to a text tower",
            "Give a dataset whose classes have readable names"
            if folder is None
            else f"Write {folder / CLASS_FILE} with a line for each class, such as: {ids[0]} tench",
        )


def _refuse_equals(words: Mapping[str, str], asked: str, folder: Path | None) -> None:
    first: dict[str, str] = {}
    for name, text in words.items():
        other = first.setdefault(text, name)
        if other != name:
            raise InputError(
                asked,
                f"{other} and {name} are both called {text}, so that one of them is never found",
                "Give each class words of its own"
                + (f" in {folder / CLASS_FILE}" if folder is not None else ""),
            )
