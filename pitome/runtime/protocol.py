"""What every runtime does: a model or a graph in memory that takes inputs by name and gives outputs by name.

Values are NumPy arrays on the host, so that nothing here needs PyTorch. NumPy has no bfloat16: such a value
comes back as float32, which holds it exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy.typing as npt

Array: TypeAlias = "npt.NDArray[Any]"
Inputs = Mapping[str, Array]
"""Input name -> [B, ...]."""


@dataclass(frozen=True)
class DeclaredInput:
    """What a graph says of one of its inputs."""

    name: str
    dtype: str
    """NumPy's name, such as "float32"; of a type that NumPy lacks the runtime's own name for it."""
    shape: tuple[int | str | None, ...]
    """Text or None where a dimension is dynamic."""


@dataclass(frozen=True)
class RunResult:
    """What one run gave."""

    outputs: dict[str, Array]
    """Output name -> [B, ...]."""
    assignments: tuple[Array, ...] = ()
    """For each merge in order [B, N] int32, where the runtime was opened to return them."""


class Runtime(Protocol):
    """A model in one precision, loaded and ready to run."""

    @property
    def name(self) -> str:
        """As reports call it, such as "onnxruntime"."""

    @property
    def precision(self) -> str:
        """Of the model: "fp32", "fp16", "bf16" or "fp64"."""

    @property
    def inputs(self) -> tuple[DeclaredInput, ...]:
        """What it declares; empty where it declares nothing, as a PyTorch module does."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of its outputs, assignments left out."""

    def run(self, inputs: Inputs) -> RunResult:
        """Run once. Inputs that the model does not have are left out; floats are cast where it casts.

        Texts are looked at first (`pitome.text_inputs`): token types that are not given are zeros.

        Raises:
            InputError: texts that the model does not take, such as one that begins with padding.
            BackendError: the runtime refused.
        """

    def prepare(self, inputs: Inputs) -> Callable[[], object]:
        """A function that runs the model on these inputs once and has its result when it returns.

        For measuring: whatever can be done before the run is done here. Errors are those of ``run``.
        """
