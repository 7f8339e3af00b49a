"""``torch.ops.pitome.energy_merge``: registration, tracing, and the gradient through x."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from pitome.errors import InputError
from pitome.merge import merge
from pitome.op import energy_merge
from pitome.parameters import MergeParameters
from tests.merge_parameters import merge_parameters
from tests.operator_cases import CASES, DTYPES, OperatorCase, make_inputs
from tests.pitome.slow_merge import as_float64

CHECKS = ("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic")
SMALL = [case for case in CASES if case.num_tokens == 17]


def by_name(value: object) -> str:
    return value.name if isinstance(value, OperatorCase) else str(value)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", SMALL, ids=by_name)
def test_operator_is_the_reference(case: OperatorCase, dtype: torch.dtype) -> None:
    x, metric, size = make_inputs(case, dtype)
    for ours, reference in zip(
        energy_merge(x, metric, size, case.parameters), merge(x, metric, size, case.parameters), strict=True
    ):
        assert ours.dtype == reference.dtype
        assert torch.equal(ours, reference)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("requires_grad", [False, True], ids=["inference", "training"])
@pytest.mark.parametrize("content", ["random", "padding_non_finite"])
def test_operator_is_registered_as_torch_wants_it(
    content: str, requires_grad: bool, dtype: torch.dtype
) -> None:
    case = next(case for case in SMALL if case.content == content)
    x, metric, size = make_inputs(case, dtype)
    arguments = (x.requires_grad_(requires_grad), metric, size, *dataclasses.astuple(case.parameters))
    result = torch.library.opcheck(torch.ops.pitome.energy_merge.default, arguments, test_utils=CHECKS)
    assert result == dict.fromkeys(CHECKS, "SUCCESS")


def merge_matrix(assignment: Tensor, size: Tensor) -> Tensor:
    """P [B, N - r, N] float64 with y = P x: each row weighs the members of a slot by size."""
    batch, num_tokens = assignment.shape
    matrix = torch.zeros(batch, int(assignment.max()) + 1, num_tokens, dtype=torch.float64)
    for image in range(batch):
        for token in range(num_tokens):
            matrix[image, assignment[image, token], token] = size[image, token, 0]
    total = matrix.sum(-1, keepdim=True)
    return torch.where(total > 0, matrix / total, 0)


@pytest.mark.parametrize("case", SMALL, ids=by_name)
def test_gradient_of_x_is_that_of_the_merge_matrix(case: OperatorCase) -> None:
    x, metric, size = make_inputs(case, torch.float32)
    x.requires_grad_()
    y, _, assignment = energy_merge(x, metric, size, case.parameters)
    direction = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    (gradient,) = torch.autograd.grad(y, x, direction)

    matrix = merge_matrix(assignment, size)
    expected = matrix.transpose(1, 2) @ direction.double()
    torch.testing.assert_close(gradient.double(), expected, rtol=0, atol=1e-6 * float(direction.abs().max()))
    assert not assignment.requires_grad


def test_no_gradient_of_x_comes_through_the_sizes() -> None:
    x, metric, size = make_inputs(SMALL[0], torch.float32)
    x.requires_grad_()
    result = energy_merge(x, metric, size, SMALL[0].parameters)
    (plain,) = torch.autograd.grad(result.x.sum(), x, retain_graph=True)
    (both,) = torch.autograd.grad(result.x.sum() + 5 * result.size.log().sum(), x)
    assert torch.equal(plain, both)


def test_gradient_agrees_with_finite_differences() -> None:
    """In float64, where the decisions stay while x moves."""
    random = torch.Generator().manual_seed(2)
    x = torch.randn(2, 9, 3, dtype=torch.float64, generator=random, requires_grad=True)
    metric = torch.randn(2, 9, 4, dtype=torch.float64, generator=random)
    size = torch.randint(0, 4, (2, 9, 1), generator=random).float()
    size[:, 0] = 1
    parameters = merge_parameters(3, 7, 1, margin=0.2)
    assert torch.autograd.gradcheck(lambda moved: energy_merge(moved, metric, size, parameters).x, (x,))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_gradient_keeps_the_dtype(dtype: torch.dtype) -> None:
    x, metric = torch.randn(1, 9, 3).to(dtype).requires_grad_(), torch.randn(1, 9, 3).to(dtype)
    energy_merge(x, metric, torch.ones(1, 9, 1), MergeParameters(2, 6)).x.sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == dtype
    assert x.grad.shape == x.shape


def test_metric_and_size_have_no_gradient() -> None:
    x, metric = torch.randn(2, 9, 3, requires_grad=True), torch.randn(2, 9, 4, requires_grad=True)
    size = torch.ones(2, 9, 1, requires_grad=True)
    y = energy_merge(x, metric, size, MergeParameters(2, 6)).x
    gradients = torch.autograd.grad(y.sum(), (x, metric, size), allow_unused=True)
    assert gradients[0] is not None
    assert gradients[1] is None
    assert gradients[2] is None


class TwoMerges(nn.Module):
    """x [B, 20, C] -> [B, 11, C], with the first metric from x itself."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        size = x.new_ones(x.shape[0], x.shape[1], 1, dtype=torch.float32)
        first = energy_merge(x, x, size, merge_parameters(5, 12, 1, margin=0.3))
        second = energy_merge(first.x, first.x, first.size, merge_parameters(4, 14, 1, margin=0.1))
        return second.x, second.size, second.assignment


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_export_with_dynamic_batch(dtype: torch.dtype) -> None:
    module = TwoMerges()
    example = torch.randn(2, 20, 6).to(dtype)
    program = torch.export.export(
        module, (example,), dynamic_shapes={"x": {0: torch.export.Dim("batch", min=1)}}
    )
    calls = [node for node in program.graph.nodes if node.target is torch.ops.pitome.energy_merge.default]
    assert len(calls) == 2
    y, size, assignment = calls[1].meta["val"]
    assert (y.dtype, size.dtype, assignment.dtype) == (dtype, torch.float32, torch.int32)
    assert (y.shape[1:], size.shape[1:], assignment.shape[1:]) == ((11, 6), (11, 1), (15,))
    assert not isinstance(y.shape[0], int), "the batch is fixed in the trace"
    for batch in (1, 2, 5):
        x = torch.randn(batch, 20, 6).to(dtype)
        for traced, eager in zip(program.module()(x), module(x), strict=True):
            assert torch.equal(traced, eager)


