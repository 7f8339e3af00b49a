"""PyTorch: a model where its parameters lie and in their precision. Decisions can be forced here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pitome.errors import BackendError
from pitome.models.families import text_inputs_of
from pitome.observe import MergeRecord, observe_merges
from pitome.runtime.protocol import Array, DeclaredInput, Inputs, RunResult
from pitome.text_inputs import TOKEN_TYPE_IDS

PRECISIONS = {
    torch.float64: "fp64",
    torch.float32: "fp32",
    torch.float16: "fp16",
    torch.bfloat16: "bf16",
}


class PyTorchRuntime:
    """A PyTorch model that takes its inputs by keyword.

    Args:
        model: compressed or not.
        outputs: fields of what it returns.
        assignments: return the decisions of its merges too.
        purpose: what it is for, as an error says it.
    """

    name = "PyTorch"
    inputs: tuple[DeclaredInput, ...] = ()

    def __init__(
        self, model: nn.Module, outputs: Sequence[str], *, assignments: bool = False, purpose: str = ""
    ) -> None:
        self.model = model
        self.outputs = tuple(outputs)
        self._returns_assignments = assignments
        self._asked = purpose or f"running a {type(model).__name__}"
        self._place = next(model.parameters())
        self._texts = text_inputs_of(model)

    @property
    def precision(self) -> str:
        """That of the model's parameters."""
        return PRECISIONS[self._place.dtype]

    def run(self, inputs: Inputs, forced: Sequence[Array] | None = None) -> RunResult:
        """Run once.

        Args:
            inputs: as of the protocol.
            forced: for each merge [B, N] int32 to apply in place of the model's own decision. Returned are
                its own all the same: what it decides with the layers before forced.

        Raises:
            InputError: as of the protocol.
            BackendError: PyTorch could not run it.
        """
        placed = self._fed(inputs)
        if not self._returns_assignments and forced is None:
            with torch.no_grad():
                return RunResult(self._values(self._call(placed)))
        with torch.no_grad(), observe_merges(self._placed(forced), keep_metric=False) as observer:
            found = self._call(placed)
        decided = tuple(to_array(record.decided) for record in observer.records)
        return RunResult(self._values(found), decided if self._returns_assignments else ())

    def observe(self, inputs: Inputs, forced: Sequence[Array] | None = None) -> list[MergeRecord]:
        """The merges of one run, in order, on the host: what each decided on, and what it decided."""
        placed = self._fed(inputs)
        with torch.no_grad(), observe_merges(self._placed(forced)) as observer:
            self._call(placed)
        return [
            MergeRecord(record.layer, record.metric.cpu(), record.size.cpu(), record.decided.cpu())
            for record in observer.records
        ]

    def prepare(self, inputs: Inputs) -> Callable[[], object]:
        """A function that runs it once, in inference mode."""
        placed = self._fed(inputs)

        def run() -> object:
            with torch.inference_mode():
                found = self._call(placed)
                if self._place.is_cuda:
                    torch.cuda.synchronize(self._place.device)
                return found

        return run

    def _fed(self, inputs: Inputs) -> dict[str, Tensor]:
        given = self._texts.prepared(self._asked, inputs)
        if self._texts.limits and TOKEN_TYPE_IDS not in self._texts.limits:
            given.pop(TOKEN_TYPE_IDS, None)
        return placed_like(self._place, given)

    def _call(self, placed: Mapping[str, Tensor]) -> Any:
        try:
            return self.model(**placed)
        except (RuntimeError, TypeError) as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise BackendError(
                self._asked,
                f"PyTorch could not run it ({lines[0].rstrip('.')})",
                "Check the model's inputs, or choose a smaller batch",
            ) from error

    def _values(self, found: Any) -> dict[str, Array]:
        return {name: to_array(getattr(found, name)) for name in self.outputs}

    def _placed(self, forced: Sequence[Array] | None) -> list[Tensor] | None:
        if forced is None:
            return None
        return [torch.from_numpy(each).to(self._place.device) for each in forced]


def placed_like(place: Tensor, inputs: Inputs) -> dict[str, Tensor]:
    """Inputs on the device of a tensor; floats in its precision too."""
    tensors = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in inputs.items()}
    return {
        name: value.to(place.device, place.dtype) if value.is_floating_point() else value.to(place.device)
        for name, value in tensors.items()
    }


def to_array(value: Tensor) -> Array:
    """A tensor as the protocol has it: on the host, bfloat16 as float32."""
    value = value.detach().cpu()
    found: Array = (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    return found
