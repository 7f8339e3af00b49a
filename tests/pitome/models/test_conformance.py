"""What every registered family must do, from a folder with its checkpoint to a graph on onnxruntime.

A new family is in here by being registered. Where its configuration needs more than the usual sizes, it says
so in ``tiny_config``.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pitome import compress, load_model, observe_merges
from pitome.export.debug_graph import write_debug_graph
from pitome.export.onnx import export_onnx
from pitome.models.families import all_families
from pitome.models.loading import LoadedModel
from pitome.runtime.onnxruntime import open_session
from tests.tiny_families import NUM_LAYERS, TinyCase, tiny_cases, tiny_inputs

CASES = tuple(tiny_cases())
ONE_PER_FAMILY = tuple({case.family.name: case for case in reversed(CASES)}.values())
"""The first class of each; tracing takes seconds."""


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> TinyCase:
    return request.param


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Case -> the model that was saved, and what is loaded from its folder; made once."""

    @cache
    def make(case: TinyCase) -> tuple[Any, LoadedModel]:
        folder = tmp_path_factory.mktemp(case.architecture)
        return case.save(folder), load_model(str(folder))

    return make


def outputs_of(case: TinyCase, model: Any, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    with torch.no_grad():
        output = model(**inputs)
    fields = case.family.outputs[case.family.architectures[case.architecture]]
    return {name: output[name] for name in fields}


def assert_the_very_same(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert torch.equal(found[name], value), f"{name} differs by {(found[name] - value).abs().max()}"


def test_every_family_has_a_case() -> None:
    assert {case.family.name for case in CASES} == {family.name for family in all_families()}


def test_loaded_from_its_folder_it_is_what_was_saved(case: TinyCase, checkpoints: Any) -> None:
    saved, loaded = checkpoints(case)
    inputs = tiny_inputs(case, loaded.model)
    assert (loaded.family, loaded.architecture) == (case.family, case.architecture)
    assert loaded.task == case.family.architectures[case.architecture]
    assert_the_very_same(outputs_of(case, loaded.model, inputs), outputs_of(case, saved, inputs))


def test_its_shape_is_what_its_blocks_get(case: TinyCase, checkpoints: Any) -> None:
    _, loaded = checkpoints(case)
    shape, seen = case.family.shape(loaded.model), []
    blocks = case.family.layers(loaded.model)
    hook = blocks[0].register_forward_pre_hook(lambda _, args: seen.append(tuple(args[0].shape)))
    outputs_of(case, loaded.model, tiny_inputs(case, loaded.model))
    hook.remove()
    assert seen == [(2, shape.num_tokens, shape.hidden_size)]
    assert shape.num_layers == len(blocks) == NUM_LAYERS
    assert shape.num_protected == case.family.num_protected(loaded.model)


@pytest.mark.parametrize("options", [{"method": "pitome", "r": 0}, {"method": "none"}], ids=str)
def test_where_nothing_merges_the_very_blocks_run(
    case: TinyCase, checkpoints: Any, options: dict[str, Any]
) -> None:
    _, loaded = checkpoints(case)
    merged, inputs = compress(loaded.model, **options), tiny_inputs(case, loaded.model)
    assert_the_very_same(outputs_of(case, merged, inputs), outputs_of(case, loaded.model, inputs))


def test_a_block_taken_apart_is_the_block(case: TinyCase) -> None:
    """Norm and projections, attention residual and MLP one after the other, in float64 to its rounding."""
    family, model = case.family, case.model().double()
    layer = family.layers(model)[1]
    x = torch.randn(
        2, 9, family.shape(model).hidden_size, generator=torch.Generator().manual_seed(2)
    ).double()
    with torch.no_grad():
        query, key, value = family.project(layer, x)
        scores = family.attention_scale(layer) * query @ key.transpose(2, 3)
        attended = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
        apart = family.add_mlp(layer, family.add_attention(layer, x, attended))
        whole = family.run_layer(layer, x, None)
    torch.testing.assert_close(apart, whole, rtol=1e-10, atol=1e-10)


def test_a_merged_model_has_the_tensors_of_its_base(case: TinyCase, checkpoints: Any) -> None:
    _, loaded = checkpoints(case)
    merged, base = compress(loaded.model, ratio=0.8).state_dict(), loaded.model.state_dict()
    assert list(merged) == list(base)
    assert [tensor.data_ptr() for tensor in merged.values()] == [
        tensor.data_ptr() for tensor in base.values()
    ]


def test_merging_keeps_shapes_and_changes_values(case: TinyCase, checkpoints: Any) -> None:
    _, loaded = checkpoints(case)
    merged, inputs = compress(loaded.model, ratio=0.8), tiny_inputs(case, loaded.model)
    for (name, found), wanted in zip(
        outputs_of(case, merged, inputs).items(),
        outputs_of(case, loaded.model, inputs).values(),
        strict=True,
    ):
        assert found.shape == wanted.shape
        assert torch.isfinite(found).all()
        assert not torch.equal(found, wanted), name


@pytest.mark.parametrize("case", ONE_PER_FAMILY, ids=str)
def test_its_graph_on_onnxruntime_agrees(case: TinyCase, checkpoints: Any, tmp_path: Path) -> None:
    """With the graph's decisions forced onto PyTorch, so that a near-tie is no difference."""
    _, loaded = checkpoints(case)
    merged = compress(loaded.model, ratio=0.8)
    graph, debug = tmp_path / "model.onnx", tmp_path / "debug.onnx"
    fields = case.family.outputs[loaded.task]
    export_onnx(merged, graph, outputs=fields)
    assignments = write_debug_graph(graph, debug)
    assert len(assignments) == len(merged.compression.schedule.merging_layers) > 0
    inputs = tiny_inputs(case, loaded.model)
    found = open_session(debug).run(
        [*fields, *assignments], {name: value.numpy() for name, value in inputs.items()}
    )
    forced = [torch.from_numpy(value) for value in found[len(fields) :]]
    with observe_merges(forced):
        wanted = outputs_of(case, merged, inputs)
    for value, reference in zip(found, wanted.values(), strict=False):
        assert np.abs(value - reference.numpy()).max() <= 1e-5 * reference.abs().max()
