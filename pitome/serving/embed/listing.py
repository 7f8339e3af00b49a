"""From the paths that a user names to the sorted list of inputs. No input is opened here."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from pitome.errors import InputError
from pitome.models.task import Modality
from pitome.serving.embed.items import Item
from pitome.serving.embed.tables import TABLE_SUFFIXES, Columns, lines_of, table_items

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".gif"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".avif", ".jp2", ".tga"),
)
TEXT_SUFFIXES = (".txt",)
LIST_SUFFIX = ".list"
HIDDEN, OTHER_NAME = "hidden", "with another ending"
NOT_UTF8_NAME = "its name is not UTF-8"


class Source(NamedTuple):
    """A file that is an input, or one that lists many. A folder may hold millions, so no more is kept."""

    path: str
    """As the user wrote it; decides the order."""
    form: Literal["file", "lines", "list", "table"]
    """An input itself; or a text on each line, a path on each line, rows."""

    @property
    def place(self) -> Path:
        """The file, absolute."""
        return Path(os.path.abspath(self.path))


@dataclass
class LeftOut:
    """Entries of folders that are no inputs, by what they are."""

    counts: Counter[str] = field(default_factory=Counter)

    def told(self) -> str:
        """Such as "2 hidden, 1 with another ending"; empty where there are none."""
        return ", ".join(f"{count:,} {reason}" for reason, count in sorted(self.counts.items()))


class Listing:
    """The inputs below some paths, in the order in which they are embedded.

    The order is that of the paths as the user wrote them; rows of a table and lines of a text file keep
    theirs.

    Args:
        paths: folders, files, lists of files and tables.
        modality: what the model takes.
        columns: of tables.

    Raises:
        InputError: a path that is not there, can't be read, or is nothing that inputs are listed in; columns
            that are asked for and no table is there.
    """

    def __init__(self, paths: Sequence[Path], modality: Modality, columns: Columns) -> None:
        self.modality, self.columns, self.left_out = modality, columns, LeftOut()
        found: list[Source] = []
        for path in paths:
            found += self._sources(path)
        self.sources = tuple(sorted(found, key=lambda each: (_utf8(each.path), each.form)))
        tables = [each for each in self.sources if each.form == "table"]
        if columns.given and not tables:
            raise InputError(
                f"the column {columns.given[0]}",
                "no table is among the paths",
                f"Give a table ({', '.join(TABLE_SUFFIXES)}), or leave the option out",
            )
        columns.look_at([(each.path, each.place) for each in tables], modality)

    def items(self) -> Iterator[Item]:
        """All of them, read anew every time.

        Raises:
            InputError: a list or table that can't be read, or one that names no files.
        """
        for source in self.sources:
            if source.form == "file":
                yield _file_item(source.path, source.place)
            elif source.form == "lines":
                yield from _text_items(source)
            elif source.form == "list":
                yield from self._listed(source)
            else:
                yield from table_items(source.path, source.place, self.columns, self.modality)

    def _sources(self, path: Path) -> Iterator[Source]:
        asked = str(path)
        remedy = f"Give {self._wanted()}"
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            raise InputError(asked, "there is no such file or folder", remedy) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise InputError(asked, f"it can't be read ({reason})", remedy) from None
        if stat.S_ISDIR(mode):
            yield from self._below(asked)
            return
        if not stat.S_ISREG(mode):
            raise InputError(asked, "it is no regular file", remedy)
        form = self._form(path)
        if form is None:
            raise InputError(asked, f"its name ends in {path.suffix or 'nothing'}", remedy)
        if form != "file" and not os.access(path, os.R_OK):
            raise InputError(asked, "it can't be read (no permission)", remedy)
        yield Source(asked, form)

    def _form(self, path: Path) -> Literal["file", "lines", "list", "table"] | None:
        suffix = path.suffix.lower()
        if suffix in TABLE_SUFFIXES:
            return "table"
        if suffix == LIST_SUFFIX:
            return "list"
        if self.modality == "text":
            return "lines" if suffix in TEXT_SUFFIXES else None
        if suffix in TEXT_SUFFIXES:
            return "list"
        return "file" if suffix in IMAGE_SUFFIXES else None

    def _wanted(self) -> str:
        tables = ", ".join(TABLE_SUFFIXES)
        if self.modality == "image":
            return f"an image, a folder of them, a list of their paths (.txt, .list) or a table ({tables})"
        return (
            "a .txt with a text in each line, a folder of .txt with a text each, a list of their paths "
            f"(.list) or a table ({tables})"
        )

    def _below(self, folder: str) -> Iterator[Source]:
        """The files below a folder; links to folders are followed once."""
        suffixes = IMAGE_SUFFIXES if self.modality == "image" else TEXT_SUFFIXES
        seen: set[tuple[int, int]] = set()
        folders = [folder]
        for shown in folders:  # grows while it is read: nesting may be deeper than Python's stack
            try:
                status = os.stat(shown)
                entries = list(os.scandir(shown))
            except OSError as error:
                raise InputError(
                    shown,
                    f"the folder can't be listed ({error.strerror})",
                    "Make it readable, or name the folders that are",
                ) from None
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            for entry in entries:
                name = os.path.join(shown, entry.name)
                if entry.name.startswith("."):
                    self.left_out.counts[HIDDEN] += 1
                elif _is_folder(entry):
                    folders.append(name)
                elif Path(entry.name).suffix.lower() in suffixes:
                    yield Source(name, "file")
                else:
                    self.left_out.counts[OTHER_NAME] += 1

    def _listed(self, source: Source) -> Iterator[Item]:
        folder = source.place.parent
        for number, line in enumerate(lines_of(source.path, source.place)):
            written = line.strip()
            if not written:
                continue
            try:
                written.encode()
            except UnicodeEncodeError:
                yield Item(_readable(written), reason=NOT_UTF8_NAME)
                continue
            if number == 0:
                _check_beginning(source, written)
            yield _file_item(written, folder / os.path.expanduser(written))


def _check_beginning(source: Source, written: str) -> None:
    """Paths of a list are relative to its folder, and not to the one that a command is run in."""
    there = source.place.parent / os.path.expanduser(written)
    if not os.path.lexists(there) and os.path.exists(written):
        raise InputError(
            f"the list {source.path}",
            f"its first path, {written}, is there from the working folder, and not from the list's own",
            "Write the paths as seen from the list's folder, or in full",
        )


def _text_items(source: Source) -> Iterator[Item]:
    for number, line in enumerate(lines_of(source.path, source.place)):
        name = f"{source.path}#{number}"
        try:
            line.encode()
        except UnicodeEncodeError:
            yield Item(name, reason="not UTF-8")
            continue
        yield Item(name, text=line)


def _file_item(name: str, place: Path) -> Item:
    try:
        name.encode()
        str(place).encode()
    except UnicodeEncodeError:
        return Item(_readable(name), reason=NOT_UTF8_NAME)
    try:
        status = os.stat(place)
    except (OSError, ValueError):  # who opens it says why
        return Item(name, str(place))
    return Item(name, str(place), size=status.st_size, changed=status.st_mtime_ns)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _utf8(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _readable(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
