from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pitome import compress
from pitome.errors import InputError
from pitome.merge import MergeResult, merge
from pitome.methods import make_method
from pitome.observe import MergeRecord, observe_merges
from pitome.settings import MergeSettings
from pitome.validate.evaluate.spectrum import (
    _distances_of,
    layer_spectra,
    spectral_distance,
    spectrum,
    token_graph,
)
from pitome.validate.samples import Samples
from tests.compressed import compress_with
from tests.merge_parameters import merge_parameters
from tests.tiny_models import NUM_LAYERS, NUM_PATCHES, tiny_images, tiny_model


def slow_distance(features, assignment) -> float:
    """METHOD.md section 9 as it is written, in loops over pairs; features whose degrees are above 0."""
    count = len(features)
    weights = [
        [1 - cosine(a, b) if i != j else 0.0 for j, b in enumerate(features)] for i, a in enumerate(features)
    ]
    groups = {group: [i for i in range(count) if assignment[i] == group] for group in set(assignment)}
    lifted = [[0.0] * count for _ in range(count)]
    for first in groups.values():
        for second in groups.values():
            total = sum(weights[i][j] for i in first for j in second)
            for i in first:
                for j in second:
                    lifted[i][j] = total / (len(first) * len(second))
    before, after = slow_eigenvalues(weights), slow_eigenvalues(lifted)
    return sum(abs(a - b) for a, b in zip(before, after, strict=True))


def cosine(first, second) -> float:
    dot = sum(a * b for a, b in zip(first, second, strict=True))
    return dot / (math.sqrt(sum(a * a for a in first)) * math.sqrt(sum(b * b for b in second)))


def spectral_distance_of(features, assignment) -> float:
    """By the product's code."""
    weights = token_graph(np.asarray(features, np.float64))
    return spectral_distance(weights, spectrum(weights), np.asarray(assignment))


def slow_eigenvalues(weights) -> list[float]:
    count = len(weights)
    degree = [sum(row) for row in weights]
    laplacian = [
        [(i == j) - weights[i][j] / math.sqrt(degree[i] * degree[j]) for j in range(count)]
        for i in range(count)
    ]
    return sorted(np.linalg.eigvalsh(np.array(laplacian)).tolist())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.integers(1, 12), st.integers(1, 6))
def test_distance_is_what_the_definition_says(seed, count, groups, width):
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(count, width + 1))
    assignment = generator.integers(0, groups, size=count)
    expected = slow_distance(features.tolist(), assignment.tolist())
    assert spectral_distance_of(features, assignment) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 12))
def test_distance_depends_on_directions_and_groups_only(seed, count):
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(count, 4))
    assignment = generator.integers(0, 3, size=count)
    distance = spectral_distance_of(features, assignment)
    assert spectral_distance_of(features * generator.uniform(0.1, 9, size=(count, 1)), 7 - assignment) == (
        pytest.approx(distance, abs=1e-9)
    )
    shuffled = generator.permutation(count)
    assert spectral_distance_of(features[shuffled], assignment[shuffled]) == pytest.approx(distance, abs=1e-9)
    assert spectral_distance_of(features, np.arange(count)) == pytest.approx(0, abs=1e-9)


def test_spectrum_of_a_complete_graph():
    """Orthogonal tokens: all weights are 1, and the eigenvalues 0 and N / (N - 1) are in every textbook."""
    assert spectrum(token_graph(np.eye(5))) == pytest.approx([0, 1.25, 1.25, 1.25, 1.25])


def test_parallel_tokens_have_no_graph():
    features = np.outer([1.0, 2.0, 0.5, 3.0], [1.0, -2.0, 3.0])
    assert (token_graph(features) == 0).all()
    assert (spectrum(token_graph(features)) == 0).all()
    assert spectral_distance_of(features, np.array([0, 0, 1, 1])) == 0
    assert spectral_distance_of(features[:1], np.array([0])) == 0


def test_zero_rows_are_finite():
    features = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert math.isfinite(spectral_distance_of(features, np.array([0, 0, 1])))


def test_a_feature_that_is_not_finite_is_refused():
    with pytest.raises(InputError, match="a feature is not finite, so it has no cosine to the others"):
        token_graph(np.array([[np.nan, 1.0], [1.0, 1.0]]))


