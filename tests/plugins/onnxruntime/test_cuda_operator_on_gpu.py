"""The operator for onnxruntime's CUDA provider on a real GPU. No GPU has run these tests yet."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import onnxruntime
import pytest
import torch

from pitome.runtime.devices import DEVICES
from pitome.runtime.native import OPERATOR, count_native_merges
from tests.merge_contract import held_to_the_contract
from tests.operator_cases import LARGE_CASES, OperatorCase, make_inputs
from tests.pitome.test_merge import by_name
from tests.plugins.kernel_runs import INPUTS, MANY_INPUTS, Inputs, assert_same_bits
from tests.plugins.onnxruntime.cuda_library import CUDA_LIBRARY
from tests.plugins.onnxruntime.one_merge import model_of, open_model, run
from tests.plugins.onnxruntime.test_cuda_operator import SOME

pytestmark = pytest.mark.gpu

PROVIDERS = [provider.name for provider in DEVICES[1].providers]


@pytest.fixture(autouse=True)
def _gpu() -> None:
    there = onnxruntime.get_available_providers()
    if PROVIDERS[0] not in there:
        pytest.skip(f"onnxruntime {onnxruntime.__version__} here has {', '.join(there)}, not {PROVIDERS[0]}")
    if not CUDA_LIBRARY.is_file():
        pytest.skip(f"{CUDA_LIBRARY} is missing. Run `make native-cuda`")


def session_of(inputs: Inputs) -> onnxruntime.InferenceSession:
    x, metric, _, parameters = inputs
    session = open_model(model_of(parameters, x, metric), library=CUDA_LIBRARY, providers=PROVIDERS)
    assert session.get_providers()[0] == PROVIDERS[0], "the provider found no GPU"
    if count_native_merges(session) is not None:  # onnxruntime tells who runs what
        parts = session.get_provider_graph_assignment_info()
        runners = [
            part.ep_name
            for part in parts
            for node in part.get_nodes()
            if (node.domain, node.op_type) == OPERATOR
        ]
        assert runners == [PROVIDERS[0]]
    return session


@pytest.mark.parametrize(("case", "dtype"), [*SOME.values(), *LARGE_CASES], ids=by_name)
def test_it_merges_like_the_reference(case: OperatorCase, dtype: torch.dtype) -> None:
    tensors = make_inputs(case, dtype)
    session = session_of((*tensors, case.parameters))
    held_to_the_contract((case, dtype), run(session, *tensors))


@pytest.mark.parametrize("inputs", [INPUTS, MANY_INPUTS], ids=["few", "many"])
def test_several_sessions_and_threads_at_once(inputs: Inputs) -> None:
    """Each run has a stream and a workspace of its own."""
    *tensors, _ = inputs
    sessions = [session_of(inputs) for _ in range(2)]
    expected = run(sessions[0], *tensors)
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(lambda index: run(sessions[index % 2], *tensors), range(40)):
            assert_same_bits(result, expected)
