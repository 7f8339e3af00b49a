"""What the user asked for: make variables and command line options as checked values."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import cast, get_args

from pitome.bundle.manifest import Precision
from pitome.errors import InputError
from pitome.parameters import Energy, Split
from pitome.settings import Candidates, MergeSettings, ScheduleOptions, Shape

PRECISIONS = get_args(Precision)
DEFAULT_TARGETS = "sm80,sm86,sm89,sm120"
DEFAULT_PROFILE = "1,8,32"
DEFAULT_MERGE_PATHS = {"tensorrt": "plugin"}
"""By backend; the others have no plugins."""
DEFAULT_PLUGIN = Path("build/plugin/libpitome_plugin.so")
DEFAULT_PARITY_IMAGES = 64
DEFAULT_BATCHES = (1, 8)
COMPARISON_BATCHES = (1, 4, 8, 16, 32)
"""Of `pitome bench --all`."""
DEFAULT_THREADS = 2
DEFAULT_LATENCY_SECONDS = 10.0


@dataclass(frozen=True)
class ModelOptions:
    """Which model, with which weights, for which images or texts."""

    model: str
    weights: str | None = None
    image_size: int | None = None
    strict: bool = False
    seed: int = 0
    sequence_length: int | None = None


@dataclass(frozen=True)
class MergeOptions:
    """How its tokens merge; None stands for the method's own setting."""

    ratio: float | None = None
    r: int | tuple[int, ...] | None = None
    flops: float | None = None
    shape: Shape | None = None
    layers: tuple[int, ...] | None = None
    method: str = "pitome"
    metric: str | None = None
    candidates: Candidates | None = None
    size_penalty: float | None = None
    margin: tuple[float, float] | None = None
    """(start, slope)."""
    energy: Energy | None = None
    split: Split | None = None
    proportional_attention: bool | None = None
    seed: int = 0

    @property
    def schedule(self) -> ScheduleOptions:
        """How many tokens merge."""
        return ScheduleOptions(self.ratio, self.r, self.flops, self.shape, self.layers)

    @property
    def settings(self) -> MergeSettings:
        """Which tokens merge."""
        return MergeSettings(**{each.name: getattr(self, each.name) for each in fields(MergeSettings)})


@dataclass(frozen=True)
class PlanOptions:
    """Which plan is built from the graph."""

    precision: Precision = "fp16"
    backend: str = "tensorrt_rtx"
    targets: tuple[str, ...] = ()
    profile: tuple[int, int, int] = (1, 8, 32)
    merge_path: str = "function"
    plugin: Path | None = None
    embed_plugin: bool = False


@dataclass(frozen=True)
class CheckOptions:
    """How much is checked and measured."""

    parity_images: int = DEFAULT_PARITY_IMAGES
    batches: tuple[int, ...] = DEFAULT_BATCHES
    threads: int = DEFAULT_THREADS
    latency_seconds: float = DEFAULT_LATENCY_SECONDS


@dataclass(frozen=True)
class EngineOptions:
    """All options of ``pitome engine``."""

    model: ModelOptions
    merge: MergeOptions
    plan: PlanOptions
    check: CheckOptions
    out: Path


def parse_merge_options(
    *,
    ratio: float | None,
    r: str | None,
    flops: float | None,
    layers: str | None,
    method: str,
    metric: str | None,
    protect: float | None,
    candidates: str | None,
    size_penalty: float | None,
    proportional_attention: bool | None,
    seed: int,
    margin: str | None = None,
    energy: Energy | None = None,
    split: Split | None = None,
    shape: Shape | None = None,
) -> MergeOptions:
    """Merge options from the texts of the command line.

    Raises:
        InputError: a text that is not a number or list, or two options that say the same thing.
    """
    merged = None if r is None else parse_integers("R", r)
    return MergeOptions(
        ratio=ratio,
        r=merged[0] if merged is not None and len(merged) == 1 and "," not in str(r) else merged,
        flops=flops,
        shape=shape,
        layers=None if layers is None else parse_integers("LAYERS", layers),
        method=method,
        metric=metric,
        candidates=parse_candidates(protect, candidates),
        size_penalty=size_penalty,
        margin=None if margin is None else parse_margin(margin),
        energy=energy,
        split=split,
        proportional_attention=proportional_attention,
        seed=seed,
    )


def parse_candidates(protect: float | None, candidates: str | None) -> Candidates | None:
    """PROTECT and CANDIDATES as one choice."""
    if protect is not None and candidates is not None:
        raise InputError(
            f"PROTECT={protect} and CANDIDATES={candidates}",
            "both say how many tokens may merge",
            "Give only one of them",
        )
    if protect is not None:
        return float(protect)
    if candidates is None:
        return None
    if candidates in ("all", "paper"):
        return parse_candidate(candidates)
    return parse_integers("CANDIDATES", candidates, "all, paper or a number")[0]


def parse_candidate(text: str, asked: str | None = None) -> Candidates:
    """``"all"``, ``"paper"``, M as a whole number, or a protected fraction with a decimal point."""
    if text == "all":
        return "all"
    if text == "paper":
        return "paper"
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        raise InputError(
            asked or f"CANDIDATES={text}", "not all, paper or a number", "Give all, paper or a number"
        ) from None


def parse_margin(text: str, asked: str | None = None) -> tuple[float, float]:
    """``"0.9,0.9"`` as (start, slope); one number is a constant margin."""
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 2):
        raise InputError(
            asked or f"MARGIN={text}",
            "not a start and a slope",
            "Give start,slope such as MARGIN=0.9,0.9, or one number for a constant margin",
        )
    return numbers[0], numbers[1] if len(numbers) == 2 else 0.0


def parse_integers(name: str, text: str, wanted: str = "numbers with commas between them") -> tuple[int, ...]:
    """``"3,4,5"`` as numbers."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{name}={text}", f"not {wanted}", f"Give {wanted}") from None


def parse_plan_options(
    precision: str,
    backend: str,
    targets: str | None,
    profile: str,
    merge_path: str | None = None,
    plugin: Path | None = None,
    embed_plugin: bool = False,
) -> PlanOptions:
    """Plan options from the texts of the command line; the backend itself is checked by the builder."""
    if precision not in PRECISIONS:
        raise InputError(
            f"PRECISION={precision}", f"the precisions are {', '.join(PRECISIONS)}", "Choose one of these"
        )
    numbers = parse_integers("PROFILE", profile, "three batch sizes: min,opt,max")
    if len(numbers) != 3:
        raise InputError(
            f"PROFILE={profile}", "not three batch sizes", "Give min,opt,max, such as PROFILE=1,8,32"
        )
    if targets is None:
        targets = DEFAULT_TARGETS if backend == "tensorrt_rtx" else ""
    chosen = tuple(target.strip().lower() for target in targets.split(",") if target.strip())
    smallest, typical, largest = numbers
    merge_path = merge_path or DEFAULT_MERGE_PATHS.get(backend, "function")
    return PlanOptions(
        cast("Precision", precision),
        backend,
        chosen,
        (smallest, typical, largest),
        merge_path,
        plugin or (DEFAULT_PLUGIN if merge_path == "plugin" else None),
        embed_plugin,
    )
