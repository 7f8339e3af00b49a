"""Real plans from TensorRT-RTX, and every way in which one does not come about."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from pitome.errors import BackendError, InputError
from pitome.export.plans import PlanRequest, build_plan, read_plan_version
from tests.checkout import ROOT
from tests.export.plans.plugin_files import BUILT_PLUGIN, built
from tests.merge_parameters import merge_parameters
from tests.operator_model import operator_model

pytest.importorskip("tensorrt_rtx")


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def builder_pids(parent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def test_merged_model_for_four_targets(request_plan, merged_onnx):
    events: list[tuple[str, int, int]] = []
    request = request_plan(merged_onnx, targets=("sm80", "sm86", "sm89", "sm120"), num_merges=2)
    result = build_plan(request, lambda *event: events.append(event))

    content = result.plan.read_bytes()
    assert files(result.plan.parent) == ["test.plan"]
    assert (result.bytes, result.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert result.backend_version == read_plan_version(result.plan)
    assert result.targets == ("sm80", "sm86", "sm89", "sm120")
    assert (result.profile, result.num_merges, result.merge_path) == ((1, 2, 4), 2, "function")
    assert result.num_layers > 10
    assert result.build_seconds > 0

    assert events[0] == ("Parsing the ONNX file", 0, 1)
    assert events[-1] == ("Writing the plan", 1, 1)
    assert all(0 <= done <= total for _, done, total in events)
    ended = {phase for phase, done, total in events if done == total}
    assert ended == {phase for phase, _, _ in events}


@pytest.mark.parametrize("dtype", [TensorProto.FLOAT16, TensorProto.BFLOAT16])
def test_precisions_without_merges(request_plan, linear_onnx, dtype):
    precision = {TensorProto.FLOAT16: "fp16", TensorProto.BFLOAT16: "bf16"}[dtype]
    assert build_plan(request_plan(linear_onnx(dtype=dtype), precision=precision)).merge_path == "none"


def test_half_precision_builds_for_sm75(request_plan, linear_onnx):
    request = request_plan(linear_onnx(dtype=TensorProto.FLOAT16), targets=("sm75",), precision="fp16")
    assert build_plan(request).targets == ("sm75",)


def test_external_data_is_found_from_another_folder(request_plan, linear_onnx, tmp_path, monkeypatch):
    path = linear_onnx(width=256, external_data=True)
    assert path.stat().st_size < 1000
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert build_plan(request_plan(path)).bytes > 256 * 256 * 4


@pytest.mark.full
@pytest.mark.parametrize("embed_plugin", [False, True])
def test_merges_by_the_plugin_for_five_targets(
    request_plan: Callable[..., PlanRequest], tmp_path: Path, embed_plugin: bool
) -> None:
    """With the library for GPUs, which needs nvcc; test_worker.py has the build for the CPU."""
    file, library = tmp_path / "merge.onnx", built(BUILT_PLUGIN)
    onnx.save(operator_model(merge_parameters(3, 8), 12, 6, 4, "float16"), str(file))
    request = request_plan(
        file,
        targets=("sm75", "sm80", "sm86", "sm89", "sm120"),
        precision="fp16",
        num_merges=1,
        merge_path="plugin",
        plugin=library,
        embed_plugin=embed_plugin,
    )
    result = build_plan(request)
    assert (result.merge_path, result.num_merges, result.num_layers) == ("plugin", 1, 1)
    assert (result.targets, result.plugin_embedded) == (request.targets, embed_plugin)
    assert (result.bytes > library.stat().st_size) is embed_plugin
    assert files(request.plan.parent) == ["test.plan"]


def test_an_old_plan_is_replaced(request_plan, linear_onnx):
    request = request_plan(linear_onnx())
    request.plan.write_bytes(b"old")
    assert request.plan.stat().st_size != build_plan(request).bytes == request.plan.stat().st_size


# Refusals: one readable error, and nothing written.


@pytest.mark.parametrize("num_merges", [0, 1, 3])
def test_merges_that_do_not_go_the_way_asked_for(request_plan, merged_onnx, num_merges):
    request = request_plan(merged_onnx, num_merges=num_merges)
    with pytest.raises(
        BackendError, match=rf"{num_merges} EnergyMerge nodes .* took 2 by the function's body"
    ):
        build_plan(request)
    assert files(request.plan.parent) == []


def test_every_refused_node_is_named(request_plan, merged_without_body_onnx):
    request = request_plan(merged_without_body_onnx, num_merges=2)
    with pytest.raises(BackendError) as error:
        build_plan(request)
    assert "node 0 'merge_0' (EnergyMerge): TensorRT-RTX does not know this operator" in str(error.value)
    assert "node 2 'merge_1' (EnergyMerge)" in str(error.value)
    assert files(request.plan.parent) == []


def test_an_unsupported_operator_is_named_and_an_old_plan_stays(request_plan, unsupported_onnx):
    request = request_plan(unsupported_onnx)
    request.plan.write_bytes(b"old")
    with pytest.raises(BackendError, match=r"node 1 'offender' \(NoSuchOperator\)"):
        build_plan(request)
    assert (files(request.plan.parent), request.plan.read_bytes()) == (["test.plan"], b"old")


def test_the_builders_own_error_is_shown(request_plan, linear_onnx):
    # Passes the check, which believes the precision it is told.
    request = request_plan(linear_onnx(), targets=("sm75",), precision="fp16")
    with pytest.raises(BackendError, match=r"Cannot compile operation 'linear' for Turing"):
        build_plan(request)
    assert files(request.plan.parent) == []


def test_a_file_that_is_not_onnx(request_plan, tmp_path):
    path = tmp_path / "garbage.onnx"
    path.write_bytes(b"garbage" * 100)
    with pytest.raises(BackendError, match=r"(?s)Failed to parse the ONNX model.*export them again"):
        build_plan(request_plan(path))


def test_missing_external_data(request_plan, linear_onnx):
    path = linear_onnx(external_data=True)
    path.with_name("linear.data").unlink()
    with pytest.raises(BackendError, match=r"linear\.data"):
        build_plan(request_plan(path))


def test_a_dynamic_token_count(request_plan, linear_onnx):
    with pytest.raises(InputError, match=r"input 'x' has the shape \(-1, -1, 8\), and only the batch"):
        build_plan(request_plan(linear_onnx("batch", "tokens", 8)))


def test_a_static_batch_takes_no_range(request_plan, linear_onnx):
    path = linear_onnx(4, 8)
    with pytest.raises(InputError, match=r"no input of linear\.onnx has a dynamic batch"):
        build_plan(request_plan(path))
    assert build_plan(request_plan(path, profile=(4, 4, 4))).bytes > 0


def test_missing_files(request_plan, linear_onnx, tmp_path):
    with pytest.raises(InputError, match=r"absent\.onnx: there is no such file"):
        build_plan(request_plan())
    with pytest.raises(InputError, match=r"the folder .*nowhere does not exist"):
        build_plan(request_plan(linear_onnx(), plan=tmp_path / "nowhere" / "test.plan"))


def test_a_file_of_another_version_of_the_operator(request_plan, merged_onnx):
    """Its attributes mean something else: the plan would be built, and decide in another way."""
    model = onnx.load(merged_onnx)
    for opset in (*model.opset_import, *(used for body in model.functions for used in body.opset_import)):
        if opset.domain == "pitome":
            opset.version = 1
    onnx.save(model, merged_onnx)
    request = request_plan(merged_onnx, num_merges=2)
    with pytest.raises(InputError) as error:
        build_plan(request)
    assert str(error.value) == (
        f"reading {merged_onnx}: its merges are of version 1 of the operator pitome::EnergyMerge, and this "
        "is version 2, whose attributes mean something else. Build the bundle again with this version"
    )
    assert files(request.plan.parent) == []


# Ends in mid-build.


@contextmanager
def largest_file(num_bytes: int):
    """A full disk, without root: the builder process inherits the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_nothing_and_the_next_build_works(request_plan, linear_onnx):
    request = request_plan(linear_onnx(width=512))
    with (
        largest_file(500_000),
        pytest.raises(BackendError, match=r"writing .*test\.plan \(1\.\d MB\): File too"),
    ):
        build_plan(request)
    assert files(request.plan.parent) == []
    assert build_plan(request).bytes == request.plan.stat().st_size


