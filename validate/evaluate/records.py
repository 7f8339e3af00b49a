"""What was evaluated, as JSON has it: accuracy, the spectrum and merge maps."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pitome.bundle.own_data_records import OwnDataRecord
from pitome.validate.padding_records import PaddingRecord
from pitome.validate.samples import told_skipped


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MeanRecord(_Record):
    """The mean of a metric over the samples."""

    samples: int = Field(ge=1)
    mean: float
    low: float = Field(description="of the 95 % interval")
    high: float
    method: str


class DifferenceRecord(_Record):
    """A model against another one, sample by sample."""

    metric: str
    against: str
    mean: float = Field(description="this model minus the other")
    low: float = Field(description="of the 95 % interval")
    high: float
    p_value: float = Field(ge=0, le=1, description='two-sided, of "no difference"')
    method: str


def _absent(value: object) -> bool:
    return value is None


class WorstCase(_Record):
    """One of the samples that merging changes the most."""

    name: str = Field(description="file below its folder, or the text's place in its file")
    row: int = Field(ge=0, description="of the samples that were used")
    closeness: float = Field(
        description="cosine to the unmerged model; of classes 1 less half the summed change of probabilities"
    )
    text: str | None = Field(default=None, description="beginning of the text; null: an image")
    unmerged: str | None = Field(default=None, description="what the unmerged model answers, of classifiers")
    answered: str | None = Field(default=None, description="what this model answers, of classifiers")


class Reindex(_Record):
    """May merged queries search an index of unmerged embeddings?"""

    answer: Literal["keep the index", "re-index", "merge less", "not judged"]
    reason: str


class OwnFindings(_Record):
    """What one model changes on data of the user's without labels."""

    vector: str | None = Field(description="what is compared and searched by; null: the best class is")
    percentiles: dict[str, float] = Field(description='of the cases\' closeness: "1", "5", "25", "50"')
    not_finite: int = Field(ge=0, description="samples whose outputs are not finite; their closeness is -1")
    worst: tuple[WorstCase, ...]
    reindex: Reindex | None = Field(description="null: nothing is searched by classes")


class ModelAccuracy(_Record):
    """One model on one task."""

    model: str
    refit: bool = Field(description="the task's head was fitted anew to this model's features")
    metrics: dict[str, MeanRecord]
    drop_points: float | None = Field(
        description="unmerged PyTorch minus this model in the main metric, times 100; null: it is that model"
    )
    differences: tuple[DifferenceRecord, ...]
    details: dict[str, Any]
    own: OwnFindings | None = Field(
        default=None, exclude_if=_absent, description="on data of the user's without labels"
    )

    def difference(self, against: str, metric: str) -> DifferenceRecord:
        """The record of one comparison; StopIteration where it was not made."""
        return next(
            record for record in self.differences if (record.against, record.metric) == (against, metric)
        )


class SkippedRecord(_Record):
    """Samples that could not be used."""

    count: int = Field(ge=1)
    reason: str
    examples: tuple[str, ...] = Field((), description="the first of them, each with its own reason")

    @property
    def told(self) -> str:
        """In words."""
        return told_skipped(self.count, self.reason, self.examples)


class AccuracyReport(_Record):
    """All models on one split of a task."""

    task: str
    split: Literal["validation", "test"]
    main: str = Field(description="the metric that decides")
    models: tuple[ModelAccuracy, ...] = Field(min_length=1)
    skipped: tuple[SkippedRecord, ...]
    unavailable: dict[str, str] = Field(description="models that did not run, and why")

    def model(self, name: str, refit: bool = False) -> ModelAccuracy:
        """The record of a model; StopIteration where it did not run."""
        return next(record for record in self.models if (record.model, record.refit) == (name, refit))


class TaskAccuracy(AccuracyReport):
    """As a validation has it: with what padding has to do with it, where the task is on padded texts, and
    with what was used of the user's data, where that has no labels."""

    padding: PaddingRecord | None = Field(default=None, exclude_if=_absent)
    own_data: OwnDataRecord | None = Field(default=None, exclude_if=_absent)
    in_place_of: str | None = Field(
        default=None, exclude_if=_absent, description="why this is not the task that was asked for"
    )


class SpectralDifference(_Record):
    """Mean of a method's distance minus the first method's, over the same inputs, with a 95 % interval."""

    mean: float
    low: float
    high: float
    p_value: float


class LayerDistance(_Record):
    """One method in one layer: the mean over inputs, with a 95 % interval."""

    layer: int = Field(ge=0)
    tokens: int = Field(ge=1, description="N in front of the merge, prefix and padding included")
    merged: int = Field(ge=1, description="r")
    mean: float = Field(ge=0)
    low: float
    high: float
    to_first: SpectralDifference | None = Field(description="None for the first method itself")


class MethodSpectrum(_Record):
    """One method in every merging layer."""

    method: str
    layers: tuple[LayerDistance, ...] = Field(min_length=1)


class SpectrumReport(_Record):
    """Spectral distances of several methods at the same features, with the same r."""

    reference: str = Field(description="method of the model whose features all methods were given")
    metric: str = Field(description="hidden or keys: what the token graph is made of")
    samples: int = Field(ge=2)
    methods: tuple[MethodSpectrum, ...] = Field(min_length=1)


class ImageLayer(_Record):
    """A photo after one merge."""

    layer: int = Field(ge=0)
    tokens: int = Field(ge=1, description="groups of patches that are left")
    picture: str = Field(pattern="^data:image/png;base64,", description="PNG")


class ImageMaps(_Record):
    """One photo and its maps."""

    name: str
    photo: str = Field(pattern="^data:image/jpeg;base64,", description="what the model saw, as JPEG")
    patches: int = Field(ge=1)
    layers: tuple[ImageLayer, ...] = Field(min_length=1)


class TextLayer(_Record):
    """A sentence after one merge."""

    layer: int = Field(ge=0)
    tokens: int = Field(ge=1, description="groups of tokens that are left, padding not counted")
    groups: tuple[int, ...] = Field(description="for each token the first position of its group")


class TextMaps(_Record):
    """One text and its maps; padding is left out."""

    words: tuple[str, ...] = Field(description="tokens as the tokenizer writes them")
    layers: tuple[TextLayer, ...] = Field(min_length=1)


class MergeMaps(_Record):
    """What a report shows of a compressed model's merges."""

    model: str
    method: str
    images: tuple[ImageMaps, ...] = ()
    texts: tuple[TextMaps, ...] = ()
