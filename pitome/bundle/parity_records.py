"""What the parity check found, as it stands in the manifest and in the report."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pitome.bundle.own_data_records import OwnDataRecord

LevelVerdict = Literal["pass", "fail", "not judged"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LayerDecisions(_Frozen):
    """Level 1 for one merge, over all inputs."""

    layer: int
    tokens: int = Field(description="N in front of the merge")
    merged: int = Field(description="r")
    compared: int = Field(description="inputs")
    agreed: int = Field(description="inputs with the same groups")
    excused: int = Field(description="inputs with other groups, all within rounding")
    excused_by_jumps: int = Field(
        default=0, description="of the excused, those that only a jump of the energy at the margin explains"
    )
    unexplained: int
    tolerance: float = Field(description="of energies: 2x the measured rounding, both sides being rounded")
    similarity_tolerance: float = Field(description="the same of similarities")
    smallest_margin: float | None = Field(description="smallest energy gap seen in float64")
    largest_excused_margin: float
    free_running_agreement: float = Field(description="share of inputs with the same groups, nothing forced")
    token_agreement: float | None = Field(
        default=None, description="mean share of tokens in the same group, layers before forced"
    )
    first_differences: int = Field(
        default=0, description="inputs whose groups, nothing forced, first differ in this layer"
    )


class Margins(_Frozen):
    """How far float64 is from deciding otherwise, over all decisions of one kind in one merge."""

    layer: int
    kind: Literal["order", "target", "edge"] = Field(
        description="neighbouring energies; best and second best target; the last edge taken and the next"
    )
    count: int
    smallest: float
    percentiles: dict[str, float] = Field(description='"1", "10" and "50"')


class Decisions(_Frozen):
    """Level 1: decisions, layers before forced."""

    runtime: str
    images: int = Field(description="inputs: images or texts")
    verdict: LevelVerdict = Field(
        default="not judged",
        description="of this level; not judged are reduced precisions, and where jumps excuse too much",
    )
    layers: tuple[LayerDecisions, ...]
    same_throughout: int = Field(
        default=0, description="inputs with the same groups in all layers, nothing forced"
    )
    margins: tuple[Margins, ...] = Field(default=(), description="in float64, the runtime's decisions forced")

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
    def excused_by_jumps(self) -> int:
        """Of the excused, those that only a jump of the energy explains."""
        return sum(layer.excused_by_jumps for layer in self.layers)

    @property
    def share_excused_by_jumps(self) -> float:
        """Of all that were compared."""
        return self.excused_by_jumps / self.compared if self.compared else 0.0

    @property
    def unexplained(self) -> int:
        """Wrong."""
        return sum(layer.unexplained for layer in self.layers)


class Arithmetic(_Frozen):
    """Level 2: the same forced decisions on both sides, against float64."""

    output: str
    precision: str
    runtime: str
    images: int = Field(description="inputs: images or texts")
    error: float = Field(description="largest difference of the runtime to float64")
    torch_error: float = Field(description="largest difference of plain PyTorch in that precision to float64")
    limit: float = Field(description="2x torch_error + 1 unit in the last place at the output's magnitude")
    scale: float = Field(description="largest magnitude of the float64 output")
    difference_to_torch: float = Field(
        description="runtime to PyTorch of the same precision, relative to scale"
    )
    rms_error: float = Field(default=0.0, description="root mean square difference of the runtime to float64")
    torch_rms_error: float = Field(default=0.0, description="the same of plain PyTorch in that precision")
    rms_limit: float = Field(default=0.0, description="as ``limit``, of root mean squares")
    passed: bool


class ReducedError(_Frozen):
    """One output of PyTorch in a reduced precision, against float64 with its decisions."""

    output: str
    error: float
    rms_error: float
    scale: float


class ReducedTorch(_Frozen):
    """PyTorch in a precision that no runtime here has: reported, not judged but for its cosine."""

    precision: str
    images: int = Field(description="inputs: images or texts")
    errors: tuple[ReducedError, ...]
    decisions: Decisions | None = Field(description="against float32, the layers before forced to its own")


class LayerArithmetic(_Frozen):
    """Level 2 inside: one layer norm, root mean squares over a few inputs, decisions forced."""

    precision: str
    norm: str = Field(description="name of the layer norm's module")
    layer: int | None = Field(description="its block; None outside of the blocks")
    between: tuple[str, ...] = Field(description="linear layers and convolutions since the norm before")
    error: float = Field(description="of what stands in front of the norm, the runtime against float64")
    torch_error: float = Field(description="the same of PyTorch in that precision")
    limit: float
    norm_error: float = Field(description="of the norm alone: the runtime against float64 of the same input")
    norm_torch_error: float
    norm_limit: float
    passed: bool


class MetricArithmetic(_Frozen):
    """Level 2 inside: what one merge decides on, root mean squares over a few inputs, decisions forced."""

    precision: str
    layer: int
    error: float
    torch_error: float
    limit: float
    passed: bool


class BatchComposition(_Frozen):
    """The same texts on one runtime in one batch and one at a time: a text's neighbours decide nothing."""

    runtime: str
    texts: int
    same_decisions: int = Field(description="texts with the same groups in all layers")
    largest_difference: float | None = Field(
        description="of these, relative to the largest output; padding left out; None where there are none"
    )
    excused: int = Field(description="texts with other groups, all of them within rounding both ways")
    excused_by_jumps: int = Field(
        default=0, description="of the excused, those that need a jump of the energy at the margin"
    )
    unexplained: int
    first_unexplained_layer: int | None = None
    largest_excused_margin: float = 0.0


