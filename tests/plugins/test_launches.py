"""How the kernels are launched, and how they reach their inputs."""

from __future__ import annotations

import pytest
import torch

from pitome.parameters import MergeParameters
from pitome.plugins.tools.merge_library import HostLibrary
from tests.plugins.kernel_runs import INPUTS, assert_same_bits


@pytest.fixture(scope="module")
def library() -> HostLibrary:
    return HostLibrary()


def test_at_most_five_launches_and_three_without_energies(library: HostLibrary) -> None:
    x, metric, size, parameters = INPUTS
    five = ["add_energies", "find_edges", "merge_rows", "order_tokens", "select_edges"]
    found = library.count(x, metric, size, parameters)
    assert sorted(found) == five
    assert all(counter["launches"] == 1 for counter in found.values())
    by_position = MergeParameters(30, 130, 1, order="position")
    assert sorted(library.count(x, metric, size, by_position)) == ["find_edges", "merge_rows", "select_edges"]


def test_rows_that_do_not_start_at_16_bytes_give_the_same_numbers(library: HostLibrary) -> None:
    """Columns of zeros more change no norm and no product; other accesses read them."""
    x, metric, size, parameters = INPUTS
    wide = torch.cat([metric, torch.zeros(2, 150, 1)], dim=2).contiguous()
    shifted = torch.empty(x.numel() + 1)[1:].view(x.shape).copy_(x)
    assert shifted.data_ptr() % 16
    expected = library.merge(x, metric, size, parameters)
    assert_same_bits(expected, library.merge(shifted, wide, size, parameters))


def test_the_batch_changes_no_image(library: HostLibrary) -> None:
    x, metric, size, parameters = INPUTS
    together = library.merge(x, metric, size, parameters)
    for image in range(2):
        one = slice(image, image + 1)
        alone = library.merge(
            x[one].contiguous(), metric[one].contiguous(), size[one].contiguous(), parameters
        )
        for part, everything in zip(alone, together, strict=True):
            assert torch.equal(part, everything[one])
