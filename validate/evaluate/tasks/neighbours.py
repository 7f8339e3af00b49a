"""Nearest neighbours before and after merging, and whether an index of embeddings must be made anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pitome.validate.evaluate.records import Reindex
from pitome.validate.statistics import mean_interval, paired_difference

if TYPE_CHECKING:
    from torch import Tensor

Values = npt.NDArray[np.float64]
RANKS = (1, 10)
"""k of recall@k."""
UNMERGED_INDEX, MERGED_INDEX = "unmerged index", "merged index"
MOST_QUERIES = 2_000
"""Samples that search among all; more would take time and say no more."""
FEWEST = 100
"""Samples below which nothing is said of an index: ten of a few dozen are found by chance."""
WANTED = 0.9
"""Share of the ten nearest that merged queries are to find in an index of unmerged embeddings, where the
user's limits name no other: approximate indexes are usually tuned to find 90 to 95 % of the exact ones."""
_TIE = 1e-6
"""Similarities that are closer are equal: float32 rounds so."""
_CHUNK = 256
"""Queries whose similarities are in memory at a time."""


def recall_name(rank: int, index: str) -> str:
    """Of a metric."""
    return f"recall@{rank}, {index}"


def neighbour_recall(unmerged: Tensor, merged: Tensor, seed: int = 0) -> dict[str, Values]:
    """Which of a sample's nearest neighbours under the unmerged model are found with the merged one.

    Each sample searches among all others, by cosine, with its merged vector: once among merged vectors, as
    after a new index, and once among unmerged ones, as in an index that was there before. The recall of one
    query is the share of its k results that are as similar to it, under the unmerged model, as that model's
    k-th neighbour; so equal samples may stand for each other.

    Args:
        unmerged: [n, C].
        merged: [n, C], of the same samples; one that is not finite finds nothing.
        seed: of the choice of queries, where there are more than `MOST_QUERIES`.

    Returns:
        `recall_name` of each rank and index -> [queries]. A rank that has fewer than twice as many others to
        choose from is left out.
    """
    import torch

    count = len(unmerged)
    ranks = [rank for rank in RANKS if count - 1 >= 2 * rank]
    if not ranks:
        return {}
    queries = np.arange(count)
    if count > MOST_QUERIES:
        queries = np.sort(np.random.default_rng(seed).permutation(count)[:MOST_QUERIES])
    indexes = {UNMERGED_INDEX: _unit(unmerged), MERGED_INDEX: _unit(merged)}
    usable = torch.isfinite(merged).all(dim=1).double()
    found: dict[str, list[Tensor]] = {}
    for rows in _chunks(torch.from_numpy(queries)):
        true = _without_self(indexes[UNMERGED_INDEX][rows] @ indexes[UNMERGED_INDEX].T, rows)
        nearest = true.topk(max(ranks), dim=1).values
        for index, vectors in indexes.items():
            similarity = _without_self(indexes[MERGED_INDEX][rows] @ vectors.T, rows)
            results = true.gather(1, similarity.topk(max(ranks), dim=1).indices)
            for rank in ranks:
                right = results[:, :rank] >= nearest[:, rank - 1 : rank] - _TIE
                found.setdefault(recall_name(rank, index), []).append(
                    right.double().mean(dim=1) * usable[rows]
                )
    return {name: np.asarray(torch.cat(parts).numpy(), np.float64) for name, parts in found.items()}


def judge_index(recall: dict[str, Values], samples: int, wanted: float = WANTED, seed: int = 0) -> Reindex:
    """Whether merged queries may search an index of unmerged embeddings.

    Decided by the 95 % interval of recall@10 in such an index, and where that lies below what is wanted, by
    the paired difference to an index of merged embeddings.

    Args:
        recall: as `neighbour_recall` gives it.
        samples: that there are.
        wanted: share of the ten nearest.
        seed: of the bootstrap.
    """
    rank = RANKS[-1]
    kept = recall.get(recall_name(rank, UNMERGED_INDEX))
    renewed = recall.get(recall_name(rank, MERGED_INDEX))
    if kept is None or renewed is None or samples < FEWEST:
        return Reindex(
            answer="not judged",
            reason=f"{samples:,} samples are too few to tell neighbours from chance, {FEWEST} are needed",
        )
    found, after = mean_interval(kept, seed), mean_interval(renewed, seed)
    gained = paired_difference(renewed, kept, seed)
    told = (
        f"merged queries find {_share(found.mean, found.low, found.high)} of the {rank} nearest neighbours "
        f"in an index of unmerged embeddings, and {_share(after.mean, after.low, after.high)} in one of "
        f"merged ones; {100 * wanted:g} % are wanted"
    )
    if found.low >= wanted:
        return Reindex(answer="keep the index", reason=told)
    if found.high >= wanted:
        return Reindex(answer="not judged", reason=f"{told}, which the interval does not decide")
    if gained.low > 0:
        enough = "" if after.low >= wanted else ", and merging less would find more"
        return Reindex(answer="re-index", reason=told + enough)
    return Reindex(answer="merge less", reason=f"{told}, and a new index would not find more")


def _share(mean: float, low: float, high: float) -> str:
    return f"{100 * mean:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def _unit(vectors: Tensor) -> Tensor:
    """[n, C] of length 1; what is not finite is similar to nothing."""
    import torch

    finite = torch.where(torch.isfinite(vectors).all(dim=1, keepdim=True), vectors, 0).float()
    return torch.nn.functional.normalize(finite, dim=1)


def _without_self(similarity: Tensor, rows: Tensor) -> Tensor:
    import torch

    return similarity.scatter(1, rows[:, None], -torch.inf)


def _chunks(rows: Tensor) -> Iterator[Tensor]:
    for start in range(0, len(rows), _CHUNK):
        yield rows[start : start + _CHUNK]


def percentiles(values: Sequence[float] | Values) -> dict[str, float]:
    """The 1st, 5th, 25th and 50th."""
    wanted = (1, 5, 25, 50)
    return {
        str(each): float(value) for each, value in zip(wanted, np.percentile(values, wanted), strict=True)
    }
