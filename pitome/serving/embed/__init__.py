"""``pitome embed``: many images or texts into Parquet, in shards that a stop leaves whole. No torch."""

from pitome.serving.embed.job import EmbedResult, embed
from pitome.serving.embed.options import EmbedOptions

__all__ = ["EmbedOptions", "EmbedResult", "embed"]
