"""A text's neighbours in a batch: noise is let pass, and a graph whose results depend on them fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from pitome.bundle.manifest import Manifest
from pitome.validate.checked_inputs import random_texts
from pitome.validate.parity.batch_composition import NUM_TEXTS, chosen_texts, compare_batching
from pitome.validate.parity.passes import merging_layers
from pitome.validate.parity.records import BatchComposition, ParityReport
from pitome.validate.parity.rounding import Rounding
from pitome.validate.parity.targets import GraphTarget
from pitome.validate.report.summary import SummaryRow, summary_rows
from pitome.validate.samples import CheckedInputs, Samples
from tests.pitome.bundle.bundle_cases import document
from tests.tiny_models import SEQUENCE_LENGTH, VOCABULARY, tiny_text_model, tiny_texts
from tests.validate.parity.planted_cases import Change, Exported, nodes_of, nothing

LENGTHS = (2, 3, 5, 8, 12, 16, 21, 27, 33, 40)
INPUTS = CheckedInputs(random_texts(3, SEQUENCE_LENGTH, VOCABULARY, seed=1), Samples(tiny_texts(LENGTHS)))
TEXTS = chosen_texts(INPUTS)
FIRST, LAST = 0, -1


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("batching")
    return Exported.make(tiny_text_model("BertModel"), "last_hidden_state", folder, "fp32")


def mix_batch(norm: int, share: float) -> Change:
    """Behind a layer norm, every text becomes a little of the batch's mean; alone nothing changes."""

    def change(model: onnx.ModelProto) -> None:
        node = nodes_of(model, "LayerNormalization")[norm]
        (name,) = node.output
        node.output[0] = "own"
        constants = {"first_axis": np.array([0]), "share": np.array(share, np.float32)}
        model.graph.initializer.extend(numpy_helper.from_array(*pair[::-1]) for pair in constants.items())
        made = [
            onnx.helper.make_node("ReduceMean", ["own", "first_axis"], ["mean"], keepdims=1),
            onnx.helper.make_node("Sub", ["mean", "own"], ["away"]),
            onnx.helper.make_node("Mul", ["away", "share"], ["a_little"]),
            onnx.helper.make_node("Add", ["own", "a_little"], [name]),
        ]
        place = list(model.graph.node).index(node) + 1
        for each in reversed(made):
            model.graph.node.insert(place, each)

    return change


def compare(bert: Exported, path: Path, tolerance: float) -> BatchComposition:
    layers = merging_layers(bert.merged)
    rounding = {layer: Rounding(tolerance, tolerance, tolerance) for layer in layers}
    return compare_batching(GraphTarget(path, threads=1), bert.merged, TEXTS, layers, rounding)


def test_an_honest_graph_passes(bert: Exported, tmp_path: Path) -> None:
    report = bert.check(nothing, tmp_path, INPUTS)
    assert report.verdict == "pass", report.failures
    found = report.batching
    assert found is not None
    assert (found.runtime, found.texts, found.unexplained) == ("onnxruntime fp32", NUM_TEXTS, 0)
    assert found.same_decisions + found.excused == NUM_TEXTS
    assert found.largest_difference is not None
    assert 0 <= found.largest_difference < 1e-6


def test_decisions_that_depend_on_neighbours_fail(bert: Exported, tmp_path: Path) -> None:
    report = bert.check(mix_batch(FIRST, 0.2), tmp_path, INPUTS)
    found = report.batching
    assert found is not None
    assert 0 < found.unexplained <= NUM_TEXTS
    assert report.verdict == "fail"
    assert report.reason == (
        f"{found.unexplained} of 8 texts merge other tokens in a batch than alone, by more than rounding, "
        f"first in layer {found.first_unexplained_layer}"
    )
    assert all(record.passed for record in report.layers), "a text by itself is right"


