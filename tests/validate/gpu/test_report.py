"""The report: what is in it, and how it reads."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from pitome.validate.bench.latency import Timing
from pitome.validate.gpu.environment import Environment, GpuState
from pitome.validate.gpu.markdown import render, share_of_engine
from pitome.validate.gpu.plans import BuiltEngine
from pitome.validate.gpu.records import EngineParity
from pitome.validate.gpu.report import (
    JSON_NAME,
    MARKDOWN_NAME,
    PARTS,
    GpuReport,
    KernelCheck,
    KernelTiming,
    ReportFile,
    anonymous,
    plain_json,
    read_report,
)
from pitome.validate.gpu.timing import BatchSpeed, CandidateTiming, Ratio
from pitome.validate.parity.records import Arithmetic, Cosine, Decisions, LayerDecisions
from tests.checkout import ROOT
from tests.gpu import recording

ENVIRONMENT = Environment(
    gpu="NVIDIA Test GPU",
    capability="sm89",
    multiprocessors=58,
    memory_gib=22.5,
    driver="580.82.09",
    pitome="0.1.0",
    torch="2.13.0+cu130",
    cuda="13.0",
    cudnn="91200",
    packages={"TensorRT": "11.4.0", "TensorRT-RTX": "not installed"},
    python="3.11.7",
    system="Linux 6.8 x86_64",
    cpu="A CPU",
)


def timing(milliseconds: float, batch: int = 8) -> Timing:
    return Timing(
        median_milliseconds=milliseconds,
        p95_milliseconds=1.1 * milliseconds,
        per_second=1e3 * batch / milliseconds,
    )


SPEED = BatchSpeed(
    batch=8,
    candidates=(
        CandidateTiming(
            name="plugin engine", how="CUDA graph", timing=timing(2.0), runs_per_sample=25, likeness=0.99871
        ),
        CandidateTiming(name="unmerged engine", how="CUDA graph", timing=timing(3.0), runs_per_sample=17),
    ),
    ratios=(
        Ratio(fast="plugin engine", slow="unmerged engine", ratio=1.5, interval=(1.48, 1.52), bound=1.77),
        Ratio(fast="unmerged engine", slow="PyTorch unmerged", ratio=2.0, interval=(1.9, 2.1)),
    ),
    rounds=51,
    warmup_rounds=9,
    state=GpuState(sm_clock=2040, largest_sm_clock=2520, temperature=61),
)


def decisions(runtime: str, agreed: int, unexplained: int) -> Decisions:
    layer = LayerDecisions(
        layer=0,
        tokens=197,
        merged=19,
        compared=16,
        agreed=agreed,
        excused=16 - agreed - unexplained,
        excused_by_jumps=16 - agreed - unexplained,
        unexplained=unexplained,
        tolerance=1e-6,
        similarity_tolerance=1e-6,
        smallest_margin=None,
        largest_excused_margin=0.0,
        free_running_agreement=1.0,
    )
    return Decisions(runtime=runtime, images=16, layers=(layer,))


def arithmetic(error: float) -> Arithmetic:
    return Arithmetic(
        output="image_embeds",
        precision="fp32",
        runtime="tensorrt plugin",
        images=16,
        error=error,
        torch_error=1e-6,
        limit=2e-6,
        scale=2.0,
        difference_to_torch=1e-7,
        passed=error <= 2e-6,
    )


def parity(error: float = 1e-6) -> EngineParity:
    return EngineParity(
        name="tensorrt plugin",
        verdict="pass" if error <= 2e-6 else "fail",
        reason="every decision agrees",
        images=16,
        decisions=decisions("tensorrt plugin fp32", 15, 0),
        reported_decisions=(decisions("tensorrt plugin fp16", 8, 8),),
        arithmetic=(arithmetic(error),),
        task=(
            Cosine(
                vector="image_embeds",
                model="tensorrt plugin fp32",
                against="merged",
                mean=0.999999,
                minimum=0.99999,
            ),
        ),
    )


ENGINE = BuiltEngine(
    name="plugin engine",
    file="tensorrt.plugin.fp16.plan",
    precision="fp16",
    backend="tensorrt",
    backend_version="11.4.0.106",
    merges=12,
    layers=412,
    megabytes=176.2,
    build_seconds=81.5,
)


def kernel_timing(**changes: Any) -> KernelTiming:
    values = {"model": "clip-b16", "metric": "hidden", "precision": "fp16", "batch": 8, "merges": 12}
    return KernelTiming(**{**values, "timing": timing(0.1), **changes})


@pytest.fixture
def file(tmp_path: Path) -> ReportFile:
    return ReportFile(tmp_path / "build", "clip-b16", ENVIRONMENT)


def markdown(file: ReportFile) -> str:
    return (file.folder / MARKDOWN_NAME).read_text(encoding="utf-8")


def json_block(text: str) -> str:
    """The JSON that closes the Markdown file."""
    assert text.count("```json\n") == 1
    block, end = text.split("```json\n")[1].split("\n```")
    assert end == "\n"
    return block


def test_a_report_of_nothing_lists_every_part(file: ReportFile) -> None:
    file.change()
    text = markdown(file)
    for title in PARTS.values():
        assert f"| {title} | not run | \N{EN DASH} |" in text
    assert text.startswith("# GPU report of pitome 0.1.0\n\nNVIDIA Test GPU, ")
    assert "| GPU | NVIDIA Test GPU, sm89, 58 SMs, 22.5 GiB |" in text
    assert "| TensorRT-RTX | not installed |" in text


def test_a_full_report(file: ReportFile) -> None:
    file.set_part("kernels", "passed", "677 of 677 cases passed")
    file.set_part("tensorrt_rtx-speed", "skipped", "TARGETS=sm90: TensorRT-RTX does not compile for sm90")
    file.extend(engines=ENGINE)
    file.extend(parity=parity())
    file.extend(kernel_timings=kernel_timing())
    file.change(kernels=KernelCheck(cases=677, passed=677, failed=()), speed={"tensorrt": (SPEED,)})
    file.leave_out("tensorrt, function engine", "the builder stopped")
    text = markdown(file)
    for line in (
        "| Merge kernels alone: every case of the operator's tables | passed | 677 of 677 cases passed |",
        "| TensorRT-RTX: speed | skipped | TARGETS=sm90: TensorRT-RTX does not compile for sm90 |",
        "- tensorrt, function engine: the builder stopped",
        "## Speed: TensorRT and PyTorch, fp16",
        "### Batch 8",
        "| plugin engine | 2.000 | 2.200 | 4,000 | CUDA graph | 25 | 0.99871 |",
        "| unmerged engine | 3.000 | 3.300 | 2,667 | CUDA graph | 17 | \N{EN DASH} |",
        "| plugin engine over unmerged engine | 1.50\N{MULTIPLICATION SIGN} | 1.480 to 1.520 | "
        "1.77\N{MULTIPLICATION SIGN} | 84.7% |",
        "| unmerged engine over PyTorch unmerged | 2.00\N{MULTIPLICATION SIGN} | 1.900 to 2.100 | "
        "\N{EN DASH} | \N{EN DASH} |",
        "51 rounds after 9 to warm up; right after it SM clock 2040 of at most 2520 MHz, "
        "61 \N{DEGREE SIGN}C.",
        "677 of 677 cases that ran passed.",
        "| clip-b16 | hidden | fp16 | 8 | 12 | 0.1000 | 5.0% |",
        "| tensorrt.plugin.fp16.plan | TensorRT 11.4.0.106 | fp16 | 12 | 412 | 176.2 | 81.5 |",
        "pass, 16 images: every decision agrees.",
        "| tensorrt plugin fp32 | 16 | 93.75 % | 1 | 1 | 0 | yes |",
        "| tensorrt plugin fp16 | 16 | 50.00 % | 0 | 0 | 8 | no, reported |",
        "| image_embeds, fp32 | 1.00e-06 | 1.00e-06 | 2.00e-06 | yes |",
        "| tensorrt plugin fp32: image_embeds | merged | 0.999999 | 0.999990 |",
    ):
        assert line in text
    assert read_report(file.folder / JSON_NAME) == file.report
    assert GpuReport.model_validate_json(json_block(text)) == file.report
    assert sorted(path.name for path in file.folder.iterdir()) == [JSON_NAME, MARKDOWN_NAME]


def test_failed_cases_are_named(file: ReportFile) -> None:
    file.change(kernels=KernelCheck(cases=3, passed=1, failed=("signs-N17", "padding-N50")))
    assert "1 of 3 cases that ran passed. Failed:\n\n- signs-N17\n- padding-N50\n" in markdown(file)


def test_a_long_reason_stays_out_of_the_table(file: ReportFile) -> None:
    file.set_part("tensorrt-plugin", "failed", "the builder stopped with\n  - one | two\n```json\n  - three")
    text = markdown(file)
    title = PARTS["tensorrt-plugin"]
    assert f"| {title} | failed | the builder stopped with |" in text
    assert (
        f"{title}:\n\n    the builder stopped with\n      - one | two\n    ```json\n      - three\n" in text
    )
    assert GpuReport.model_validate_json(json_block(text.replace("    ```json\n", ""))) == file.report


def test_a_bar_does_not_end_a_cell(file: ReportFile) -> None:
    file.set_part("kernels", "failed", "one | two")
    assert "| failed | one \\| two |" in markdown(file)


def test_every_change_is_on_disk_at_once(file: ReportFile) -> None:
    file.set_part("kernels", "passed")
    assert read_report(file.folder / JSON_NAME).parts["kernels"].status == "passed"
    file.set_part("kernels-speed", "failed", "no")
    assert read_report(file.folder / JSON_NAME).parts["kernels-speed"].reason == "no"
    assert not list(file.folder.glob("*.partial"))


def test_an_unknown_part(file: ReportFile) -> None:
    with pytest.raises(KeyError, match="kernel is no part of the report: kernels, "):
        file.set_part("kernel", "passed")


@pytest.mark.parametrize("error", [math.nan, math.inf])
def test_numbers_that_json_has_no_words_for(file: ReportFile, error: float) -> None:
    file.extend(parity=parity(error))
    text = (file.folder / JSON_NAME).read_text(encoding="utf-8")

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    json.loads(text, parse_constant=refuse)
    found = read_report(file.folder / JSON_NAME).parity[0].arithmetic[0].error
    assert str(found) == str(error)
    assert f"| image_embeds, fp32 | {error:.2e} |" in markdown(file)


def test_plain_json_changes_nothing_else() -> None:
    values = {"a": [1, 2.5, "x", None, True], "b": {"c": ()}}
    assert plain_json(values) == {"a": [1, 2.5, "x", None, True], "b": {"c": []}}


def test_reasons_do_not_tell_where_the_user_lives() -> None:
    project = ROOT
    text = f"\x1b[31mno {project}/build/a.plan, no {project}, no {Path.home()}/x\x1b[0m\n"
    assert anonymous(text) == "no build/a.plan, no ., no ~/x"


@pytest.mark.parametrize(
    "changes", [{"model": "clip-l14-336"}, {"metric": "keys"}, {"precision": "fp32"}, {"batch": 64}]
)
def test_a_share_is_only_of_the_same_merges(file: ReportFile, changes: dict[str, Any]) -> None:
    file.change(speed={"tensorrt": (SPEED,), "tensorrt_rtx": (SPEED,)})
    assert share_of_engine(file.report, kernel_timing()) == "5.0%"
    assert share_of_engine(file.report, kernel_timing(**changes)) == "\N{EN DASH}"


def test_the_same_report_reads_the_same(file: ReportFile) -> None:
    file.extend(parity=parity())
    text = (file.folder / JSON_NAME).read_text(encoding="utf-8")
    assert render(read_report(file.folder / JSON_NAME), PARTS, text) == markdown(file)


# How a test's outcome gets into the report.


@pytest.fixture
def recorded_file(file: ReportFile, monkeypatch: pytest.MonkeyPatch) -> ReportFile:
    """As on a machine with a GPU."""
    monkeypatch.setattr(recording, "report_file", lambda: file)
    monkeypatch.setattr(recording, "missing_gpu", lambda: "")
    return file


def test_outcomes_are_recorded(recorded_file: ReportFile) -> None:
    with recording.recorded("kernels-speed"):
        pass
    with pytest.raises(AssertionError), recording.recorded("tensorrt-speed"):
        raise AssertionError("too few candidates")
    with pytest.raises(pytest.skip.Exception), recording.recorded("tensorrt_rtx-speed"):
        pytest.skip("not for sm90")
    parts = recorded_file.report.parts
    assert parts["kernels-speed"].status == "passed"
    assert (parts["tensorrt-speed"].status, parts["tensorrt-speed"].reason) == (
        "failed",
        "AssertionError: too few candidates",
    )
    assert (parts["tensorrt_rtx-speed"].status, parts["tensorrt_rtx-speed"].reason) == (
        "skipped",
        "not for sm90",
    )


def test_a_missing_gpu_skips_with_its_reason(
    recorded_file: ReportFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "missing_gpu", lambda: "PyTorch finds no GPU")
    with pytest.raises(pytest.skip.Exception), recording.recorded("kernels-speed"):
        raise AssertionError("never reached")
    part = recorded_file.report.parts["kernels-speed"]
    assert (part.status, part.reason) == ("skipped", "PyTorch finds no GPU")
