"""The pointer forest against a slow reference that walks every chain."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pitome import compress
from pitome.merge import score_tokens
from pitome.parameters import MergeParameters
from pitome.validate.evaluate.pointer_forest import point, with_pointer_forest
from tests.tiny_models import tiny_images, tiny_model


def slow_point(metric: Tensor, size: Tensor, parameters: MergeParameters) -> list[int]:
    """One batch element, token by token."""
    prefix, count = parameters.num_protected, len(metric) - parameters.num_protected
    similarity, energy = score_tokens(metric[None, prefix:], size[None, prefix:, 0].double(), parameters)
    pointers = []
    for token in range(count):
        above = [
            other
            for other in range(count)
            if (energy[0, other], -other) > (energy[0, token], -token)  # ties: the lower position is above
        ]
        if above:
            best = max(above, key=lambda other: (float(similarity[0, token, other]), -other))
            penalty = parameters.size_penalty * float(size[prefix + token].double().log())
            pointers.append((float(similarity[0, token, best]) - penalty, token, best))
    pointers.sort(key=lambda pointer: (-pointer[0], pointer[1]))
    target = {token: best for _, token, best in pointers[: parameters.num_merged]}
    kept = [token for token in range(count) if token not in target]
    slots = list(range(prefix))
    for token in range(count):
        root = token
        while root in target:
            root = target[root]
        slots.append(prefix + kept.index(root))
    return slots


@settings(max_examples=60, deadline=None)
@given(
    tokens=st.integers(4, 24),
    seed=st.integers(0, 10_000),
    share=st.floats(0.1, 0.9),
    penalty=st.sampled_from([0.0, 0.1]),
)
def test_equals_the_slow_reference(tokens: int, seed: int, share: float, penalty: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    metric = torch.randn(2, tokens, 5, generator=generator, dtype=torch.float64)
    size = torch.randint(1, 5, (2, tokens, 1), generator=generator).float()
    merged = max(1, int(share * (tokens - 2)))
    parameters = MergeParameters(merged, tokens - 1, 1, 0.3, size_penalty=penalty)
    found = point(metric, size, parameters)
    for element in range(2):
        assert found[element].tolist() == slow_point(metric[element], size[element], parameters)


def test_padding_disappears_first_and_weighs_nothing() -> None:
    metric = torch.randn(1, 12, 4, generator=torch.Generator().manual_seed(0))
    size = torch.ones(1, 12, 1)
    size[:, 7:] = 0
    assignment = point(metric, size, MergeParameters(4, 11))[0]
    real = assignment[:7]
    assert len(set(real.tolist())) == 7


def test_a_model_runs_with_it_and_keeps_its_shapes() -> None:
    model, images = tiny_model("ViTModel"), tiny_images(2)
    plain = compress(model, ratio=0.7)
    forest = with_pointer_forest(compress(model, ratio=0.7))
    with torch.no_grad():
        first, second = plain(images).last_hidden_state, forest(images).last_hidden_state
    assert first.shape == second.shape == (2, 37, 32)
    assert not torch.equal(first, second)
