"""Work in a process of its own: whatever becomes of it ends in an answer or one error."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitome.errors import BackendError
from pitome.validate.gpu.environment import missing_gpu
from pitome.validate.gpu.requests import (
    REQUEST,
    CheckRequest,
    EngineFile,
    MeasureRequest,
    Request,
    RunRequest,
)
from pitome.validate.gpu.session import run_session

FILE = EngineFile(name="plugin engine", plan=Path("a.plan"), plugin=Path("plugin.so"))
REQUESTS: list[Request] = [
    CheckRequest(
        name="tensorrt plugin",
        backend="tensorrt",
        engines={"fp32": FILE},
        decisions={"fp32": ("first", "second")},
    ),
    MeasureRequest(backend="tensorrt", precision="fp16", engines=(FILE,), batches=(1, 8)),
    RunRequest(backend="tensorrt", engine=FILE, inputs=Path("in"), outputs=Path("out")),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request_: request_.work)
def test_requests_cross_to_the_process(request_: Request) -> None:
    assert REQUEST.validate_json(request_.model_dump_json()) == request_


@pytest.mark.skipif(not missing_gpu(), reason="this machine has a GPU")
@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request_: request_.work)
def test_no_gpu_is_an_error_with_its_remedy(request_: Request) -> None:
    with pytest.raises(BackendError) as caught:
        run_session(request_)
    assert caught.value.asked == f"the work '{request_.work}' on a GPU"
    assert missing_gpu() == f"{caught.value.found}. {caught.value.remedy}"


def test_a_crash_shows_the_end_of_the_log() -> None:
    broken = MeasureRequest.model_construct(
        work="dance",  # type: ignore[arg-type]
        backend="tensorrt",
        precision="fp16",
        engines=(),
        batches=(),
    )
    with pytest.raises(BackendError) as caught:
        run_session(broken)
    assert "the work 'dance' with tensorrt on the GPU: the process ended with exit code 1" in str(
        caught.value
    )
    assert "the end of its log:\n  | " in str(caught.value)
    assert any("| pydantic_core._pydantic_core.ValidationError" in line for line in caught.value.lines)


def test_work_that_does_not_end() -> None:
    with pytest.raises(
        BackendError, match=r"it was not done in 0\.01 s; it wrote no log\. Report this as a bug"
    ):
        run_session(REQUESTS[1], seconds=0.01)
