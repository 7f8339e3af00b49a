"""What padding has to do with a result on texts, as JSON has it, and the metrics that tell it apart."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

BUCKET = 32
"""Tokens by which the lengths of a model that pads to a few of them differ."""
FULL_LENGTH, PADDED = "accuracy, full-length documents", "accuracy, padded documents"
"""Metrics of a task on texts: of those that fill every position, and of the others."""


class PaddingRecord(BaseModel):
    """Padded texts: what was merged, and what other models that do not compute padding would cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    texts: int = Field(ge=1)
    full_length: int = Field(description="texts that fill every position, so that nothing is padding")
    share_of_inputs: float = Field(description="padding among all positions of the inputs")
    share_of_removed: float | None = Field(description="padding among the tokens that were merged away")
    flops_merged: float = Field(description="FLOPs of the merged model, of the padded unmerged model's")
    flops_unpadded: float = Field(description="the same of an unmerged model that runs each text by itself")
    flops_bucketed: float = Field(description="the same of an unmerged model that pads to multiples of 32")
