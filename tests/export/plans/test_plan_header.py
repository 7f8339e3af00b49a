"""A plan is told from other files, and a whole one from a cut one, by its first bytes."""

from __future__ import annotations

import pytest

from pitome.errors import BackendError, InputError
from pitome.export.plans import build_plan, read_plan_version


@pytest.fixture
def plan(request_plan, linear_onnx):
    return build_plan(request_plan(linear_onnx())).plan


def test_the_version_is_that_of_the_library(plan):
    assert read_plan_version(plan) == pytest.importorskip("tensorrt_rtx").__version__


def test_a_plan_cut_short_is_refused(plan):
    whole = plan.read_bytes()
    for size in (len(whole) - 1, len(whole) // 2, 28):
        plan.write_bytes(whole[:size])
        with pytest.raises(BackendError, match=f"has {size} bytes and its header says {len(whole)}"):
            read_plan_version(plan)
    plan.write_bytes(whole[:27])
    with pytest.raises(BackendError, match="cut short: 27 bytes"):
        read_plan_version(plan)


@pytest.mark.parametrize("content", [b"", b"onnx", b"\x08\x0a" * 100])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "other.plan"
    path.write_bytes(content)
    with pytest.raises(BackendError, match="not a TensorRT plan"):
        read_plan_version(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.plan: it cannot be read \(No such file"):
        read_plan_version(tmp_path / "absent.plan")