# Theorem 1 on synthetic clusters.

LARGE, PAIRS, UNIQUE, WIDTH = (16, 12, 8, 6), 12, 20, 64
IN_CLASSES = sum(LARGE) + 2 * PAIRS
NUM_TOKENS = IN_CLASSES + UNIQUE
MARGIN = 0.9


def clusters(tightness: float, seed: int) -> np.ndarray:
    """[N, D] tokens at random positions: four large classes, twelve pairs and twenty unique tokens.

    The centres are nearly orthogonal (cosines around .01, far below the margin); `tightness` is
    the norm of what a token adds to its centre.
    """
    generator = np.random.default_rng(seed)
    sizes = (*LARGE, *(2,) * PAIRS, *(1,) * UNIQUE)
    centres = np.eye(len(sizes), WIDTH) + 0.005 * generator.normal(size=(len(sizes), WIDTH))
    tokens = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return centres[tokens] + tightness * generator.normal(size=(NUM_TOKENS, WIDTH)) / np.sqrt(WIDTH)


def distance_of(tokens: np.ndarray, merged: int, **parameters) -> float:
    rows = torch.from_numpy(tokens)[None]
    settings = merge_parameters(num_merged=merged, num_protected=0, margin=MARGIN, **parameters)
    result = merge(rows, rows, torch.ones(1, len(tokens), 1), settings)
    return spectral_distance_of(tokens, result.assignment[0].numpy())


RULES = {
    "paper": lambda merged: {"num_candidates": 2 * merged},
    "default": lambda merged: {
        "num_candidates": max(2 * merged, int(0.9 * NUM_TOKENS + 0.5)),
        "size_penalty": 0.05,
    },
    "tome": lambda merged: {"num_candidates": NUM_TOKENS, "order": "position"},
}


