"""Results held to the contract, in processes of their own: the slow loops take longer than a GPU's merges."""

from __future__ import annotations

import io
import multiprocessing
import traceback
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass

import torch

from pitome.merge import MergeResult
from tests.merge_contract import held_to_the_contract
from tests.operator_cases import OperatorCase

Call = tuple[OperatorCase, torch.dtype]

WAITING = 8
"""Results that may wait for each process: they take memory."""
LONGEST_REASON = 300


@dataclass(frozen=True)
class Merged:
    """One case that ran."""

    call: Call
    result: MergeResult | None
    """On the CPU; None where there is none."""
    reason: str
    """Why it is wrong, where that is known already."""


def check_all(results: Iterable[Merged], jobs: int) -> Iterator[tuple[Call, str]]:
    """Each case and why it is wrong, in their order; an empty text where it is right.

    Args:
        results: are asked for one by one.
        jobs: how many processes check; 1: this one.
    """
    if jobs == 1:
        for merged in results:
            yield merged.call, merged.reason or _wrong_with(merged)
        return
    # Not by fork: the parent has a GPU's threads.
    processes = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        jobs, mp_context=processes, initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        pending: deque[tuple[Call, Future[str] | str]] = deque()
        for merged in results:
            reason = merged.reason or pool.submit(_wrong_with_saved, merged.call, _saved(merged))
            pending.append((merged.call, reason))
            if len(pending) > WAITING * jobs:
                yield _settled(*pending.popleft())
        while pending:
            yield _settled(*pending.popleft())


def _settled(call: Call, reason: Future[str] | str) -> tuple[Call, str]:
    return call, reason if isinstance(reason, str) else reason.result()


def _wrong_with(merged: Merged) -> str:
    assert merged.result is not None
    try:
        held_to_the_contract(merged.call, merged.result)
    except (AssertionError, IndexError) as error:  # a slot that is none is no index
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{line_of(error)} (at {place.name}: {place.line})"
    return ""


def line_of(error: Exception) -> str:
    """An error's type and text on one line, cut where it is a page."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 3] + "..."


def _saved(merged: Merged) -> bytes:
    """As bytes: a tensor by itself would go through shared memory, of which containers have little."""
    assert merged.result is not None
    file = io.BytesIO()
    torch.save(list(merged.result), file)
    return file.getvalue()


def _wrong_with_saved(call: Call, saved: bytes) -> str:
    return _wrong_with(Merged(call, MergeResult(*torch.load(io.BytesIO(saved))), ""))
