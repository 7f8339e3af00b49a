"""Tables that are never cut: columns share the width, and those that don't fit follow below the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderResult
from rich.table import Table
from rich.text import Text

from pitome.cli.console import shown

_FOLDED = 12
"""Characters that a column of free text, such as names, keeps at least; a longer word is folded."""


@dataclass(frozen=True)
class Column:
    """One column: its heading, whether it holds numbers, and whether its text may be folded anywhere."""

    heading: str
    right: bool = False
    free: bool = False
    style: str = ""

    def least(self, cells: Sequence[str]) -> int:
        """Characters without which a cell can't be read: a number's all, one word of a text."""
        if self.right:
            parts = [part for cell in cells for part in self.wrapped(cell).split("\n")]
        else:
            parts = [word for cell in cells for word in cell.split()]
        longest = max(map(cell_len, parts), default=1)
        return min(longest, _FOLDED) if self.free else longest

    def wrapped(self, cell: str) -> str:
        """A cell for a column that is too narrow for all of it: a number's interval on a line of its own."""
        return cell.replace(" (", "\n(").replace(" [", "\n[") if self.right else cell


@dataclass(frozen=True)
class Row:
    """The cells of a row; ``section`` draws a line above it."""

    cells: tuple[str, ...]
    style: str = ""
    section: bool = False


@dataclass
class ResultTable:
    """A table of texts: what a user or a file named is escaped, and nothing of it is cut.

    It has a frame where the console has room; else it goes without, with words wrapped; and where that is not
    enough, some columns follow below the others, beside the first one again.
    """

    title: str
    columns: Sequence[Column]
    caption: str = ""
    rows: list[Row] = field(default_factory=list)
    show_header: bool = True

    def add_row(self, *cells: object, style: str = "", section: bool = False) -> None:
        """One cell for each column."""
        assert len(cells) == len(self.columns)
        self.rows.append(Row(tuple(shown(cell) for cell in cells), style, section))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As one table, or as several."""
        room, every = options.max_width, range(len(self.columns))
        framed = self._widths(every, room - 1, beside=3)  # a border and two spaces for each
        if framed is not None:
            yield self._table(every, framed, box.HEAVY_HEAD, self.title, self.caption)
            return
        blocks = list(self._blocks(room))
        for place, block in enumerate(blocks):
            widths = self._widths(block, room + 1, beside=2) or self._folded(block, room)
            title = self.title if place == 0 else ""
            caption = self.caption if place == len(blocks) - 1 else ""
            yield self._table(block, widths, box.SIMPLE_HEAD, title, caption)

    def _blocks(self, room: int) -> Iterator[list[int]]:
        """Columns that fit beside each other, each time with the first."""
        block = [0]
        for place in range(1, len(self.columns)):
            if len(block) > 1 and self._widths([*block, place], room + 1, beside=2) is None:
                yield block
                block = [0]
            block.append(place)
        yield block

    def _widths(self, block: Sequence[int], room: int, beside: int) -> list[int] | None:
        """Characters of each column; None where some column would lose a part of a word."""
        texts = [[row.cells[place] for row in self.rows] for place in block]
        widths = [
            max(self.columns[place].least(cells), _longest_word(self._heading(place)))
            for place, cells in zip(block, texts, strict=True)
        ]
        natural = [
            max(map(cell_len, [self._heading(place), *cells]))
            for place, cells in zip(block, texts, strict=True)
        ]
        left = room - sum(width + beside for width in widths)
        if left < 0:
            return None
        # Those that need least get it first, so that a long name does not make every number wrap.
        for place in sorted(range(len(widths)), key=lambda each: natural[each] - widths[each]):
            more = min(left, natural[place] - widths[place])
            widths[place] += more
            left -= more
        return widths

    @staticmethod
    def _folded(block: Sequence[int], room: int) -> list[int]:
        """Equal widths, on a console that is too narrow for whole words."""
        return [max(1, (room + 1) // len(block) - 2)] * len(block)

    def _heading(self, place: int) -> str:
        return shown(self.columns[place].heading) if self.show_header else ""

    def _cell(self, row: Row, place: int, width: int) -> str | Text:
        cell = row.cells[place]
        return cell if cell_len(cell) <= width else Text(self.columns[place].wrapped(cell))

    def _table(
        self, block: Sequence[int], widths: Sequence[int], frame: box.Box, title: str, caption: str
    ) -> Table:
        framed = frame is box.HEAVY_HEAD
        table = Table(
            title=shown(title) or None,
            caption=shown(caption) or None,
            show_header=self.show_header,
            title_justify="left",
            caption_justify="left",
            box=frame,
            show_edge=framed,
            padding=(0, 1) if framed else (0, 1, 0, 0),
            pad_edge=framed,
        )
        for place, width in zip(block, widths, strict=True):
            column = self.columns[place]
            justify: JustifyMethod = "right" if column.right else "left"
            heading = self._heading(place)
            table.add_column(heading, justify=justify, style=column.style, width=width, overflow="fold")
        for row in self.rows:
            if row.section:
                table.add_section()
            table.add_row(
                *(self._cell(row, *each) for each in zip(block, widths, strict=True)), style=row.style
            )
        return table


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=1)
