"""What the methods share that merge by the operator ``pitome::EnergyMerge``: PiToMe, ToMe and all between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, TypeVar

from pitome.energies import UNUSED, energy_function
from pitome.methods.base import Decision, Merger, Method
from pitome.parameters import MergeParameters, Order
from pitome.schedule import choose_candidates
from pitome.settings import USUAL_MARGIN, Candidates, MergeSettings

if TYPE_CHECKING:
    from torch import Tensor

    from pitome.merge import MergeResult
    from pitome.models.family import Modality

_Value = TypeVar("_Value")


class EnergyMerger(Merger):
    """Merges by similarity. Called, it is the one operator that is traced and exported; its two halves are
    the reference's, and equal it bit for bit."""

    parameters: MergeParameters

    def __init__(self, parameters: MergeParameters) -> None:
        super().__init__(parameters.num_merged)
        self.parameters = parameters

    @property
    def num_candidates(self) -> int:
        """M, how many tokens may merge."""
        return self.parameters.num_candidates

    def decide(self, metric: Tensor, size: Tensor) -> Decision:
        """Steps 1 to 6 of METHOD.md section 2."""
        from pitome.merge import assignment_of, match_tokens

        matching = match_tokens(metric, size, self.parameters)
        num_tokens = metric.shape[1]
        return Decision(assignment_of(matching, num_tokens), num_tokens - self.num_merged, matching)

    def combine(self, x: Tensor, size: Tensor, decision: Decision) -> MergeResult:
        """Steps 7 and 8: the mean of each group, weighted by size."""
        from pitome.merge import apply_assignment, apply_matching

        if decision.matching is None:
            return apply_assignment(x, size, decision.assignment, decision.num_kept)
        return apply_matching(x, size, decision.matching)

    def __call__(self, x: Tensor, metric: Tensor, size: Tensor) -> MergeResult:
        """The operator: x [B, N, C], metric [B, N, D], size [B, N, 1] float32 -> MergeResult."""
        from pitome.op import energy_merge

        return energy_merge(x, metric, size, self.parameters)


class EnergyMethod(Method):
    """A method whose merges are operator nodes. A subclass says its own settings, and what it takes."""

    takes: ClassVar[tuple[str, ...]] = ("metric", "size_penalty", "proportional_attention")
    order: ClassVar[Order] = "energy"
    alpha: ClassVar[float] = 1.0
    """Weight of similarities below the margin."""

    @classmethod
    def own_settings(cls, modality: Modality) -> MergeSettings:
        """Every unprotected token may merge, and large tokens resist nothing."""
        return MergeSettings(
            cls.name,
            metric="keys",
            candidates="all",
            margin=USUAL_MARGIN,
            energy="elu",
            split="alternate",
            size_penalty=0.0,
            proportional_attention=True,
        )

    @classmethod
    def operator_nodes(cls, num_merged: Sequence[int]) -> int:
        """One in each layer that merges."""
        return sum(merged > 0 for merged in num_merged)

    def metric_width(self, hidden_size: int, head_width: int) -> int:
        """C of the hidden state, or d of the keys' mean over heads."""
        return hidden_size if self.settings.metric == "hidden" else head_width

    @property
    def margins(self) -> tuple[float, ...]:
        """start - slope i / L."""
        start, slope = _chosen(self.settings.margin)
        return tuple(start - slope * layer / self.num_layers for layer in range(self.num_layers))

    def candidates(self, layer: int) -> Candidates:
        """How many tokens of a layer may merge."""
        return _chosen(self.settings.candidates)

    def merger(self, layer: int, num_tokens: int, num_protected: int, num_merged: int) -> Merger | None:
        """The operator with this layer's attributes; InputError for candidates that do not fit it."""
        return self.operator(layer, num_tokens, num_protected, num_merged)

    def operator(
        self, layer: int, num_tokens: int, num_protected: int, num_merged: int
    ) -> EnergyMerger | None:
        """As ``merger``, for a method that decides by the operator and combines in its own way."""
        if num_merged == 0:
            return None
        candidates = choose_candidates(self.candidates(layer), num_tokens - num_protected, num_merged)
        settings, margin = self.settings, self.margins[layer]
        # Where the order is by position, energies are not looked at.
        measured = self.order == "energy"
        energy = energy_function(_chosen(settings.energy), margin) if measured else UNUSED
        parameters = MergeParameters(
            num_merged=num_merged,
            num_candidates=candidates,
            num_protected=num_protected,
            margin=margin,
            offset=energy.offset,
            width=energy.width,
            alpha=self.alpha,
            size_penalty=_chosen(settings.size_penalty),
            order=self.order,
            function=energy.function,
            split=_chosen(settings.split),
        )
        parameters.check(num_tokens)
        return EnergyMerger(parameters)


def _chosen(value: _Value | None) -> _Value:
    assert value is not None  # own_settings fills it in
    return value
