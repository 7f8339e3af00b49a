"""How an input becomes a tensor: all that production needs to prepare images and texts for a bundle."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pitome.bundle.record import Positive, Record, Text

Channels = Literal[1, 3, 4]
Resample = Annotated[
    Literal[0, 1, 2, 3, 4, 5],
    Field(
        description="Pillow's number of the filter: 0 nearest, 1 Lanczos, 2 bilinear, 3 bicubic, 4 box, "
        "5 Hamming"
    ),
]


class ResizeRecord(Record):
    """How an image is resized. Either both height and width, or shortest_edge."""

    height: Positive | None = Field(None, description="With width: what the edges become, proportions or not")
    width: Positive | None = Field(None, description="See height")
    shortest_edge: Positive | None = Field(
        None, description="The shorter edge becomes it; the longer one keeps the proportions, rounded down"
    )
    longest_edge: Positive | None = Field(
        None, description="With shortest_edge: where the longer edge would be longer, it becomes this instead"
    )
    resample: Resample

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        squashes = self.height is not None and self.width is not None
        if (self.height is None) != (self.width is None) or squashes == (self.shortest_edge is not None):
            raise ValueError("either height and width say the size, or shortest_edge does")
        if self.longest_edge is not None and self.shortest_edge is None:
            raise ValueError("longest_edge limits what shortest_edge makes")
        return self


class ImagePreprocess(Record):
    """How an image becomes a tensor: resized, cropped, rescaled, normalised, in this order.

    Before that it is decoded to 8 bits in the model's channels, as docs/preprocessing.md says.
    """

    kind: Literal["image"] = Field("image", description="What goes in")
    processor: Text | None = Field(
        None,
        description="Class of transformers that does the same; null: the checkpoint has no file of one",
    )
    height: Positive = Field(description="Of the tensor")
    width: Positive = Field(description="Of the tensor")
    channels: Channels = Field(description="1 grey, 3 RGB, 4 RGB and alpha")
    resize: ResizeRecord | None = Field(
        description="First step; null: it is not resized, and fits only where it has its size already"
    )
    crops: tuple[tuple[Positive, Positive], ...] = Field(
        description="Height and width of the middle that is cut out, one after the other; where the image is "
        "smaller, zeros surround it"
    )
    rescale_factor: float | None = Field(
        description="Pixels, which are 0 to 255, are multiplied by it; null: they are not"
    )
    mean: tuple[float, ...] | None = Field(description="Taken off each channel; null: not normalised")
    std: tuple[float, ...] | None = Field(description="Each channel is divided by it; null as mean is")

    @property
    def image_size(self) -> int:
        """Pixels of the square input. Every model that is loaded is of square images."""
        return self.height

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """Height and width that the steps make of any image; None where that depends on the image."""
        if self.crops:
            return self.crops[-1]
        if self.resize is not None and self.resize.height is not None and self.resize.width is not None:
            return self.resize.height, self.resize.width
        return None

    @model_validator(mode="after")
    def _steps_give_the_size(self) -> Self:
        if self.fixed_size not in (None, (self.height, self.width)):
            raise ValueError(f"the steps make {self.fixed_size}, not {self.height} x {self.width}")
        if self.rescale_factor == 0:
            raise ValueError("a rescale_factor of 0 makes every image the same")
        return self

    @model_validator(mode="after")
    def _a_number_for_each_channel(self) -> Self:
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std belong together")
        for name, numbers in (("mean", self.mean), ("std", self.std)):
            if numbers is not None and len(numbers) != self.channels:
                raise ValueError(f"{name} has {len(numbers)} numbers for {self.channels} channels")
        if self.std is not None and min(self.std) <= 0:
            raise ValueError("a std is above 0")
        return self


class TextPreprocess(Record):
    """How a text becomes token ids."""

    kind: Literal["text"] = Field("text", description="What goes in")
    sequence_length: Positive = Field(description="Tokens that every text is padded or cut to")
