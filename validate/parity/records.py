"""The records of the parity check. They lie in `pitome.bundle`, whose manifest holds them."""

from pitome.bundle.parity_records import (
    Agreement,
    Arithmetic,
    BatchComposition,
    Cosine,
    Decisions,
    GraphFinding,
    LayerArithmetic,
    LayerDecisions,
    LevelVerdict,
    Margins,
    MetricArithmetic,
    Overflow,
    ParityReport,
    ReducedError,
    ReducedTorch,
)

__all__ = [
    "Agreement",
    "Arithmetic",
    "BatchComposition",
    "Cosine",
    "Decisions",
    "GraphFinding",
    "LayerArithmetic",
    "LayerDecisions",
    "LevelVerdict",
    "Margins",
    "MetricArithmetic",
    "Overflow",
    "ParityReport",
    "ReducedError",
    "ReducedTorch",
]
