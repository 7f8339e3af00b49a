"""Records of the model: where its weights came from, and what its input must look like."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pitome.bundle.preprocess_record import ImagePreprocess, TextPreprocess
from pitome.bundle.record import Positive, Record, Sha256, Text
from pitome.bundle.sentence_records import SentenceRecord
from pitome.models.task import Task
from pitome.settings import MAX_SEED, MIN_SEED


class WeightsRecord(Record):
    """Where the weights came from."""

    source: Text = Field(description="Hub id, package or included model, name of a folder, or `random`")
    sha256: Sha256 = Field(description="Digest of the weights as they were loaded")
    random: bool = Field(description="True: seeded random weights, right for latency and parity only")
    revision: Text | None = Field(None, description="Commit of the hub's repository")
    seed: Annotated[int, Field(ge=MIN_SEED, le=MAX_SEED)] | None = Field(
        None, description="Seed of random weights"
    )

    @model_validator(mode="after")
    def _seed_belongs_to_random(self) -> Self:
        if self.random != (self.seed is not None):
            raise ValueError("random weights have a seed, and only they have one")
        return self


System = Literal["dual-encoder"]
Factor = Annotated[float, Field(gt=0)]
ShortText = Annotated[str, Field(min_length=1, max_length=200)]


class CardRecord(Record):
    """What the front of the checkpoint's model card says; nobody checked it."""

    license: ShortText | None = Field(None, description="Name of the licence, such as `apache-2.0`")
    license_name: ShortText | None = Field(None, description="Of a licence that is none of the usual ones")
    license_link: ShortText | None = Field(None, description="Where that is")
    library_name: ShortText | None = Field(None, description="Library that the checkpoint is for")
    pipeline_tag: ShortText | None = Field(None, description="What the model is for")
    languages: tuple[ShortText, ...] = Field((), description="Languages that it knows")
    base_models: tuple[ShortText, ...] = Field((), description="Models that it was trained from")
    datasets: tuple[ShortText, ...] = Field((), description="Data that it was trained on")


class ModelRecord(Record):
    """Which model this is, and what its input must look like."""

    name: Annotated[str, Field(pattern=r"^[^./\\\x00-\x1f][^/\\\x00-\x1f]*$", max_length=255)] = Field(
        description="The model as the user named it: preset, hub id or folder name"
    )
    family: Text = Field(description="The family that compressed it, such as `clip`")
    system: System | None = Field(
        None,
        description="Of a model of several graphs how they belong together. `dual-encoder`: one graph for "
        "images, which is merged, and one for texts, whose embeddings are compared; null: one graph",
    )
    task: Task = Field(description="What the model computes, such as `image-embedding`")
    weights: WeightsRecord = Field(description="Where the weights came from")
    preprocess: Annotated[ImagePreprocess | TextPreprocess, Field(discriminator="kind")] = Field(
        description="How an input becomes a tensor"
    )
    text: TextPreprocess | None = Field(
        None, description="Of a dual encoder, how a text becomes a tensor; preprocess is the image's"
    )
    logit_scale: Factor | None = Field(
        None,
        description="Of a dual encoder: the factor itself of the cosine of an image and a text, which makes "
        "a logit of it",
    )
    logit_bias: float | None = Field(None, description="What is added to that product, where something is")
    pooling: Literal["cls", "mean", "max", "last", "attention"] | None = Field(
        None, description="How tokens become one embedding, where the bundle's user does it"
    )
    normalised: bool | None = Field(
        None, description="True: the graphs' embeddings have length 1; null: there are none"
    )
    sentence: SentenceRecord | None = Field(
        None, description="How the graph makes one vector of a text, where it does"
    )
    max_length: Positive | None = Field(None, description="Tokens of the longest text")
    num_labels: Positive | None = Field(None, description="Names in `labels.json`, one for each output")
    card: CardRecord | None = Field(None, description="What the checkpoint's model card says")
    notes: tuple[Text, ...] = Field(
        (), description="What was assumed, set aside or taken in place of something else, a sentence each"
    )
