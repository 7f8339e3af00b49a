"""What every merge method says of itself and does: one class per method, one merger per layer.

Imports no torch, so that the command line can name the methods at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from pitome.errors import InputError
from pitome.option import named, option_name, option_text, options_of
from pitome.settings import MergeSettings, ScheduleOptions

if TYPE_CHECKING:
    from torch import Tensor

    from pitome.merge import Matching, MergeResult
    from pitome.models.family import Family, Modality
    from pitome.parameters import MergeParameters
    from pitome.schedule import TokenSchedule

Restore = Literal["exact", "groups", "approximate", "none"]
"""What an original position gets back after a merge: its own vector, its group's, that of the most similar
kept token, or nothing."""


class Decision(NamedTuple):
    """Which tokens share a slot of the output: what a method decides, and what parity compares."""

    assignment: Tensor
    """[B, N] int32, the output slot of every token; -1 = pruned."""
    num_kept: int
    """N - r, the number of slots."""
    matching: Matching | None = None
    """Which token of a group takes the others in, where that is known: sums then run in the operator's order.
    A decision that another runtime made has none."""


class Merger(ABC):
    """The merge of one layer: it takes r tokens of every batch element away."""

    parameters: MergeParameters | None = None
    """The attributes of its ``pitome::EnergyMerge`` node, where it is one."""

    def __init__(self, num_merged: int) -> None:
        self.num_merged = num_merged

    @property
    def num_candidates(self) -> int:
        """M, how many tokens may merge."""
        return 2 * self.num_merged

    @abstractmethod
    def decide(self, metric: Tensor, size: Tensor) -> Decision:
        """metric [B, N, D], size [B, N, 1] float32 (<= 0 = padding) -> which tokens merge."""

    @abstractmethod
    def combine(self, x: Tensor, size: Tensor, decision: Decision) -> MergeResult:
        """x [B, N, C], size [B, N, 1] float32 -> the tokens that are left, by a decision."""

    def __call__(self, x: Tensor, metric: Tensor, size: Tensor) -> MergeResult:
        """Both halves: x [B, N, C], metric [B, N, D], size [B, N, 1] float32 -> MergeResult."""
        return self.combine(x, size, self.decide(metric, size))


class Method(ABC):
    """A method with its settings, for a model of L layers.

    Args:
        settings: the user's; where nothing was chosen, the method's own take their place.
        family: of the model.
        num_layers: L.

    Raises:
        InputError: a setting that the method does not take, or a family that it does not know.
    """

    name: ClassVar[str]
    takes: ClassVar[tuple[str, ...]] = ()
    """The fields of MergeSettings that make it another variant of itself, which a sweep may vary."""
    also_takes: ClassVar[tuple[str, ...]] = ()
    """Further fields that a user may choose. They make it what another method is too, so a sweep leaves them.

    A value of any other field that is not the method's own is refused, as it would decide nothing. The seed
    alone is not: it is that of random weights too.
    """
    restore: ClassVar[Restore] = "groups"
    merges: ClassVar[bool] = True
    """Whether it takes a schedule that merges tokens."""
    needs_class_attention: ClassVar[bool] = False
    """Whether it decides by the class token's row of the attention."""
    deployable: ClassVar[bool] = True
    """Whether a search may pick it; else it is there to compare with."""
    baseline: ClassVar[bool] = False
    """Whether the others are compared with it at its own settings, at the same schedule and metric."""

    def __init__(self, settings: MergeSettings, family: Family, num_layers: int) -> None:
        own = self._own(family)
        self._refuse_untaken(settings, own)
        self.family, self.num_layers = family, num_layers
        self.settings = settings.over(own)
        """With the method's own values in place of None, where one value holds for all layers."""

    @classmethod
    def own_settings(cls, modality: Modality) -> MergeSettings:
        """The values that stand in for those that the user leaves out."""
        return MergeSettings(cls.name, proportional_attention=True)

    @classmethod
    def check_schedule(cls, options: ScheduleOptions) -> None:
        """Refuse options of a schedule that decide nothing: they ask a method that merges nothing to merge.

        Raises:
            InputError: as said.
        """
        if cls.merges or options.merges_nothing or not options.given():
            return
        described = options_of(ScheduleOptions)
        texts = [option_text(name, described[name], getattr(options, name)) for name in options.given()]
        names = named([name.upper() for name, _ in texts])
        raise InputError(
            f"{named([f'{name.upper()}={text}' for name, text in texts])} with METHOD={cls.name}",
            f"{cls.name} merges nothing, so there is nothing to schedule",
            f"Leave {names} out, or choose another method",
        )

    @property
    def default_layers(self) -> tuple[int, ...] | None:
        """Where it merges if nobody says otherwise; None = in all layers."""
        return None

    @property
    def margins(self) -> tuple[float, ...]:
        """Of every layer; none where no energy is measured."""
        return ()

    @classmethod
    def operator_nodes(cls, num_merged: Sequence[int]) -> int:
        """How many ``pitome::EnergyMerge`` nodes a graph has that merges so many tokens in its layers."""
        return 0

    def metric_width(self, hidden_size: int, head_width: int) -> int:
        """D of the metric; 0 where no similarity is measured."""
        return 0

    @abstractmethod
    def merger(self, layer: int, num_tokens: int, num_protected: int, num_merged: int) -> Merger | None:
        """The merge of one layer of N tokens, or None where nothing merges.

        Raises:
            InputError: settings that do not fit the layer.
        """

    def mergers(self, schedule: TokenSchedule) -> tuple[Merger | None, ...]:
        """One for each layer of a schedule; InputError as ``merger``."""
        return tuple(
            self.merger(layer, schedule.tokens[layer], schedule.num_protected, merged)
            for layer, merged in enumerate(schedule.num_merged)
        )

    def parameters(self, schedule: TokenSchedule) -> tuple[MergeParameters | None, ...]:
        """The attributes of each layer's operator node; None where there is none."""
        return tuple(None if merger is None else merger.parameters for merger in self.mergers(schedule))

    def _own(self, family: Family) -> MergeSettings:
        return self.own_settings(family.modality)

    def _refuse_untaken(self, settings: MergeSettings, own: MergeSettings) -> None:
        described = options_of(MergeSettings)
        accepted = (*self.takes, *self.also_takes)
        for field in settings.given():
            value = getattr(settings, field)
            if field in ("method", "seed", *accepted) or value == getattr(own, field):
                continue
            name, text = option_text(field, described[field], value)
            taken = [option_name(each, described[each]).upper() for each in described if each in accepted]
            raise InputError(
                f"{name.upper()}={text} with METHOD={self.name}",
                f"{self.name} takes {named(taken)}" if taken else f"{self.name} takes no settings",
                f"Leave {name.upper()} out, or choose another method",
            )
