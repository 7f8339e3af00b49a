"""The merge as the PyTorch operator ``pitome::energy_merge`` and as the ONNX node ``pitome::EnergyMerge``.

The operator runs the reference, traces by a fake kernel, and lets gradients through ``x`` only: the
decisions, the metric and the sizes have none.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pitome.merge import MergeResult, merge
from pitome.merge import unmerge as reference_unmerge
from pitome.parameters import MergeParameters

ONNX_DOMAIN = "pitome"
ONNX_NAME = "EnergyMerge"
ONNX_VERSION = 2


def energy_merge(x: Tensor, metric: Tensor, size: Tensor, parameters: MergeParameters) -> MergeResult:
    """The merge for models: like ``pitome.merge.merge``, but traceable, differentiable and exportable."""
    if torch.onnx.is_in_onnx_export():
        return _onnx_node(x, metric, size, parameters)
    return MergeResult(
        *torch.ops.pitome.energy_merge(
            x,
            metric,
            size,
            parameters.num_merged,
            parameters.num_candidates,
            parameters.num_protected,
            parameters.margin,
            parameters.offset,
            parameters.width,
            parameters.alpha,
            parameters.size_penalty,
            parameters.order,
            parameters.function,
            parameters.split,
        )
    )


def unmerge(x: Tensor, assignment: Tensor) -> Tensor:
    """Like ``pitome.merge.unmerge``; exported as a gather of whole rows, which needs no index per element."""
    if not torch.onnx.is_in_onnx_export():
        return reference_unmerge(x, assignment)
    return torch.onnx.ops.symbolic(
        "GatherND",
        (x, assignment.long().unsqueeze(-1)),
        {"batch_dims": 1},
        dtype=x.dtype,
        shape=(x.shape[0], assignment.shape[1], x.shape[2]),
    )


def node_attributes(parameters: MergeParameters) -> dict[str, Any]:
    """All attributes of the ONNX node; parsers of plugins need every one of them written.

    The strings are authoritative. Their integer twins, ``by_position`` and the slices of the ranks, are there
    because strings can't steer the body of an ONNX function.
    """
    return {
        "num_merged": parameters.num_merged,
        "num_candidates": parameters.num_candidates,
        "num_protected": parameters.num_protected,
        "margin": parameters.margin,
        "offset": parameters.offset,
        "width": parameters.width,
        "alpha": parameters.alpha,
        "size_penalty": parameters.size_penalty,
        "order": parameters.order,
        "function": parameters.function,
        "split": parameters.split,
        "by_position": int(parameters.order == "position"),
        **parameters.rank_slices._asdict(),
        "plugin_namespace": ONNX_DOMAIN,
        "plugin_version": str(ONNX_VERSION),
    }


@torch.library.custom_op("pitome::energy_merge", mutates_args=())
def _energy_merge(
    x: Tensor,
    metric: Tensor,
    size: Tensor,
    num_merged: int,
    num_candidates: int,
    num_protected: int,
    margin: float,
    offset: float,
    width: float,
    alpha: float,
    size_penalty: float,
    order: str,
    function: str,
    split: str,
) -> tuple[Tensor, Tensor, Tensor]:
    parameters = MergeParameters(
        num_merged,
        num_candidates,
        num_protected,
        margin,
        offset,
        width,
        alpha,
        size_penalty,
        order,  # type: ignore[arg-type]
        function,  # type: ignore[arg-type]
        split,  # type: ignore[arg-type]
    )
    return tuple(merge(x, metric, size, parameters))  # type: ignore[return-value]


@_energy_merge.register_fake
def _(
    x: Tensor, metric: Tensor, size: Tensor, num_merged: int, *_attributes: Any
) -> tuple[Tensor, Tensor, Tensor]:
    batch, num_tokens, width = x.shape
    kept = num_tokens - num_merged
    return (
        x.new_empty(batch, kept, width),
        size.new_empty(batch, kept, 1),
        x.new_empty(batch, num_tokens, dtype=torch.int32),
    )


def _save_weights(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    size, (_, size_out, assignment) = inputs[2].clamp(min=0), output
    ctx.mark_non_differentiable(size_out, assignment)
    slots = assignment.long()
    total = size_out.gather(1, slots.unsqueeze(-1))
    # A token's share of its group; a slot of total size 0 is the constant 0.
    ctx.save_for_backward(torch.where(total > 0, size / torch.where(total > 0, total, 1), 0), slots)


def _gradient_of_x(ctx: Any, grad_y: Tensor, _size: Any, _assignment: Any) -> tuple[Tensor | None, ...]:
    share, slots = ctx.saved_tensors
    gathered = grad_y.gather(1, slots.unsqueeze(-1).expand(-1, -1, grad_y.shape[-1]))
    return (gathered * share.to(grad_y.dtype), *[None] * 13)


_energy_merge.register_autograd(_gradient_of_x, setup_context=_save_weights)


def _onnx_node(x: Tensor, metric: Tensor, size: Tensor, parameters: MergeParameters) -> MergeResult:
    batch, num_tokens, width = x.shape
    parameters.check(num_tokens)
    kept = num_tokens - parameters.num_merged
    outputs = torch.onnx.ops.symbolic_multi_out(
        f"{ONNX_DOMAIN}::{ONNX_NAME}",
        (x, metric, size),
        node_attributes(parameters),
        dtypes=(x.dtype, torch.float32, torch.int32),
        shapes=((batch, kept, width), (batch, kept, 1), (batch, num_tokens)),
        version=ONNX_VERSION,
    )
    return MergeResult(*outputs)
