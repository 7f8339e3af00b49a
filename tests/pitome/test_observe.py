"""Looking into merges: what is recorded, when, and for whom."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch

from pitome.compression import compress
from pitome.merge import compose_assignments, merge
from pitome.observe import current_observer, observe_merges
from tests.pitome.test_compression import stack_of
from tests.tiny_models import tiny_images, tiny_model


def test_records_are_what_each_merge_got_and_decided() -> None:
    compressed: Any = compress(tiny_model("ViTModel"), r=[4, 0, 3, 2])
    with torch.no_grad(), observe_merges() as observer:
        compressed(tiny_images(3))
    mergers = [merger for merger in stack_of(compressed).mergers if merger is not None]
    assert [record.layer for record in observer.records] == [0, 2, 3]
    composed = torch.arange(37, dtype=torch.int32).expand(3, -1)
    for record, merger, count in zip(observer.records, mergers, (37, 33, 30), strict=True):
        assert record.metric.shape == (3, count, 32)
        assert record.size.shape == (3, count, 1)
        again = merge(record.metric, record.metric, record.size, merger.parameters)
        assert torch.equal(record.decided, again.assignment)
        composed = compose_assignments(composed, again.assignment)
    assert observer.assignment is not None
    assert observer.size is not None
    assert torch.equal(observer.assignment, composed)
    assert torch.equal(observer.size, again.size)


def test_metric_is_dropped_where_it_is_not_wanted() -> None:
    compressed: Any = compress(tiny_model("ViTModel"), method="tome")
    with torch.no_grad(), observe_merges(keep_metric=False) as observer:
        compressed(tiny_images(1))
    assert [record.metric.numel() for record in observer.records] == [0] * 4


def test_observer_ends_with_its_block_even_after_an_error() -> None:
    compressed: Any = compress(tiny_model("ViTModel"))
    with pytest.raises(RuntimeError), observe_merges():
        raise RuntimeError
    assert current_observer() is None
    with torch.no_grad(), observe_merges() as outer:
        with observe_merges() as inner:
            compressed(tiny_images(1))
        assert current_observer() is outer
    assert (len(outer.records), len(inner.records)) == (0, 4)


def test_other_threads_are_not_observed() -> None:
    seen: list[object] = []
    with observe_merges():
        thread = threading.Thread(target=lambda: seen.append(current_observer()))
        thread.start()
        thread.join()
    assert seen == [None]
