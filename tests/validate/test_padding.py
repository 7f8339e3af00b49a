"""Padding among removed tokens, and what unpadded and bucketed models cost."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from pitome.errors import InputError
from pitome.flops import count_flops
from pitome.merge import MergeResult
from pitome.models.family import ModelShape
from pitome.observe import current_observer
from pitome.schedule import TokenSchedule
from pitome.validate.padding import (
    RemovedTokens,
    bucketed_flops,
    padding_share,
    removed_padding,
    unpadded_flops,
)
from pitome.validate.samples import Samples

SHAPE = ModelShape(
    num_layers=3,
    num_tokens=128,
    num_protected=1,
    hidden_size=32,
    num_heads=4,
    head_width=8,
    mlp_flops_per_token=2 * 32 * 128,
    embedding_flops=0,
    head_flops=100,
)


class Merges(nn.Module):
    """Reports one merge of layer 2 with the assignment and sizes that it is called with."""

    def forward(self, assignment, size):
        x = torch.zeros(*assignment.shape, 1)
        result = MergeResult(x, size, assignment.int())
        current_observer().after_merge(2, x, x, size.float().unsqueeze(-1), result)


def count(assignment, size):
    inputs = {"assignment": torch.tensor(assignment), "size": torch.tensor(size)}
    return removed_padding(Merges(), Samples(inputs), batch=1)


def test_removed_tokens_by_hand():
    """Groups of one row: padding with padding (one goes), real with padding (the padding goes), two real."""
    found = count([[0, 1, 1, 2, 2, 3, 3]], [[1, 0, 0, 2, 0, 1, 1]])
    assert found == (RemovedTokens(2, removed=3, padding=2),)
    assert padding_share(found) == pytest.approx(2 / 3)


def test_rows_and_batches_add_up():
    found = count([[0, 1, 1], [0, 1, 1]], [[1, 1, 1], [1, 0, 0]])
    assert found == (RemovedTokens(2, removed=2, padding=1),)


def test_nothing_removed():
    assert padding_share(count([[0, 1]], [[1, 0]])) is None


def base(length):
    schedule = TokenSchedule(length, 1, (0, 0, 0))
    return count_flops(replace(SHAPE, num_tokens=length), schedule, 0).base


def test_flops_of_every_text_on_its_own():
    lengths = np.array([128, 5, 5, 40])
    expected = (base(128) + 2 * base(5) + base(40)) / (4 * base(128))
    assert unpadded_flops(SHAPE, lengths) == pytest.approx(expected)
    assert unpadded_flops(SHAPE, np.array([128, 128])) == 1


def test_flops_of_buckets():
    expected = (base(32) + base(32) + base(64) + base(128)) / (4 * base(128))
    assert bucketed_flops(SHAPE, np.array([1, 32, 33, 97])) == pytest.approx(expected)
    short = replace(SHAPE, num_tokens=40)
    assert bucketed_flops(short, np.array([33, 40])) == 1  # the last bucket is the full length


@pytest.mark.parametrize("lengths", [[0, 4], [4, 129], []])
def test_lengths_that_can_not_be(lengths):
    with pytest.raises(InputError, match="Give numbers of tokens from 1 to 128"):
        unpadded_flops(SHAPE, np.array(lengths, np.int64))
