"""The type of what ``compress`` returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from pitome.compression import Compression

    class CompressedModel(nn.Module):
        """A model that merges tokens inside, and says how."""

        compression: Compression

else:  # the model keeps its own class
    CompressedModel = nn.Module
