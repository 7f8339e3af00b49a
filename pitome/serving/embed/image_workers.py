"""Processes that decode images ahead of the model."""

from __future__ import annotations

import mmap
import os
import socket
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import IO, TYPE_CHECKING

import numpy as np

from pitome.child_process import module_environment
from pitome.errors import BackendError
from pitome.serving.embed.decoding_messages import Done, Place, Setup, Task
from pitome.serving.embed.items import Item
from pitome.serving.embed.prepared import Chunk, Prepared

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pitome.bundle.preprocess_record import ImagePreprocess

SLOTS = 3
"""Of each worker: one that it fills, one that waits, one that the model reads."""
_TASK_BYTES, _MOST_ROWS = 4 * 2**20, 256
"""Of a task: the messages must cost little beside the work, and the memory stay small."""
_LAST_WORDS = 2_000


class DiedError(Exception):
    """The process ended; the text says how."""


class DecodingProcess:
    """One process, and the memory that it shares with this one.

    Raises:
        BackendError: it does not start.
    """

    def __init__(self, preprocess: ImagePreprocess, rows: int) -> None:
        shape = (SLOTS, rows, preprocess.channels, preprocess.height, preprocess.width)
        size = 4 * int(np.prod(shape))
        # Not in /dev/shm, which a container may have 64 MB of.
        memory = os.memfd_create("pitome-images", os.MFD_CLOEXEC)
        os.ftruncate(memory, size)
        self.room: NDArray[np.float32] = np.frombuffer(mmap.mmap(memory, size), np.float32).reshape(shape)
        here, there = socket.socketpair()
        self._words: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the process runs)
        self._process = subprocess.Popen(  # noqa: S603 (this Python, and a module of ours)
            [sys.executable, "-m", "pitome.serving.embed.decoding", str(there.fileno()), str(memory)],
            pass_fds=(there.fileno(), memory),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._words,
            env=module_environment(),
        )
        there.close()
        os.close(memory)
        self._connection = Connection(here.detach())
        self.send(Setup(preprocess.model_dump_json(), rows, SLOTS))
        self._ready = False

    def send(self, message: Setup | Task) -> None:
        """Hand something over; that nobody takes it is found out by `receive`."""
        with suppress(OSError):
            self._connection.send(message)

    def receive(self) -> Done:
        """What it did next.

        Raises:
            DiedError: it is gone.
            BackendError: it never started.
        """
        try:
            if not self._ready:
                self._connection.recv()
                self._ready = True
            found: Done = self._connection.recv()
        except (EOFError, OSError):
            how = self._ended()
            if not self._ready:
                raise BackendError(
                    "a process that decodes images", f"it does not start ({how})", "Repair the installation"
                ) from None
            raise DiedError(how) from None
        return found

    def close(self) -> None:
        """End it."""
        self._connection.close()
        self._process.kill()
        self._process.wait()
        self._words.close()

    def _ended(self) -> str:
        code = self._process.wait()
        self._words.seek(0)
        words = self._words.read()[-_LAST_WORDS:].decode(errors="replace").strip().splitlines()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"{how}: {words[-1]}" if words else how


@dataclass(frozen=True)
class _Asked:
    chunk: Chunk
    rows: tuple[int, ...]
    """In the chunk, of the images that were asked for."""
    worker: int
    slot: int


class ImageWorkers:
    """A `Preparer` of images.

    Args:
        preprocess: of the model.
        input_name: of its graph.
        workers: processes.
        column: of Parquet files that hold images.
    """

    def __init__(self, preprocess: ImagePreprocess, input_name: str, workers: int, column: str) -> None:
        size = 4 * preprocess.channels * preprocess.height * preprocess.width
        self.rows = max(1, min(_MOST_ROWS, _TASK_BYTES // size))
        self._preprocess, self._input, self._column = preprocess, input_name, column
        self._processes = [DecodingProcess(preprocess, self.rows) for _ in range(workers)]
        self._waiting: deque[_Asked] = deque()
        """What the processes were given and did not answer yet, in order."""

    def prepare(self, chunks: Iterable[Chunk]) -> Iterator[Prepared]:
        """Each chunk in order, decoded ahead by the processes in turn."""
        self._waiting.clear()
        ahead = (SLOTS - 1) * len(self._processes)
        for number, chunk in enumerate(chunks):
            self._waiting.append(self._ask(number, chunk))
            if len(self._waiting) > ahead:
                yield self._answer(self._waiting.popleft())
        while self._waiting:
            yield self._answer(self._waiting.popleft())

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.close()

    def _ask(self, number: int, chunk: Chunk) -> _Asked:
        rows = tuple(row for row, item in enumerate(chunk.items) if item.reason is None)
        worker, turn = number % len(self._processes), number // len(self._processes)
        asked = _Asked(chunk, rows, worker, turn % SLOTS)
        self._processes[worker].send(self._task(asked, rows))
        return asked

    def _task(self, asked: _Asked, rows: tuple[int, ...]) -> Task:
        return Task(asked.slot, tuple(self._place(asked.chunk.items[row]) for row in rows))

    def _place(self, item: Item) -> Place:
        return Place(str(item.place), item.row, self._column if item.row is not None else None)

    def _answer(self, asked: _Asked) -> Prepared:
        process = self._processes[asked.worker]
        try:
            done = process.receive()
        except DiedError:
            return self._one_by_one(asked)
        return _prepared(asked, done, process.room[asked.slot], self._input)

    def _one_by_one(self, asked: _Asked) -> Prepared:
        """After its process died: find the image that ends it, in processes of its own."""
        self._replace(asked.worker)
        process = DecodingProcess(self._preprocess, self.rows)
        room = np.empty(process.room.shape[1:], np.float32)
        reasons: list[str | None] = []
        remarks: list[str] = []
        try:
            for place, row in enumerate(asked.rows):
                process.send(self._task(asked, (row,)))
                try:
                    done = process.receive()
                except DiedError as death:
                    process.close()
                    process = DecodingProcess(self._preprocess, self.rows)
                    reasons.append(f"the process that decoded it died ({death})")
                    continue
                reasons.append(done.reasons[0])
                remarks += done.remarks
                room[place] = process.room[asked.slot, 0]
        finally:
            process.close()
        return _prepared(asked, Done(asked.slot, tuple(reasons), tuple(remarks)), room, self._input)

    def _replace(self, worker: int) -> None:
        """A process in the place of a dead one, which is given what that one had been given."""
        self._processes[worker].close()
        self._processes[worker] = DecodingProcess(self._preprocess, self.rows)
        for asked in self._waiting:
            if asked.worker == worker:
                self._processes[worker].send(self._task(asked, asked.rows))


def _prepared(asked: _Asked, done: Done, room: NDArray[np.float32], name: str) -> Prepared:
    good = [place for place, reason in enumerate(done.reasons) if reason is None]
    pixels = room[: len(done.reasons)]
    failures = {row: item.reason for row, item in enumerate(asked.chunk.items) if item.reason is not None}
    failures |= {
        row: reason for row, reason in zip(asked.rows, done.reasons, strict=True) if reason is not None
    }
    return Prepared(
        asked.chunk,
        {name: pixels if len(good) == len(done.reasons) else pixels[good]},
        tuple(asked.rows[place] for place in good),
        failures,
        remarks=done.remarks,
    )
