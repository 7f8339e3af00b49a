"""How far a merge moves the spectrum of the token graph (METHOD.md section 9), per layer and method.

Methods are compared AT THE SAME FEATURES: one reference model runs, and every method's merge is applied to
the metric and sizes that the reference's layers got. Else a method that merged badly in layer 0 would be
judged on easier or harder features in layer 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pitome.errors import InputError
from pitome.settings import MergeSettings
from pitome.validate.evaluate.records import LayerDistance, MethodSpectrum, SpectralDifference, SpectrumReport

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pitome.compression import Compression
    from pitome.methods import Merger
    from pitome.observe import MergeRecord
    from pitome.validate.samples import Samples

Floats = NDArray[np.float64]
Distances = dict[tuple[str, int], list[float]]
"""(method, layer) -> one distance per input."""
Progress = Callable[[str, int, int], None]
"""Called with (what, samples done, samples in all)."""

SMALLEST_NORM = 1e-6
"""Rows shorter than this are divided by it, as in the merge itself."""
SMALLEST_WEIGHT = 1e-12
"""1 - cos below this is the rounding of parallel rows in float64, and counts as 0."""
METHODS = ("pitome", "paper", "tome", "random")
"""What a model's own merge is compared with; the one of its own name is its own."""
BATCH = 8


def spectral_distance(weights: Floats, eigenvalues: Floats, assignment: NDArray[np.int64]) -> float:
    """SD(G, Gc) = sum over i of |lambda_i - lambda_l,i| (METHOD.md section 9; arXiv 2405.16148, section 3.3).

    The lifted graph's Laplacian has rank at most the number of groups beside the identity, so its spectrum
    comes from the small matrix S^1/2 D^-1/2 Wc D^-1/2 S^1/2 (S: group sizes), and 1 for every other token.

    A token of degree 0 is parallel to all others. It has no edge to lose, so its eigenvalue is 0, as is usual
    for isolated vertices (Chung, Spectral Graph Theory, section 1.2); the same holds for a group of degree 0.

    Args:
        weights: [N, N], the token graph.
        eigenvalues: [N], its `spectrum`.
        assignment: [N] integers; tokens with the same number are one group.

    Returns:
        The distance, at least 0; 0 where no two tokens share a group, or where all are parallel.
    """
    return float(np.abs(eigenvalues - _lifted_spectrum(weights, assignment)).sum())


def token_graph(features: Floats) -> Floats:
    """[N, D] -> [N, N] float64 weights 1 - cos, not negative, 0 on the diagonal and between parallel rows.

    Raises:
        InputError: a feature that is not finite.
    """
    if not np.isfinite(features).all():
        raise InputError(
            "a spectral distance",
            "a feature is not finite, so it has no cosine to the others",
            "Look for the layer that overflows, or run the model in fp32",
        )
    norm = np.linalg.norm(features, axis=1, keepdims=True)
    unit = features / np.maximum(norm, SMALLEST_NORM)
    weights = 1.0 - unit @ unit.T
    weights[weights < SMALLEST_WEIGHT] = 0.0
    np.fill_diagonal(weights, 0.0)
    return weights


def spectrum(weights: Floats) -> Floats:
    """[N, N] -> [N] eigenvalues of I - D^-1/2 W D^-1/2 in rising order; 0 for a token of degree 0."""
    return _eigenvalues(weights, np.ones(len(weights)))


def _lifted_spectrum(weights: Floats, groups: NDArray[np.int64]) -> Floats:
    _, group = np.unique(groups, return_inverse=True)
    member = np.eye(int(group.max()) + 1)[group]  # [N, n]
    sizes = member.sum(axis=0)
    return _eigenvalues(member.T @ weights @ member / np.outer(sizes, sizes), sizes)


def _eigenvalues(weights: Floats, sizes: Floats) -> Floats:
    """Of the graph in which node p stands for ``sizes[p]`` tokens: [n, n], [n] -> [sum of sizes]."""
    degree = weights @ sizes
    live = degree > 0
    scale = np.sqrt(sizes[live] / degree[live])
    inner = np.linalg.eigvalsh(scale[:, None] * weights[np.ix_(live, live)] * scale)
    alike = int(sizes[live].sum()) - len(inner)
    isolated = int(sizes[~live].sum())
    return np.sort(np.concatenate([1.0 - inner, np.ones(alike), np.zeros(isolated)]))


