"""The copy of a graph that also returns its merges' decisions."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch

from pitome.export.debug_graph import write_debug_graph
from pitome.observe import observe_merges
from tests.export.conftest import Export
from tests.export.tiny_models import make_images


def test_one_assignment_for_each_merge_in_order(exported: Export) -> None:
    clip = exported("clip")
    graph = clip.graph.graph
    written = [node.output[2] for node in graph.node if node.op_type == "EnergyMerge"]
    assert list(clip.assignments) == written
    assert len(written) == clip.file.num_merges == 3

    images = make_images(2)
    _, assignments = clip.run(images)
    tokens = clip.tokens
    assert [assignment.dtype for assignment in assignments] == [torch.int32] * 3
    assert [tuple(assignment.shape) for assignment in assignments] == [(2, count) for count in tokens[:-1]]
    assert [int(assignment.max()) + 1 for assignment in assignments] == list(tokens[1:])
    with torch.no_grad(), observe_merges() as observer:
        clip.model(images)
    assert torch.equal(assignments[0], observer.records[0].decided)


def test_nothing_but_the_outputs_changes(exported: Export) -> None:
    clip = exported("clip")
    plain, debug = clip.graph, onnx.load(str(clip.debug))
    shown = list(debug.graph.output)[len(plain.graph.output) :]
    assert [value.name for value in shown] == list(clip.assignments)
    # What a graph says of a value stands with its outputs, or else with the values inside.
    inside = {value.name: value for value in plain.graph.value_info}
    for value in shown:
        assert inside[value.name] == value
        plain.graph.value_info.remove(value)
    del debug.graph.output[len(plain.graph.output) :]
    assert debug.SerializeToString(deterministic=True) == plain.SerializeToString(deterministic=True)


def test_a_graph_without_merges_gets_no_outputs(exported: Export) -> None:
    unmerged = exported("clip", ratio=None)
    assert unmerged.assignments == ()
    assert onnx.load(str(unmerged.debug)) == unmerged.graph


def test_it_is_a_whole_model(exported: Export, tmp_path: Path) -> None:
    """A second debug graph can be made of the first, and the checker takes it."""
    clip = exported("clip")
    onnx.checker.check_model(str(clip.debug), full_check=True)
    again = tmp_path / "again.onnx"
    assert write_debug_graph(clip.file.path, again) == clip.assignments
    assert again.read_bytes() == clip.debug.read_bytes()