def test_fake_kernel_matches_shapes_and_dtypes() -> None:
    for case in SMALL:
        for dtype in DTYPES:
            x, metric, size = make_inputs(case, dtype)
            real = energy_merge(x, metric, size, case.parameters)
            fake = energy_merge(x.to("meta"), metric.to("meta"), size.to("meta"), case.parameters)
            for ours, meta in zip(real, fake, strict=True):
                assert (ours.shape, ours.dtype) == (meta.shape, meta.dtype)


def test_refusals_pass_through_the_operator() -> None:
    x = torch.randn(1, 9, 3)
    with pytest.raises(InputError, match="the operator needs 0 < 2 num_merged <= num_candidates <= 8"):
        energy_merge(x, x, torch.ones(1, 9, 1), MergeParameters(5, 10))
    with pytest.raises(InputError, match="Give one float32 size for every token"):
        energy_merge(x, x, torch.ones(1, 9), MergeParameters(2, 4))


def test_outputs_are_not_views_of_the_inputs() -> None:
    x, size = torch.randn(1, 9, 3), torch.ones(1, 9, 1)
    before = x.clone()
    y, size_out, _ = energy_merge(x, x, size, MergeParameters(2, 4))
    y.zero_()
    size_out.zero_()
    assert torch.equal(x, before)
    assert torch.equal(size, torch.ones(1, 9, 1))
    assert as_float64(size_out).sum() == 0