def layer_spectra(
    reference: nn.Module,
    samples: Samples,
    methods: Sequence[str] = METHODS,
    progress: Progress | None = None,
) -> SpectrumReport:
    """The spectral distance of each method's merge in every merging layer of a model.

    The model's own merge comes first, with the candidates, penalty, margins and so on that it really has.

    Args:
        reference: a compressed model in eval mode. Its run gives the features, and its schedule the r of each
            layer; the token graph is made of its own metric.
        samples: what it runs on; prefix tokens and padding (size 0) belong to no graph.
        methods: names of methods to stand beside it, each with its default settings but for the metric; the
            model's own name among them stands for its own settings.
        progress: told of every batch.

    Raises:
        InputError: a model that is not compressed or merges nothing, fewer than two samples, or a method that
            is unknown or merges nothing.
    """
    from pitome.observe import observe_merges

    compression = _compression_of(reference)
    if len(samples) < 2:
        raise InputError(
            f"spectra of {len(samples)} sample", "an interval needs at least two", "Give 2 samples or more"
        )
    mergers = _mergers(compression, methods)
    distances: Distances = {}
    done = 0
    for batch in samples.batches(BATCH):
        if progress is not None:
            progress("spectrum", done, len(samples))
        with _no_gradients(), observe_merges() as observer:
            reference(**batch)
        for record in observer.records:
            found = _distances_of(record, mergers, compression.schedule.num_protected)
            for name, values in found.items():
                distances.setdefault((name, record.layer), []).extend(values)
        done += len(next(iter(batch.values())))
    return SpectrumReport(
        reference=compression.method.name,
        metric=compression.settings.metric or "hidden",
        samples=len(samples),
        methods=tuple(
            _method_spectrum(name, next(iter(mergers)), compression, distances) for name in mergers
        ),
    )


def _no_gradients() -> Any:
    import torch

    return torch.no_grad()


def _compression_of(model: Any) -> Compression:
    compression: Compression | None = getattr(model, "compression", None)
    if compression is None or not compression.schedule.merging_layers:
        raise InputError(
            "the spectra of a model's merges",
            "the model is not compressed" if compression is None else "no layer of it merges",
            "Give what pitome.compress returns for a keep ratio below 1",
        )
    return compression


def _mergers(compression: Compression, methods: Sequence[str]) -> dict[str, dict[int, Merger]]:
    """Method -> merging layer -> its merge, all with the reference's r; the reference's own is the first."""
    from pitome.methods import make_method, method_class

    own, schedule = compression.method, compression.schedule
    found: dict[str, dict[int, Merger]] = {}
    for name in dict.fromkeys((own.name, *methods)):
        method = own
        if name != own.name:
            takes_metric = "metric" in method_class(name).takes
            setting = MergeSettings(name, metric=own.settings.metric if takes_metric else None)
            method = make_method(setting, compression.family, compression.shape.num_layers)
        layers = {
            place: merger for place, merger in enumerate(method.mergers(schedule)) if merger is not None
        }
        if not layers:
            raise InputError(
                f"the spectrum of METHOD={name}", "it merges nothing", "Leave it out of the comparison"
            )
        found[name] = layers
    return found


def _distances_of(
    record: MergeRecord, mergers: Mapping[str, Mapping[int, Merger]], prefix: int
) -> dict[str, list[float]]:
    """Method -> one distance per input of the batch."""
    import torch

    found: dict[str, list[float]] = {}
    with torch.no_grad():
        groups = {
            name: layers[record.layer](record.metric, record.metric, record.size).assignment
            for name, layers in mergers.items()
        }
    for index in range(len(record.metric)):
        kept = (record.size[index, :, 0] > 0).clone()
        kept[:prefix] = False
        features = record.metric[index][kept].double().numpy()
        weights = token_graph(features)
        eigenvalues = spectrum(weights)
        for name, assignment in groups.items():
            distance = spectral_distance(weights, eigenvalues, _numbers(assignment[index][kept]))
            found.setdefault(name, []).append(distance)
    return found


def _numbers(assignment: Tensor) -> NDArray[np.int64]:
    numbers: NDArray[np.int64] = assignment.long().numpy()
    return numbers


def _method_spectrum(name: str, first: str, compression: Compression, distances: Distances) -> MethodSpectrum:
    schedule = compression.schedule
    layers = [
        LayerDistance(
            layer=layer,
            tokens=schedule.tokens[layer],
            merged=schedule.num_merged[layer],
            to_first=None if name == first else _difference(distances[name, layer], distances[first, layer]),
            **_interval(distances[name, layer]),
        )
        for layer in schedule.merging_layers
    ]
    return MethodSpectrum(method=name, layers=tuple(layers))


def _interval(values: Sequence[float]) -> dict[str, float]:
    from pitome.validate.statistics import mean_interval

    found = mean_interval(values)
    return {"mean": found.mean, "low": found.low, "high": found.high}


def _difference(values: Sequence[float], first: Sequence[float]) -> SpectralDifference:
    from pitome.validate.statistics import paired_difference

    found = paired_difference(values, first)
    return SpectralDifference(mean=found.mean, low=found.low, high=found.high, p_value=found.p_value)
