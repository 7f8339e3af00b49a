"""What the parity check found, as it stands in the manifest and in the report."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LayerDecisions(_Frozen):
    """Level 1 for one merge, over all images."""

    layer: int
    tokens: int = Field(description="N in front of the merge")
    merged: int = Field(description="r")
    compared: int = Field(description="images")
    agreed: int = Field(description="images with the same groups")
    excused: int = Field(description="images with other groups, all within rounding")
    unexplained: int
    tolerance: float = Field(description="of energies: 2x the measured rounding, both sides being rounded")
    similarity_tolerance: float = Field(description="the same of similarities")
    smallest_margin: float | None = Field(description="smallest energy gap seen in float64")
    largest_excused_margin: float
    free_running_agreement: float = Field(description="share of images with the same groups, nothing forced")


class Decisions(_Frozen):
    """Level 1: decisions, layers before forced."""

    runtime: str
    images: int
    layers: tuple[LayerDecisions, ...]

    @property
    def compared(self) -> int:
        """Decisions of all layers and images."""
        return sum(layer.compared for layer in self.layers)

    @property
    def agreed(self) -> int:
        """Of these, the same in both."""
        return sum(layer.agreed for layer in self.layers)

    @property
    def excused(self) -> int:
        """Other, but within rounding."""
        return sum(layer.excused for layer in self.layers)

    @property
    def unexplained(self) -> int:
        """Wrong."""
        return sum(layer.unexplained for layer in self.layers)


class Arithmetic(_Frozen):
    """Level 2: the same forced decisions on both sides, against float64."""

    output: str
    precision: str
    runtime: str
    images: int
    error: float = Field(description="largest difference of the runtime to float64")
    torch_error: float = Field(description="largest difference of plain PyTorch in that precision to float64")
    limit: float = Field(description="2x torch_error + 1 unit in the last place at the output's magnitude")
    scale: float = Field(description="largest magnitude of the float64 output")
    difference_to_torch: float = Field(
        description="runtime to PyTorch of the same precision, relative to scale"
    )
    passed: bool


class Cosine(_Frozen):
    """Level 3: cosine between one vector per image of two models."""

    vector: str
    model: str
    against: Literal["merged", "unmerged"]
    mean: float
    minimum: float


class Inputs(_Frozen):
    """What was checked on."""

    random: int
    photos: int


class ParityReport(_Frozen):
    """The three levels of parity and the verdict."""

    verdict: Literal["pass", "fail"]
    reason: str
    decisions: Decisions | None
    reported_decisions: tuple[Decisions, ...] = Field(
        description="of reduced precision: reported, not judged"
    )
    unchecked: tuple[str, ...] = Field(description="precisions of graphs that no runtime here can run")
    arithmetic: tuple[Arithmetic, ...]
    task: tuple[Cosine, ...]
    top1_agreement: dict[str, float] = Field(
        description="classifiers: share of equal top-1 answers, by comparison"
    )
    inputs: Inputs
    threads: int
