"""How many tokens each layer merges: fixed before tracing (METHOD.md section 5)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import get_args

from pitome.errors import InputError
from pitome.settings import Candidates, Shape


@dataclass(frozen=True)
class TokenSchedule:
    """Tokens merged by each layer of a model.

    Args:
        num_tokens: N in front of the first layer, prefix included.
        num_protected: prefix tokens, which never merge.
        num_merged: r of each layer; 0 means no merge there.
    """

    num_tokens: int
    num_protected: int
    num_merged: tuple[int, ...]

    def __post_init__(self) -> None:
        left = self.num_tokens - self.num_protected
        for layer, merged in enumerate(self.num_merged):
            if merged < 0:
                raise InputError(
                    f"merging {merged} tokens in layer {layer}",
                    "it is not a number of tokens from 0 up",
                    "Give a number of tokens from 0 up",
                )
            if 2 * merged > left:
                raise InputError(
                    f"merging {merged} tokens in layer {layer}",
                    f"{left} unprotected tokens are left there, at most half of them can merge",
                    f"Merge at most {left // 2} tokens in this layer",
                )
            left -= merged

    @property
    def tokens(self) -> tuple[int, ...]:
        """Token counts in front of each layer and after the last: one more than there are layers."""
        return tuple(accumulate(self.num_merged, lambda left, merged: left - merged, initial=self.num_tokens))

    @property
    def merging_layers(self) -> tuple[int, ...]:
        """The layers (from 0) that merge anything."""
        return tuple(layer for layer, merged in enumerate(self.num_merged) if merged)

    @property
    def merges_nothing(self) -> bool:
        """Whether the model under this schedule is the unmerged one."""
        return not any(self.num_merged)

    @classmethod
    def from_ratio(
        cls,
        ratio: float,
        num_layers: int,
        num_tokens: int,
        num_protected: int = 1,
        layers: Sequence[int] | None = None,
    ) -> TokenSchedule:
        """Keep the fraction ``ratio`` of the unprotected tokens in each layer: r = floor(T - T ratio).

        r is clamped to floor(T / 2) with a warning. ``layers`` (from 0) limits the merge to some layers.

        Raises:
            InputError: a ratio outside (0, 1] or a layer that does not exist.
        """
        if not 0 < ratio <= 1:
            raise InputError(
                f"RATIO={ratio}",
                "a keep ratio lies in (0, 1], where 1 merges nothing",
                "Choose for instance RATIO=0.9",
            )
        chosen = choose_layers(layers, num_layers)
        left, merged = num_tokens - num_protected, []
        for layer in range(num_layers):
            count = math.floor(left - left * ratio) if layer in chosen else 0
            most = left // 2
            if count > most:
                warnings.warn(
                    f"RATIO={ratio} asks layer {layer} to merge {count} of {left} tokens; "
                    f"a merge takes at most half of them, so it merges {most}",
                    stacklevel=2,
                )
                count = most
            merged.append(count)
            left -= count
        return cls(num_tokens, num_protected, tuple(merged))

    @classmethod
    def from_constant(
        cls,
        num_merged: int,
        num_layers: int,
        num_tokens: int,
        num_protected: int = 1,
        layers: Sequence[int] | None = None,
    ) -> TokenSchedule:
        """Merge the same number of tokens in each layer, or in each of ``layers``.

        Raises:
            InputError: where a layer has too few tokens left for it.
        """
        chosen = choose_layers(layers, num_layers)
        counts = tuple(num_merged if layer in chosen else 0 for layer in range(num_layers))
        return cls._from_r(str(num_merged), num_tokens, num_protected, counts)

    @classmethod
    def from_list(
        cls, num_merged: Sequence[int], num_layers: int, num_tokens: int, num_protected: int = 1
    ) -> TokenSchedule:
        """Merge the given number of tokens in each layer.

        Raises:
            InputError: a list that is not one count per layer, or a count that does not fit.
        """
        text = ",".join(map(str, num_merged))
        if len(num_merged) != num_layers:
            raise InputError(
                f"R={text}",
                f"{len(num_merged)} counts for a model of {num_layers} layers",
                f"Give {num_layers} counts, with 0 for a layer that merges nothing",
            )
        return cls._from_r(text, num_tokens, num_protected, tuple(num_merged))

    @classmethod
    def _from_r(
        cls, text: str, num_tokens: int, num_protected: int, num_merged: tuple[int, ...]
    ) -> TokenSchedule:
        """The schedule; where it does not fit, the error names R, whose ``text`` the counts come from."""
        try:
            return cls(num_tokens, num_protected, num_merged)
        except InputError as error:
            raise InputError(f"R={text}, {error.asked}", error.found, error.remedy) from None

    @classmethod
    def from_flops(
        cls,
        target: float,
        flops_ratio: Callable[[TokenSchedule], float],
        num_layers: int,
        num_tokens: int,
        num_protected: int = 1,
        layers: Sequence[int] | None = None,
        shape: Shape = "ratio",
    ) -> TokenSchedule:
        """Search the schedule of a shape whose FLOPs ratio comes closest to ``target`` from below.

        Args:
            target: wanted FLOPs of the merged model as a fraction of the unmerged, in (0, 1].
            flops_ratio: maps a schedule to that fraction.
            num_layers, num_tokens, num_protected, layers: as ``from_ratio``.
            shape: how the merges are spread over the layers.

        Raises:
            InputError: a target out of range, an unknown shape, or a target below what the strongest schedule
                of that shape reaches.
        """
        if not 0 < target <= 1:
            raise InputError(
                f"FLOPS={target}", "a FLOPs target lies in (0, 1]", "Choose for instance FLOPS=0.6"
            )
        if shape not in get_args(Shape):
            raise InputError(
                f"SHAPE={shape}", f"the shapes are {', '.join(get_args(Shape))}", "Choose one of these"
            )

        def schedule_of(strength: float) -> TokenSchedule:
            if shape == "ratio":
                return cls.from_ratio(1 - strength / 2, num_layers, num_tokens, num_protected, layers)
            return cls._spread(strength, shape, num_layers, num_tokens, num_protected, layers)

        weak, strong = 0.0, 1.0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if target == 1:
                return schedule_of(weak)
            least = flops_ratio(schedule_of(strong))
            if least > target:
                raise InputError(
                    f"FLOPS={target}",
                    f"the smallest schedule (half of the tokens kept in each layer) still costs {least:.3f}",
                    f"Choose FLOPS={math.ceil(least * 1000) / 1000} or more",
                )
            for _ in range(40):
                middle = (weak + strong) / 2
                weak, strong = (
                    (weak, middle) if flops_ratio(schedule_of(middle)) <= target else (middle, strong)
                )
            found = schedule_of(strong)
            if shape == "ratio":
                return found
            # One more in every layer at once is a large step: the last one is made layer by layer.
            order = sorted(choose_layers(layers, num_layers), reverse=shape == "increasing")
            between = (schedule_of(weak)._with_one_more(order[:few]) for few in range(len(order)))
            fitting = [some for some in between if some is not None and flops_ratio(some) <= target]
            return max([found, *fitting], key=flops_ratio)

    def _with_one_more(self, layers: Sequence[int]) -> TokenSchedule | None:
        """Merge one more token in each of some layers; None where a layer has too few for it."""
        counts = [count + (layer in layers) for layer, count in enumerate(self.num_merged)]
        try:
            return replace(self, num_merged=tuple(counts))
        except InputError:
            return None

    @classmethod
    def _spread(
        cls,
        strength: float,
        shape: Shape,
        num_layers: int,
        num_tokens: int,
        num_protected: int,
        layers: Sequence[int] | None,
    ) -> TokenSchedule:
        """Merge in each layer its part of ``strength``, at most half of what is left: at 1 half in each."""
        chosen = sorted(choose_layers(layers, num_layers))
        left, merged = num_tokens - num_protected, [0] * num_layers
        whole = left
        for place, layer in enumerate(chosen):
            weights = {"constant": len(chosen), "decreasing": len(chosen) - place, "increasing": place + 1}
            merged[layer] = min(math.floor(strength * weights[shape] * whole), left // 2)
            left -= merged[layer]
        return cls(num_tokens, num_protected, tuple(merged))


def choose_layers(layers: Sequence[int] | None, num_layers: int) -> frozenset[int]:
    """The layers (from 0) that may merge: all of them by default; InputError for one that does not exist."""
    if layers is None:
        return frozenset(range(num_layers))
    wrong = sorted(layer for layer in layers if not 0 <= layer < num_layers)
    if wrong:
        raise InputError(
            f"LAYERS={','.join(map(str, layers))}",
            f"the model has the layers 0 to {num_layers - 1}, not {', '.join(map(str, wrong))}",
            "Name layers that exist",
        )
    return frozenset(layers)


def choose_candidates(choice: Candidates, num_unprotected: int, num_merged: int) -> int:
    """M for a layer of T unprotected tokens that merges r (METHOD.md section 2, step 4).

    Raises:
        InputError: a fraction outside [0, 1) or a number outside [2r, T].
    """
    if choice == "paper":
        return 2 * num_merged
    if choice == "all":
        return num_unprotected
    if isinstance(choice, float):
        if not 0 <= choice < 1:
            raise InputError(
                f"PROTECT={choice}", "a protected fraction lies in [0, 1)", "Choose for instance PROTECT=0.1"
            )
        return min(num_unprotected, max(2 * num_merged, math.floor((1 - choice) * num_unprotected + 0.5)))
    if isinstance(choice, int) and 2 * num_merged <= choice <= num_unprotected:
        return choice
    raise InputError(
        f"CANDIDATES={choice}",
        f"a layer with {num_unprotected} unprotected tokens that merges {num_merged} "
        f"takes {2 * num_merged} to {num_unprotected} candidates",
        "Give a number in that range, or all, or paper",
    )
