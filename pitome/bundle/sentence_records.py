"""Records of one vector of a text: how the graph makes its output `sentence_embedding` of the tokens."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pitome.bundle.record import Positive, Record


class PoolingRecord(Record):
    """One way in which the tokens of a text become one vector."""

    mode: Literal["cls", "max", "mean", "mean_sqrt_len_tokens"] = Field(
        description="As sentence-transformers calls it"
    )
    merged: Literal[
        "as it is",
        "over the tokens that are left",
        "weighted by size",
        "weighted by size, over the root of all",
    ] = Field(
        description="How merged tokens pool: the class token stands for itself, a maximum is over kept "
        "tokens, a sum counts each as often as it stands for one, and padding never"
    )


class DenseRecord(Record):
    """A linear layer on the vector, and what follows it."""

    kind: Literal["dense"] = Field("dense", description="What it is")
    in_features: Positive = Field(description="Numbers that go in")
    out_features: Positive = Field(description="Numbers that come out")
    bias: bool = Field(description="True: it adds a bias")
    activation: str = Field(description="Class of torch.nn, with its defaults")


class NormaliseRecord(Record):
    """The vector's length becomes 1."""

    kind: Literal["normalise"] = Field("normalise", description="What it is")


class SentenceRecord(Record):
    """How the graph's output `sentence_embedding` is made of the tokens."""

    output: Literal["sentence_embedding"] = Field("sentence_embedding", description="Name of the output")
    pooling: tuple[PoolingRecord, ...] = Field(
        min_length=1, description="Put side by side where there are several"
    )
    steps: tuple[Annotated[DenseRecord | NormaliseRecord, Field(discriminator="kind")], ...] = Field(
        (), description="What happens to the vector, in order"
    )
    dimension: Positive = Field(description="Numbers of the vector")
    lower_case: bool = Field(description="True: texts are made lower case before the tokenizer")

    @model_validator(mode="after")
    def _widths_fit(self) -> Self:
        dense = [step for step in self.steps if isinstance(step, DenseRecord)]
        for first, second in pairwise(dense):
            if first.out_features != second.in_features:
                raise ValueError(f"a dense of {second.in_features} follows one of {first.out_features}")
        if dense and dense[-1].out_features != self.dimension:
            raise ValueError(f"dimension {self.dimension} after a dense of {dense[-1].out_features}")
        return self
