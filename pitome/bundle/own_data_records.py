"""Which of the user's files a model was judged or checked on, as JSON has it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LeftOutRecord(_Frozen):
    """Files or texts of the user's that could not be used, for one reason."""

    count: int = Field(ge=1)
    reason: str
    names: tuple[str, ...] = Field(description="the first ten of them")


class OwnDataRecord(_Frozen):
    """Images of a folder, or texts of a file, and what of them was used."""

    data: str = Field(description="images:FOLDER or texts:FILE, as it was given")
    column: str | None = Field(default=None, description="that the texts stand in; null: they have none")
    data_sha256: str = Field(description="of the names and contents of all that was used, in order")
    found: int = Field(ge=1, description="images by their names, or texts, that could be chosen from")
    used: int = Field(ge=1)
    limit: int | None = Field(
        default=None, description="so many were chosen by the seed and the others left; null: none was left"
    )
    seed: int = Field(default=0, description="of the choice")
    chosen: tuple[str, ...] = Field(
        default=(), description="names of what was used, where a limit left others out"
    )
    skipped: tuple[LeftOutRecord, ...] = ()

    @property
    def num_skipped(self) -> int:
        """Whatever the reason."""
        return sum(part.count for part in self.skipped)
