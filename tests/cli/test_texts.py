"""Texts from a folder to a bundle and its validation: a sentence-transformers model, and a cross-encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pitome.bundle import verify_bundle
from pitome.runtime.onnxruntime import OnnxRuntime
from tests.cli.command_line import QUICK, QUICK_PLAN, pitome
from tests.pitome.models.sentence_checkpoint import MEAN, dense, write_sentence_checkpoint
from tests.tiny_models import tiny_text_model
from tests.validate.text_checkpoint import write_tokenizer

pytestmark = pytest.mark.full


def test_a_sentence_transformers_folder(tmp_path: Path) -> None:
    folder = write_sentence_checkpoint(tmp_path / "st", MEAN, (dense(32, 16), None), inner="0_Transformer")
    built = pitome("engine", folder, "--out", tmp_path / "out", *QUICK, *QUICK_PLAN)
    assert built.code == 0, built.err
    manifest = verify_bundle(tmp_path / "out" / "st")
    record = manifest.model.sentence
    assert record is not None
    assert (manifest.model.task, manifest.model.normalised, record.dimension) == ("text-embedding", True, 16)
    assert [(each.mode, each.merged) for each in record.pooling] == [("mean", "weighted by size")]
    assert [step.kind for step in record.steps] == ["dense", "normalise"]
    (graph,) = manifest.graphs
    assert [value.name for value in graph.outputs] == ["sentence_embedding", "last_hidden_state"]
    assert manifest.parity is not None
    assert {cosine.vector for cosine in manifest.parity.task} == {"sentence_embedding"}
    assert "sentence_embedding" in {each.output for each in manifest.parity.arithmetic}
    validated = pitome("validate", tmp_path / "out" / "st", "--task", "none")
    assert validated.code == 0, validated.err


def test_a_cross_encoder(tmp_path: Path) -> None:
    tiny_text_model("BertForSequenceClassification", num_labels=1).save_pretrained(tmp_path / "cross")
    write_tokenizer(tmp_path / "cross")
    built = pitome("engine", tmp_path / "cross", "--out", tmp_path / "out", *QUICK, *QUICK_PLAN)
    assert built.code == 0, built.err
    bundle = tmp_path / "out" / "cross"
    manifest = verify_bundle(bundle)
    described = {value.name: (value.optional, value.below) for value in manifest.graphs[0].inputs}
    assert described == {
        "input_ids": (False, 50),
        "attention_mask": (False, 2),
        "token_type_ids": (True, 2),
    }
    assert manifest.parity is not None
    assert manifest.parity.inputs == {"random": 4, "sentences": 24, "pairs": 6}
    assert manifest.parity.task == ()
    assert {each.measure for each in manifest.parity.agreement} == {"relative error", "correlation"}
    ids = np.ones((1, 40), np.int64)
    runtime = OnnxRuntime(bundle / "model.onnx")
    without = runtime.run({"input_ids": ids, "attention_mask": ids}).outputs["logits"]
    zeros = runtime.run(
        {"input_ids": ids, "attention_mask": ids, "token_type_ids": np.zeros_like(ids)}
    ).outputs["logits"]
    np.testing.assert_array_equal(without, zeros)
    limits = tmp_path / "limits.toml"
    limits.write_text("min_correlation = 0.9\nmin_top1_agreement = 0.5\nmin_speedup = 0.0\n")
    validated = pitome("validate", bundle, "--task", "none", "--thresholds", limits)
    assert validated.code == 1
    assert "the agreement of best classes has a limit and was not measured" in " ".join(validated.out.split())
