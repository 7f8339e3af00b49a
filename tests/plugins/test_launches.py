"""How the kernels are launched, and how they reach their inputs."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from typing import Any

import pytest
import torch

from pitome.parameters import MergeParameters
from pitome.plugins.tools.merge_library import HostLibrary
from tests.checkout import ROOT
from tests.plugins.kernel_runs import INPUTS, MANY_INPUTS, Inputs, assert_same_bits


@pytest.fixture(scope="module")
def library() -> HostLibrary:
    return HostLibrary()


BOTH = pytest.mark.parametrize("inputs", [INPUTS, MANY_INPUTS], ids=["few", "many"])
FEW_LAUNCHES = ["compare_pairs", "decide_and_merge"]


def launches(library: HostLibrary, inputs: Inputs, **changes: Any) -> list[str]:
    """The kernels of a merge, by name; each is launched once."""
    *tensors, parameters = inputs
    found = library.count(*tensors, dataclasses.replace(parameters, **changes))  # type: ignore[arg-type]
    assert all(counter["launches"] == 1 for counter in found.values())
    return sorted(found)


def test_two_launches_for_few_tokens(library: HostLibrary) -> None:
    assert launches(library, INPUTS) == FEW_LAUNCHES
    assert launches(library, INPUTS, order="position") == FEW_LAUNCHES


@pytest.mark.parametrize(
    ("num_tokens", "num_protected", "few"),
    [(256, 0, True), (257, 1, True), (288, 32, True), (257, 0, False), (289, 33, False), (258, 1, False)],
)
def test_few_are_256_after_the_prefix_and_288_in_all(
    library: HostLibrary, num_tokens: int, num_protected: int, few: bool
) -> None:
    x = torch.randn(1, num_tokens, 4, generator=torch.Generator().manual_seed(0))
    inputs = (x, x, torch.ones(1, num_tokens, 1), MergeParameters(2, 4, num_protected))
    assert (launches(library, inputs) == FEW_LAUNCHES) is few


def test_at_most_five_launches_and_three_without_energies(library: HostLibrary) -> None:
    five = ["add_energies", "find_edges", "merge_rows", "order_tokens", "select_edges"]
    assert launches(library, MANY_INPUTS) == five
    three = ["find_edges", "merge_rows", "select_edges"]
    assert launches(library, MANY_INPUTS, order="position") == three


EARLY = """
import torch
from pitome.plugins.tools.merge_library import HostLibrary
from tests.plugins.kernel_runs import INPUTS
library = HostLibrary()
library.handle.pitome_host_watch_early_launches()
result = library.merge(*INPUTS)
print(library.early_launches(), result.assignment.sum().item(), result.x.double().sum().item())
"""


@pytest.mark.parametrize(("value", "early"), [("1", 1), ("0", 0), ("", 0), (None, 0)])
def test_an_early_launch_is_asked_for_by_the_environment(value: str | None, early: int) -> None:
    """In a process of its own: the environment is looked at once.

    That a kernel starts early and does not wait is a fault of the model.
    """
    environment = {name: text for name, text in os.environ.items() if name != "PITOME_EARLY_LAUNCH"}
    if value is not None:
        environment["PITOME_EARLY_LAUNCH"] = value
    done = subprocess.run(
        [sys.executable, "-c", EARLY], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    expected = HostLibrary().merge(*INPUTS)
    words = done.stdout.split()
    assert int(words[0]) == early
    assert int(words[1]) == expected.assignment.sum().item()
    assert float(words[2]) == expected.x.double().sum().item()


@BOTH
def test_rows_that_do_not_start_at_16_bytes_give_the_same_numbers(
    library: HostLibrary, inputs: Inputs
) -> None:
    """Columns of zeros more change no norm and no product; other accesses read them."""
    x, metric, size, parameters = inputs
    wide = torch.cat([metric, torch.zeros(2, metric.shape[1], 1)], dim=2).contiguous()
    shifted = torch.empty(x.numel() + 1)[1:].view(x.shape).copy_(x)
    assert shifted.data_ptr() % 16
    expected = library.merge(x, metric, size, parameters)
    assert_same_bits(expected, library.merge(shifted, wide, size, parameters))


@BOTH
def test_the_batch_changes_no_image(library: HostLibrary, inputs: Inputs) -> None:
    x, metric, size, parameters = inputs
    together = library.merge(x, metric, size, parameters)
    for image in range(2):
        one = slice(image, image + 1)
        alone = library.merge(
            x[one].contiguous(), metric[one].contiguous(), size[one].contiguous(), parameters
        )
        for part, everything in zip(alone, together, strict=True):
            assert torch.equal(part, everything[one])