class GraphFinding(_Frozen):
    """Something that a graph holds in another way than the model."""

    kind: Literal["epsilon", "merge", "weights", "body", "structure"]
    layer: int | None
    text: str
    decides: bool = Field(description="False where it may be right all the same, and measuring decides")
    explanation: str = Field(default="", description="why it is no defect, where reading tells")
    precision: str = "fp32"


class Overflow(_Frozen):
    """A precision in which outputs are not finite."""

    precision: str
    module: str | None = Field(default=None, description="where PyTorch's numbers first stop being finite")
    layer: int | None = Field(default=None, description="its block; null outside of the blocks")
    reached: float | None = Field(default=None, description="the largest magnitude there in fp32")
    in_pytorch: bool = Field(description="false: only the graph overflows, so the graph is wrong")


class Cosine(_Frozen):
    """Level 3: cosine between one vector per input of two models."""

    vector: str
    model: str
    against: Literal["merged", "unmerged"]
    mean: float
    minimum: float


class Agreement(_Frozen):
    """Level 3 where a cosine says nothing or too little: of numbers, and of labels that may all hold."""

    vector: str
    model: str
    against: Literal["merged", "unmerged"]
    measure: Literal["relative error", "correlation", "label agreement"] = Field(
        description="relative error and correlation of numbers; of labels the share that hold, their logit "
        "being above 0, for both models or for neither"
    )
    value: float | None = Field(description="null: not defined")
    worst: float | None = Field(description="of the single numbers or labels")
    undefined: str | None = Field(default=None, description="what is not defined, and why")


class ParityReport(_Frozen):
    """The three levels of parity and the verdict."""

    verdict: LevelVerdict
    reason: str
    failures: tuple[str, ...] = Field(default=(), description="everything that failed, the cause first")
    decisions: Decisions | None
    reported_decisions: tuple[Decisions, ...] = Field(
        description="of reduced precision: reported, not judged"
    )
    native_decisions: Decisions | None = Field(
        default=None, description="of the fp32 graph with the operator library, judged as the others are"
    )
    unchecked: tuple[str, ...] = Field(description="precisions of graphs that no runtime here can run")
    arithmetic: tuple[Arithmetic, ...]
    overflows: tuple[Overflow, ...] = Field(default=(), description="precisions that can't hold the numbers")
    layers: tuple[LayerArithmetic, ...] = Field(default=(), description="level 2 inside, in order")
    metrics: tuple[MetricArithmetic, ...] = Field(default=(), description="in front of the merges, in order")
    graph: tuple[GraphFinding, ...] = Field(default=(), description="where a graph and the model differ")
    reduced: tuple[ReducedTorch, ...] = ()
    batching: BatchComposition | None = Field(default=None, description="of texts only")
    task: tuple[Cosine, ...]
    agreement: tuple[Agreement, ...] = Field(
        default=(), description="of outputs that are numbers, and of several labels"
    )
    top1_agreement: dict[str, float] = Field(
        description="classifiers: share of equal top-1 answers, by comparison; where every token has its "
        "class, of the tokens that are no padding"
    )
    inputs: dict[str, int] = Field(description="how many of each kind were checked")
    own_data: OwnDataRecord | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="the user's images or texts among them; null: those of scikit-image or of this package",
    )
    threads: int
    command: str | None = Field(default=None, description="what recorded it, where the build did not")