@pytest.mark.parametrize("ending", [signal.SIGABRT, signal.SIGKILL, signal.SIGSEGV])
def test_a_builder_that_dies_becomes_an_error(request_plan, long_onnx, ending):
    request = request_plan(long_onnx)

    def kill(phase: str, done: int, total: int) -> None:
        for pid in builder_pids(os.getpid()) if phase == "Building engine" else []:
            # As if it died while writing.
            request.plan.with_name(f".{request.plan.name}.{os.getpid()}.partial").write_bytes(b"half")
            os.kill(pid, ending)

    with pytest.raises(BackendError, match=f"the builder process was ended by {ending.name}"):
        build_plan(request, kill)
    assert files(request.plan.parent) == []


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ValueError])
def test_an_interrupted_asker_stops_the_builder(request_plan, long_onnx, interruption):
    request = request_plan(long_onnx)

    def interrupt(phase: str, done: int, total: int) -> None:
        if phase == "Building engine":
            raise interruption

    with pytest.raises(interruption):
        build_plan(request, interrupt)
    assert (files(request.plan.parent), builder_pids(os.getpid())) == ([], [])


def test_a_killed_asker_stops_the_builder(request_plan, long_onnx):
    request = request_plan(long_onnx)
    asker = f"""
        import sys, time
        from pathlib import Path
        from pitome.export.plans import PlanRequest, build_plan

        def wait(phase, done, total):
            if phase == "Building engine":
                print("building", flush=True)
                time.sleep(600)

        build_plan(PlanRequest(Path({str(request.onnx)!r}), Path({str(request.plan)!r}), "tensorrt_rtx",
                               ("sm89",), (1, 2, 4), "fp32", 0), wait)
    """
    root = ROOT
    command = [sys.executable, "-c", textwrap.dedent(asker)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "building\n"
        (builder,) = builder_pids(process.pid)
        process.kill()
    deadline = time.monotonic() + 240  # a busy machine; it takes a moment on an idle one
    while is_running(builder):
        assert time.monotonic() < deadline, "the builder outlives its asker"
        time.sleep(0.05)
    assert files(request.plan.parent) == []


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


@pytest.mark.gpu
def test_a_plan_runs_like_onnxruntime(request_plan, merged_onnx, monkeypatch):
    monkeypatch.setenv("POLYGRAPHY_USE_TENSORRT_RTX", "1")
    import onnxruntime
    from polygraphy.backend.common import BytesFromPath
    from polygraphy.backend.trt import EngineFromBytes, TrtRunner

    result = build_plan(request_plan(merged_onnx, targets=("sm80", "sm86", "sm89", "sm120"), num_merges=2))
    generator = np.random.default_rng(0)
    feed = {
        "x": generator.standard_normal((3, 8, 16), dtype=np.float32),
        "size": np.ones((3, 8, 1), np.float32),
    }
    (expected,) = onnxruntime.InferenceSession(merged_onnx).run(["y"], feed)
    with TrtRunner(EngineFromBytes(BytesFromPath(str(result.plan)))) as runner:
        np.testing.assert_allclose(np.asarray(runner.infer(feed)["y"]), expected, rtol=1e-6, atol=1e-6)
