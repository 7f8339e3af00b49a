"""The table of devices, and that onnxruntime never falls back from one without a word."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest

from pitome.errors import BackendError, InputError
from pitome.runtime import CPU, DEVICES, Device, Provider, check_device, installed_device, parse_device
from pitome.runtime.onnxruntime import OnnxRuntime, open_session, placement
from tests.validate.bench.chains import chain


def test_names_and_the_order_of_their_providers() -> None:
    assert [parse_device(device.name) for device in DEVICES] == list(DEVICES)
    assert [provider.name for provider in parse_device("tensorrt").providers] == [
        "TensorrtExecutionProvider",
        "CUDAExecutionProvider",
        "CPUExecutionProvider",
    ]
    assert all(device.providers[-1].name == "CPUExecutionProvider" for device in DEVICES)
    with pytest.raises(InputError) as caught:
        parse_device("gpu")
    assert str(caught.value).startswith("DEVICE=gpu: onnxruntime is used on no such device. Choose cpu, cuda")


def test_cuda_keeps_float32_as_it_is() -> None:
    for device in (parse_device("cuda"), parse_device("tensorrt")):
        (cuda,) = [each for each in device.providers if each.name == "CUDAExecutionProvider"]
        assert ("use_tf32", "0") in cuda.options


def test_a_provider_that_is_not_installed(tmp_path: Path) -> None:
    """Before the file is read, wherever the device comes from."""
    check_device(CPU)
    assert installed_device("cpu") == CPU
    missing = next(
        device for device in DEVICES if device.provider not in onnxruntime.get_available_providers()
    )
    expected = (
        rf"DEVICE={missing.name}: onnxruntime {onnxruntime.__version__} here has .*CPUExecutionProvider, and "
        rf"not {missing.provider}\. Install {missing.package} in place of the onnxruntime that is there "
        r"\(an environment holds one\), or use DEVICE=cpu"
    )
    with pytest.raises(InputError, match=expected):
        installed_device(missing.name)
    with pytest.raises(InputError, match=expected):
        check_device(missing)
    with pytest.raises(InputError, match=expected):
        open_session(chain(tmp_path / "model.onnx", 1), device=missing)


@pytest.mark.skipif(
    "AzureExecutionProvider" not in onnxruntime.get_available_providers(), reason="it is not in this package"
)
def test_a_provider_that_takes_nothing_is_no_silent_fallback(tmp_path: Path) -> None:
    """The one for Azure's services is in onnxruntime's own package, and runs no such graph."""
    azure = Device("azure", (Provider("AzureExecutionProvider"), *CPU.providers), "onnxruntime")
    with pytest.raises(BackendError) as caught:
        OnnxRuntime(chain(tmp_path / "model.onnx", 1), device=azure)
    assert "with DEVICE=azure: AzureExecutionProvider took nothing of the graph" in str(caught.value)
    assert "which is with CPUExecutionProvider" in caught.value.found
    assert "or use DEVICE=cpu" in caught.value.remedy


def test_on_the_cpu_nothing_is_counted(tmp_path: Path) -> None:
    session = open_session(chain(tmp_path / "model.onnx", 1))
    assert placement(session) == {}
    assert OnnxRuntime(chain(tmp_path / "model.onnx", 1)).provider == "CPUExecutionProvider"


def test_the_package_imports_neither_pytorch_nor_onnxruntime() -> None:
    script = (
        "import sys, pitome.runtime, pitome.runtime.onnxruntime, pitome.runtime.backends\n"
        "print([name for name in ('torch', 'onnxruntime', 'tensorrt_rtx') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