def distances(rule: str, tightness: float, merged: int = IN_CLASSES // 2, seeds: int = 20) -> np.ndarray:
    return np.array(
        [distance_of(clusters(tightness, seed), merged, **RULES[rule](merged)) for seed in range(seeds)]
    )


@pytest.mark.parametrize("rule", ["paper", "default"])
def test_theorem_1_energy_order_keeps_the_spectrum_of_tight_classes(rule):
    """r is half of the tokens that have others of their class, so that no unique token must merge, and equal
    sizes are told apart by their distance to the other classes: with tokens tighter than these energies are
    apart, every class lies in one piece in the order, and alternate ranks split it between A and B."""
    means = [distances(rule, tightness).mean() for tightness in (1e-1, 1e-3, 1e-5)]
    assert means[0] > 4 * means[1] > 16 * means[2]
    assert distances(rule, 1e-7).max() < 1e-7
    assert distances(rule, 0.0).max() < 1e-12


def test_theorem_1_position_order_does_not():
    """Half of the positions are sources, wherever the classes lie: some pair is all source, so that with the
    same r an unlike token has to merge, however tight the classes are."""
    for tightness in (1e-3, 1e-7, 0.0):
        found = distances("tome", tightness, seeds=60)
        assert (found > 0.03).mean() >= 0.9
        assert found.min() > 0.01


def test_theorem_1_needs_as_many_merges_as_classes_allow():
    """What the second half says nothing of: where r is small, ToMe's best edges lie inside classes too."""
    for rule in RULES:
        assert distances(rule, 1e-7, merged=len(LARGE), seeds=5).max() < 1e-7


# Layers of a model.


@pytest.fixture(scope="module")
def reference():
    return compress_with(tiny_model("ViTModel"), ratio=0.8, layers=(0, 2))


def test_layer_spectra_at_the_same_features(reference):
    images = tiny_images(3)
    report = layer_spectra(reference, Samples({"pixel_values": images}), ("tome", "random", "paper"))
    assert (report.reference, report.metric, report.samples) == ("pitome", "hidden", 3)
    assert [found.method for found in report.methods] == ["pitome", "tome", "random", "paper"]
    with torch.no_grad(), observe_merges() as observer:
        reference(pixel_values=images)
    compression = reference.compression
    for found in report.methods:
        settings = MergeSettings(found.method, metric=None if found.method == "random" else "hidden")
        mergers = make_method(settings, compression.family, NUM_LAYERS).mergers(compression.schedule)
        assert [layer.layer for layer in found.layers] == [0, 2]
        for layer, record in zip(found.layers, observer.records, strict=True):
            assert layer.tokens == record.metric.shape[1]
            merger = mergers[layer.layer]
            groups = merger(record.metric, record.metric, record.size).assignment
            expected = [
                slow_distance(rows[1:].double().tolist(), slots[1:].tolist())
                for rows, slots in zip(record.metric, groups, strict=True)
            ]
            assert layer.mean == pytest.approx(np.mean(expected), rel=1e-9)
            assert layer.low <= layer.mean <= layer.high
            assert (layer.to_first is None) == (found.method == "pitome")
    first, second = report.methods[0].layers[0], report.methods[1].layers[0]
    assert second.to_first.mean == pytest.approx(second.mean - first.mean)
    assert first.tokens == 1 + NUM_PATCHES


OWN = {"size_penalty": 2.0, "metric": "keys"}
MORE = {"candidates": "all", "margin": (0.3, 0.0), "energy": "gaussian"}


@pytest.mark.parametrize("method", ["pitome", "tome"])
def test_a_model_is_judged_by_its_own_settings(method):
    """Its own row is what it decided itself; the defaults of its method would have decided otherwise."""
    options = OWN | (MORE if method == "pitome" else {})
    model = compress_with(tiny_model("ViTModel"), ratio=0.7, method=method, **options)
    images = tiny_images(4, seed=3)
    report = layer_spectra(model, Samples({"pixel_values": images}))
    assert (report.reference, report.metric) == (method, "keys")
    beside = [name for name in ("pitome", "paper", "tome", "random") if name != method]
    assert [found.method for found in report.methods] == [method, *beside]
    with torch.no_grad(), observe_merges() as observer:
        model(pixel_values=images)
    compression = model.compression
    usual = make_method(MergeSettings(method, metric="keys"), compression.family, NUM_LAYERS)
    mergers = usual.mergers(compression.schedule)
    differs = False
    for layer, record in zip(report.methods[0].layers, observer.records, strict=True):

        def mean(groups, metric=record.metric):
            rows = zip(metric, groups, strict=True)
            return np.mean([spectral_distance_of(x[1:].double().numpy(), y[1:].numpy()) for x, y in rows])

        assert layer.mean == pytest.approx(mean(record.decided), rel=1e-9)
        merger = mergers[layer.layer]
        default = mean(merger(record.metric, record.metric, record.size).assignment)
        differs |= abs(layer.mean - default) > 1e-6
    assert differs


def test_layer_spectra_leave_padding_out():
    """A padding token's features say nothing: the distance is that of the real tokens alone."""
    metric = torch.randn(1, 12, 4, generator=torch.Generator().manual_seed(0))
    size = torch.ones(1, 12, 1)
    size[0, 8:] = 0

    slots = torch.tensor([[0, 1, 2, 1, 2, 3, 4, 4, 1, 5, 5, 6]], dtype=torch.int32)

    def merger(x, metric, size):
        return MergeResult(x, size, slots)

    def found(metric):
        record = MergeRecord(0, metric, size, slots)
        return _distances_of(record, {"pitome": {0: merger}}, 1)["pitome"]

    other = metric.clone()
    other[0, 8:] *= -3
    assert found(metric) == found(other)
    expected = slow_distance(metric[0, 1:8].double().tolist(), slots[0, 1:8].tolist())
    assert found(metric)[0] == pytest.approx(expected)


def test_layer_spectra_refuse(reference):
    images = Samples({"pixel_values": tiny_images(2)})
    with pytest.raises(InputError, match="not compressed"):
        layer_spectra(tiny_model("ViTModel"), images)
    with pytest.raises(InputError, match="no layer of it merges"):
        layer_spectra(compress(tiny_model("ViTModel"), ratio=1.0), images)
    with pytest.raises(InputError, match="needs at least two"):
        layer_spectra(reference, images.rows(slice(0, 1)))
    with pytest.raises(InputError, match="METHOD=none"):
        layer_spectra(reference, images, ("pitome", "none"))
    with pytest.raises(InputError, match="the methods are"):
        layer_spectra(reference, images, ("energy",))
