"""A process that decodes images for another one: ``python -m pitome.serving.embed.decoding``.

A decoder that crashes or takes too much memory takes this process along and nothing else. Where the images
lie comes in through a socket, their pixels leave through memory that both processes have.
"""

from __future__ import annotations

import mmap
import signal
import sys
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitome.bundle.preprocess_record import ImagePreprocess
from pitome.errors import ImageError, InputError
from pitome.serving.embed.decoding_messages import Done, Place, Setup, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_BYTES = 2**30
"""Of an image file."""


class Decoder:
    """Images as a model takes them."""

    def __init__(self, preprocess: ImagePreprocess) -> None:
        self._preprocess = preprocess
        self._table: _Images | None = None

    def into(self, place: Place, room: NDArray[Any]) -> str | None:
        """Write an image [C, H, W] into its place, and give what was assumed of it.

        Raises:
            ImageError: it can't be read or does not fit.
        """
        from pitome.images.decoding import decode
        from pitome.images.transform import transform

        asked = f"the image {place.path}"
        decoded = decode(self._content(place, asked), self._preprocess.channels, asked)
        room[...] = transform(decoded.image, self._preprocess, asked)
        return decoded.remark

    def _content(self, place: Place, asked: str) -> bytes:
        from pitome.regular_file import UnusableFileError, read_regular_file

        if place.row is not None:
            if self._table is None or self._table.place != (place.path, place.column):
                self._table = _Images(place.path, place.column or "")
            return self._table.read(place.row, asked)
        try:
            content = read_regular_file(Path(place.path), MOST_BYTES)
        except FileNotFoundError:
            raise ImageError(asked, "there is no such file", "Correct the path") from None
        except OSError as error:
            raise ImageError(asked, f"it can't be read ({error.strerror})", "Make it readable") from None
        except (UnusableFileError, ValueError) as error:
            raise ImageError(asked, f"it {error}", "Give a file") from None
        if not content:
            raise ImageError(asked, "it is empty", "Replace it by a whole one")
        return content


class _Images:
    """The images in a column of a Parquet file, which are asked for in order."""

    def __init__(self, path: str, column: str) -> None:
        from pyarrow import parquet

        self.place = (path, column)
        self._file, self._column = parquet.ParquetFile(path), column
        self._batches: Any = iter(())
        self._start, self._values = 0, self._next_group(0)

    def read(self, row: int, asked: str) -> bytes:
        if row < self._start:
            self._start, self._values = 0, self._next_group(0)
        while row >= self._start + len(self._values):
            self._start += len(self._values)
            batch = next(self._batches, None)
            self._values = self._next_group(self._start) if batch is None else batch.column(0)
        value = self._values[row - self._start].as_py()
        content = value.get("bytes") if isinstance(value, dict) else value
        if not content:
            raise ImageError(asked, "there are no bytes of an image", "Write the image itself there")
        return bytes(content)

    def _next_group(self, row: int) -> Any:
        """The first values of the row group that begins at a row; groups before it are not read."""
        first = 0
        for group in range(self._file.num_row_groups):
            if first == row:
                self._batches = self._file.iter_batches(64, [group], [self._column], use_threads=False)
                batch = next(self._batches, None)
                if batch is not None:
                    return batch.column(0)
            first += self._file.metadata.row_group(group).num_rows
        raise ImageError(f"the table {self.place[0]}", f"it has no row {row}", "Leave it as it was listed")


def short_reason(error: InputError) -> str:
    """Why an image was not embedded: what was found, without the place, which its id says.

    Which formats are read depends on how Pillow was built, and is the same for all images.
    """
    known = "it is none of the formats that are read"
    return known if error.found.startswith(known) else error.found


def _serve(connection: Connection, memory: int) -> None:
    import numpy as np

    setup: Setup = connection.recv()
    preprocess = ImagePreprocess.model_validate_json(setup.preprocess)
    shape = (setup.slots, setup.rows, preprocess.channels, preprocess.height, preprocess.width)
    room = np.frombuffer(mmap.mmap(memory, 0), np.float32).reshape(shape)
    decoder = Decoder(preprocess)
    connection.send("ready")
    while True:
        try:
            task: Task = connection.recv()
        except (EOFError, ConnectionError):  # who asked is gone
            return
        reasons: list[str | None] = []
        remarks: list[str] = []
        for row, place in enumerate(task.places):
            try:
                remark = decoder.into(place, room[task.slot, row])
            except ImageError as error:
                reasons.append(short_reason(error))
                continue
            reasons.append(None)
            remarks += [remark] if remark else []
        connection.send(Done(task.slot, tuple(reasons), tuple(remarks)))


def main() -> None:
    """Serve the process that started this one, until it closes its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all: who started this one decides
    warnings.simplefilter("ignore")
    _serve(Connection(int(sys.argv[1])), int(sys.argv[2]))


if __name__ == "__main__":
    main()
