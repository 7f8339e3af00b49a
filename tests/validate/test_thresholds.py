"""Limits in a file, and the verdict under them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pitome.errors import InputError
from pitome.validate.parity.records import (
    Arithmetic,
    BatchComposition,
    Cosine,
    Decisions,
    GraphFinding,
    LayerArithmetic,
    LayerDecisions,
    MetricArithmetic,
    ParityReport,
)
from pitome.validate.thresholds import (
    PASSED,
    MinCosine,
    Thresholds,
    decisions_verdict,
    judge,
    judge_accuracy_drop,
)
from tests.checkout import ROOT

DEFAULTS = ROOT / "docs" / "thresholds.toml"
"""The file to start from."""


def load(folder: Path, text: str) -> Thresholds:
    path = folder / "limits.toml"
    path.write_text(text)
    return Thresholds.load(path)


def test_the_default_file_holds_the_defaults(tmp_path: Path) -> None:
    assert Thresholds.load(DEFAULTS) == Thresholds()
    assert load(tmp_path, "") == Thresholds()


def test_every_key_is_in_the_default_file(tmp_path: Path) -> None:
    """Also those that are commented out, with a value that can be used."""
    text = DEFAULTS.read_text()
    for key in (*Thresholds.model_fields, *MinCosine.model_fields):
        assert f"{key}" in text
    lines = [line.removeprefix("# ") if " = " in line else line for line in text.splitlines()]
    found = load(tmp_path, "\n".join(lines))
    assert found.max_accuracy_drop == {"r8": 0.5, "fashion-mnist": 0.5}
    assert found.min_cosine == MinCosine(fp32=0.99, fp16=0.98, bf16=0.95)
    assert None not in found.model_dump().values()


@pytest.mark.parametrize(
    ("text", "found", "remedy"),
    [
        (
            "max_unexplained = 3",
            "max_unexplained is not a key that is known; the keys are max_unexplained_decisions, max_share",
            "Did you mean max_unexplained_decisions",
        ),
        (
            "[min_cosine]\nfp8 = 0.9",
            "min_cosine.fp8 is not a key that is known; the keys are fp32, fp16, bf16",
            "Use one of these, or delete the line",
        ),
        (
            'rms_factor = "two"',
            "rms_factor = 'two' should be a valid number",
            "Correct it, or delete the line",
        ),
        ("rms_factor = true", "rms_factor = True should be a valid number", "Correct it"),
        ("max_unexplained_decisions = 1.5", "max_unexplained_decisions = 1.5 should be a valid integer", ""),
        ("rms_factor = 0.5", "rms_factor = 0.5 should be greater than or equal to 1", "Correct it"),
        ("rms_factor = nan", "rms_factor = nan should be a finite number", "Correct it"),
        (
            "min_top1_agreement = 98",
            "min_top1_agreement = 98 should be less than or equal to 1",
            "Correct it",
        ),
        ("[min_cosine]\nfp32 = 2", "min_cosine.fp32 = 2 should be less than or equal to 1", "Correct it"),
        ('[max_accuracy_drop]\nr8 = "much"', "max_accuracy_drop.r8 = 'much' should be a valid number", ""),
        (
            "max_unexplained_decisions = 1.0",
            "max_unexplained_decisions = 1.0 should be a valid int",
            "Correct",
        ),
        ("rms_factor = 2020-01-01", "rms_factor: no key takes a date or a time", "Correct it"),
        ("max_accuracy_drop = {r8 = 2020-01-01}", "max_accuracy_drop.r8: no key takes a date", "Correct it"),
        ("max_accuracy_drop = {r8 = nan}", "max_accuracy_drop.r8 = nan should be a finite", "Correct it"),
        (
            "max_accuracy_drop = {r8 = {a = 1}}",
            "max_accuracy_drop.r8 = {'a': 1} should be a valid",
            "Correct",
        ),
        ("rms_factor = 2.0\nrms_factor = 2.0", "it is not TOML: ", "Correct that line"),
        ("a = " + "[" * 5000, "it is not TOML: it nests too deeply", "Correct that line"),
        ("rms_factor = ", "it is not TOML: ", "Correct that line"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, text: str, found: str, remedy: str) -> None:
    with pytest.raises(InputError) as error:
        load(tmp_path, text)
    assert error.value.asked == f"the thresholds in {tmp_path / 'limits.toml'}"
    assert error.value.found.startswith(found)
    assert error.value.remedy.startswith(remedy)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"nowhere\.toml: the file can't be read \(No such file or directory\)"
    ):
        Thresholds.load(tmp_path / "nowhere.toml")


def layer(number: int, **changes: Any) -> LayerDecisions:
    values: dict[str, Any] = {
        "layer": number,
        "tokens": 30,
        "merged": 5,
        "compared": 8,
        "agreed": 8,
        "excused": 0,
        "unexplained": 0,
        "tolerance": 1e-7,
        "similarity_tolerance": 1e-7,
        "smallest_margin": 1e-5,
        "largest_excused_margin": 0.0,
        "free_running_agreement": 1.0,
    }
    return LayerDecisions(**values | changes)


def place(number: int, passed: bool = True) -> LayerArithmetic:
    return LayerArithmetic(
        precision="fp32",
        norm=f"layers.{number}.norm2",
        layer=number,
        between=(f"layers.{number}.attention.q", f"layers.{number}.attention.k"),
        error=1e-7 if passed else 1e-3,
        torch_error=1e-7,
        limit=3e-7,
        norm_error=1e-7,
        norm_torch_error=1e-7,
        norm_limit=3e-7,
        passed=passed,
    )


def arithmetic(**changes: Any) -> Arithmetic:
    values: dict[str, Any] = {
        "output": "logits",
        "precision": "fp32",
        "runtime": "onnxruntime",
        "images": 8,
        "error": 1e-6,
        "torch_error": 1e-6,
        "limit": 2e-6,
        "scale": 3.0,
        "difference_to_torch": 1e-6,
        "passed": True,
    }
    return Arithmetic(**values | changes)


def report(**changes: Any) -> ParityReport:
    values: dict[str, Any] = {
        "verdict": "pass",
        "reason": "",
        "decisions": Decisions(runtime="onnxruntime fp32", images=8, layers=(layer(0), layer(1))),
        "reported_decisions": (),
        "unchecked": (),
        "arithmetic": (arithmetic(),),
        "layers": (place(0), place(1)),
        "task": (
            Cosine(vector="logits", model="onnxruntime fp32", against="merged", mean=0.999, minimum=0.99),
            Cosine(vector="logits", model="PyTorch bf16", against="merged", mean=0.9, minimum=0.8),
        ),
        "top1_agreement": {"onnxruntime fp32 against merged": 0.9, "onnxruntime fp32 against unmerged": 0.1},
        "inputs": {"random": 4, "photos": 4},
        "threads": 1,
    }
    return ParityReport(**values | changes)


def wrong_in(*numbers: int) -> Decisions:
    layers = tuple(layer(n, agreed=6, unexplained=2) if n in numbers else layer(n) for n in range(3))
    return Decisions(runtime="onnxruntime fp32", images=8, layers=layers)


def test_what_meets_its_limits_passes() -> None:
    found = judge(report(), Thresholds())
    assert (found.verdict, found.reason, found.failures) == ("pass", PASSED, ())


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"min_cosine": MinCosine(fp32=0.9995)}, "logits of onnxruntime fp32 has a mean cosine of 0.99900"),
        ({"min_cosine": MinCosine(bf16=0.95)}, "logits of PyTorch bf16 has a mean cosine of 0.90000"),
        (
            {"min_top1_agreement": 0.95},
            "the best class is the same for 0.900 of the inputs (onnxruntime fp32",
        ),
    ],
)
def test_stricter_limits_fail(limits: dict[str, Any], reason: str) -> None:
    found = judge(report(), Thresholds(**limits))
    assert found.verdict == "fail"
    assert found.reason.startswith(reason)


def test_decisions_up_to_the_limit_pass() -> None:
    wrong = report(decisions=wrong_in(1))
    assert judge(wrong, Thresholds(max_unexplained_decisions=2)).verdict == "pass"
    failed = judge(wrong, Thresholds(max_unexplained_decisions=1))
    assert failed.reason == (
        "2 merge decisions differ from PyTorch's by more than rounding, the first of them in layer 1 "
        "(2 of 8 inputs)"
    )


def jumped(excused: int, **changes: Any) -> Decisions:
    """Of 16 decisions, ``excused`` by a jump alone."""
    wrong = changes.get("unexplained", 0)
    first = layer(0, agreed=8 - excused - wrong, excused=excused, excused_by_jumps=excused, **changes)
    return Decisions(runtime="onnxruntime fp32", images=8, layers=(first, layer(1)))


def test_too_many_decisions_excused_by_jumps_are_not_judged() -> None:
    """A share at the limit is allowed; above it nothing passes, and what is wrong still fails."""
    limits = Thresholds(max_share_excused_by_jumps=0.125)
    assert decisions_verdict(jumped(2), limits) == "pass"
    assert judge(report(decisions=jumped(2)), limits).verdict == "pass"
    found = judge(report(decisions=jumped(3)), limits)
    assert decisions_verdict(jumped(3), limits) == found.verdict == "not judged"
    assert found.failures == ()
    assert found.reason == (
        "the merge decisions are not judged: nothing but the jump of the energy at its margin excuses 3 of "
        "16, where a share of 0.125 is allowed"
    )
    wrong = jumped(3, unexplained=1)
    assert decisions_verdict(wrong, limits) == judge(report(decisions=wrong), limits).verdict == "fail"
    off = report(decisions=jumped(3), arithmetic=(arithmetic(passed=False),))
    assert judge(off, limits).verdict == "fail"
    assert judge(report(decisions=jumped(1)), Thresholds()).verdict == "not judged", "1 of 16 is over 0.05"
    assert judge(report(decisions=None), limits).verdict == "pass"


def test_free_running_agreement() -> None:
    decisions = Decisions(
        runtime="onnxruntime fp32", images=8, layers=(layer(0), layer(1, free_running_agreement=0.5))
    )
    assert judge(report(decisions=decisions), Thresholds()).verdict == "pass"
    failed = judge(report(decisions=decisions), Thresholds(min_free_running_agreement=0.75))
    assert failed.reason.startswith("0.500 of the inputs have PyTorch's groups in layer 1 where nothing is")


def metric(number: int, passed: bool, precision: str = "fp32") -> MetricArithmetic:
    error = 1e-7 if passed else 1e-3
    values = {"error": error, "torch_error": 1e-7, "limit": 3e-7}
    return MetricArithmetic(precision=precision, layer=number, passed=passed, **values)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_what_a_merge_decides_on_is_judged_in_every_precision(precision: str) -> None:
    """Though nothing else shows it: a decision of fp16 is reported only."""
    wrong = [metric(number, number != 1, precision) for number in range(3)]
    failed = judge(report(metrics=(metric(0, True), *wrong)), Thresholds())
    assert failed.verdict == "fail"
    assert failed.failures == (failed.reason,)
    assert failed.reason == (
        f"in {precision} the numbers that the merge in layer 1 decides on are off by 0.001 from float64 with "
        "the same decisions (root mean square), where 3e-07 is allowed (PyTorch's own error is 1e-07)"
    )
    more = judge(report(metrics=(*wrong, metric(4, False, precision))), Thresholds())
    assert more.reason == failed.reason + "; in layer 4 they are off too"


def test_a_metric_that_is_not_a_number() -> None:
    wrong = metric(0, False, "fp16").model_copy(update={"error": float("nan")})
    assert "decides on are off by nan from float64" in judge(report(metrics=(wrong,)), Thresholds()).reason


def batching(**changes: Any) -> BatchComposition:
    values: dict[str, Any] = {
        "runtime": "onnxruntime fp32",
        "texts": 8,
        "same_decisions": 7,
        "largest_difference": 1e-7,
        "excused": 1,
        "unexplained": 0,
    }
    return BatchComposition(**values | changes)


def test_neighbours_in_a_batch() -> None:
    """Named first: they spoil what else is measured in batches."""
    assert judge(report(batching=batching()), Thresholds()).verdict == "pass"
    nothing_same = batching(largest_difference=None, same_decisions=0, excused=8)
    assert judge(report(batching=nothing_same), Thresholds()).verdict == "pass"
    decided = judge(
        report(batching=batching(excused=0, unexplained=1, first_unexplained_layer=2), decisions=wrong_in(1)),
        Thresholds(),
    )
    assert decided.reason == (
        "1 of 8 texts merge other tokens in a batch than alone, by more than rounding, first in layer 2"
    )
    assert len(decided.failures) == 2
    far = report(batching=batching(largest_difference=1e-4))
    assert judge(far, Thresholds()).reason == (
        "a text's neighbours in a batch change its result by 0.0001 of the largest output with the same "
        "decisions, where 1e-05 is allowed"
    )
    assert judge(far, Thresholds(fp32_relative_limit=1e-3)).verdict == "pass"


def test_what_arises_first_is_the_reason() -> None:
    """Wrong numbers in front of a merge explain its decisions; behind it they do not."""
    layers = (place(0), place(1, False), place(2, False))
    before = judge(
        report(decisions=wrong_in(1), layers=layers, metrics=(metric(0, True), metric(1, False))),
        Thresholds(),
    )
    assert before.reason.startswith(
        "the arithmetic in fp32 first goes wrong in layer 1, behind layers.0.norm2 "
        "(layers.1.attention.q, k): in front of layers.1.norm2 it is off by 0.001 from float64"
    )
    assert before.failures[1].endswith(
        "which decides on numbers that are off by 0.001 (root mean square), where 3e-07 is allowed"
    )
    after = judge(
        report(decisions=wrong_in(1), layers=layers, metrics=(metric(0, True), metric(1, True))), Thresholds()
    )
    assert after.reason == (
        "2 merge decisions differ from PyTorch's by more than rounding, the first of them in layer 1 "
        "(2 of 8 inputs), which decides on the right numbers"
    )
    assert "goes wrong in layer 1" in after.failures[1]


def test_the_graph_explains_what_was_measured() -> None:
    cause = GraphFinding(kind="epsilon", layer=1, text="an epsilon is wrong", decides=True)
    hint = GraphFinding(kind="body", layer=None, text="the body is another one", decides=False)
    wrong = {"decisions": wrong_in(1)}
    assert judge(report(graph=(hint,)), Thresholds()).verdict == "pass"
    assert judge(report(graph=(hint,), **wrong), Thresholds()).reason.endswith(
        "(2 of 8 inputs) (the body is another one)"
    )
    assert judge(report(graph=(cause,), **wrong), Thresholds()).reason.startswith(
        "an epsilon is wrong; measured: 2 merge decisions differ"
    )
    unseen = judge(report(graph=(cause,)), Thresholds())
    assert unseen.verdict == "fail"
    assert unseen.reason == "an epsilon is wrong; nothing that was measured shows it"


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"error": 1e-3}, "is off by 0.001 from float64 with the same decisions, where 2e-06 is allowed"),
        ({"rms_error": 1e-3, "rms_limit": 1e-6}, "is off by 0.001 (root mean square) from float64"),
        ({"difference_to_torch": 0.5}, "is off by more than is allowed from PyTorch"),
        ({"error": float("nan")}, "is off by nan from float64"),
    ],
)
def test_the_arithmetic_says_which_rule_it_breaks(changes: dict[str, Any], part: str) -> None:
    found = judge(report(arithmetic=(arithmetic(passed=False, **changes),)), Thresholds())
    assert found.verdict == "fail"
    assert part in found.reason


def test_a_drop_without_a_limit_is_not_judged() -> None:
    limits = Thresholds(max_accuracy_drop={"r8": 0.5})
    assert judge_accuracy_drop("r8", 0.5, limits).verdict == "pass"
    free = judge_accuracy_drop("20newsgroups", 9.0, limits)
    assert (free.verdict, free.reason) == (
        "not judged",
        "20newsgroups loses 9.00 points, and has no limit",
    )
    assert judge_accuracy_drop("r8", 0.75, limits).reason == "r8 loses 0.75 points, where 0.5 are allowed"
    assert judge_accuracy_drop("r8", float("nan"), limits).verdict == "fail"


def test_a_limit_of_the_speed_up_is_the_users_where_the_file_has_it() -> None:
    assert not Thresholds().sets_speedup
    assert Thresholds.model_validate({"min_speedup": 1.0}).sets_speedup
    assert not Thresholds.model_validate({"min_speedup": 0.0}).sets_speedup