def test_numbers_that_depend_on_neighbours_fail(bert: Exported, tmp_path: Path) -> None:
    """Behind every decision, and so little that each output is nearly right."""
    report = bert.check(mix_batch(LAST, 1e-4), tmp_path, INPUTS)
    found = report.batching
    assert found is not None
    assert (found.same_decisions, found.excused, found.unexplained) == (NUM_TEXTS, 0, 0)
    assert found.largest_difference is not None
    assert 1e-5 < found.largest_difference < 1e-3
    assert report.verdict == "fail"
    assert report.reason == (
        f"a text's neighbours in a batch change its result by {found.largest_difference:.3g} of the largest "
        "output with the same decisions, where 1e-05 is allowed"
    )


def test_what_is_within_rounding_is_excused(bert: Exported, tmp_path: Path) -> None:
    """The same graph, judged with the rounding of float32 and of a much coarser arithmetic."""
    path = bert.plant(mix_batch(FIRST, 0.01), tmp_path)
    fine, coarse = compare(bert, path, 1e-7), compare(bert, path, 0.1)
    assert fine.unexplained > 0
    assert fine.first_unexplained_layer in merging_layers(bert.merged)
    assert coarse.unexplained == 0
    assert coarse.excused == NUM_TEXTS - coarse.same_decisions == fine.excused + fine.unexplained
    assert 1e-7 < coarse.largest_excused_margin <= 0.2
    assert coarse.first_unexplained_layer is None


def test_what_is_not_a_number_is_not_lost(bert: Exported, tmp_path: Path) -> None:
    report = bert.check(mix_batch(LAST, float("nan")), tmp_path, INPUTS)
    assert report.batching is not None
    assert report.batching.largest_difference == float("inf")
    assert report.verdict == "fail"


def test_the_texts_are_spread_over_the_real_ones() -> None:
    lengths = TEXTS.inputs["attention_mask"].sum(dim=1).tolist()
    assert lengths == [2, 3, 5, 8, 16, 21, 27, 40]
    made_up = CheckedInputs(INPUTS.random, INPUTS.real.rows([]))
    assert torch.equal(chosen_texts(made_up).inputs["input_ids"], INPUTS.random.inputs["input_ids"])
    assert len(chosen_texts(CheckedInputs(INPUTS.random.rows([0]), INPUTS.real.rows([])))) == 1


def test_old_records_have_nothing_of_it(bert: Exported, tmp_path: Path) -> None:
    report: dict[str, Any] = bert.check(nothing, tmp_path, INPUTS).model_dump(mode="json")
    assert ParityReport.model_validate(report).batching is not None
    del report["batching"]
    assert ParityReport.model_validate(report).batching is None
    sample = document()["parity"]  # the report is of another model than the sample manifest
    del sample["batching"]
    assert batching_rows(sample) == []


def batching_rows(parity: dict[str, Any]) -> list[SummaryRow]:
    rows = summary_rows(Manifest.model_validate({**document(), "parity": parity, "latency": None}))
    return [row for row in rows if row.label == "Batch composition"]


@pytest.mark.parametrize(
    ("changes", "value", "tone"),
    [
        ({}, "results differ by 2.5e-07 of the largest output at most", "plain"),
        (
            {"same_decisions": 7, "excused": 1},
            "results differ by 2.5e-07 of the largest output at most, 1 of 8 in a decision within rounding",
            "plain",
        ),
        (
            {"same_decisions": 0, "largest_difference": None, "excused": 5, "unexplained": 3},
            "none with the same decisions, 5 of 8 in a decision within rounding, 3 of 8 in a decision "
            "without an excuse",
            "bad",
        ),
    ],
)
def test_the_summary_tells_it(changes: dict[str, Any], value: str, tone: str) -> None:
    found = BatchComposition(
        **{
            "runtime": "onnxruntime fp32",
            "texts": 8,
            "same_decisions": 8,
            "largest_difference": 2.5e-7,
            "excused": 0,
            "unexplained": 0,
            **changes,
        }
    )
    (row,) = batching_rows({**document()["parity"], "batching": found.model_dump(mode="json")})
    assert (row.value, row.tone) == (f"8 texts in a batch and alone: {value}", tone)
