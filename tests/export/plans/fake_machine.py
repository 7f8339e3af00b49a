"""A machine with classic TensorRT and a GPU, as far as the checks before a build look at it.

Nothing of TensorRT is imitated: the module is empty, and CUDA answers which GPU there is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_RUNTIME = """
from types import SimpleNamespace
cudaDeviceAttr = SimpleNamespace(
    cudaDevAttrComputeCapabilityMajor="major", cudaDevAttrComputeCapabilityMinor="minor"
)

def cudaGetDeviceCount():
    return {status}, 1

def cudaDeviceGetAttribute(attr, device):
    return 0, {{"major": 8, "minor": 9}}[attr]

def cudaGetDeviceProperties(device):
    return 0, SimpleNamespace(name=b"NVIDIA L4")

def cudaDriverGetVersion():
    return 0, 13000
"""


class FakeMachine:
    """Packages in a folder that Python looks into first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install_tensorrt(self, version: str) -> None:
        """An empty module, and what pip would know of it."""
        (self.folder / "tensorrt").mkdir(exist_ok=True)
        (self.folder / "tensorrt" / "__init__.py").touch()
        for before in self.folder.glob("*.dist-info/METADATA"):
            before.unlink()
            before.parent.rmdir()
        metadata = self.folder / f"tensorrt-{version}.dist-info" / "METADATA"
        metadata.parent.mkdir()
        metadata.write_text(f"Metadata-Version: 2.1\nName: tensorrt\nVersion: {version}\n")

    def install_driver(self, status: int) -> None:
        """The part of cuda-python that is asked for the GPU; a status other than 0 is the driver's error."""
        package = self.folder / "cuda" / "bindings"
        package.mkdir(parents=True, exist_ok=True)
        (package.parent / "__init__.py").touch()
        (package / "__init__.py").touch()
        (package / "runtime.py").write_text(_RUNTIME.format(status=status))
        forget_cuda()


def forget_cuda() -> None:
    """Have the next import of cuda-python look at the files again."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "cuda"]:
        del sys.modules[name]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeMachine]:
    folder = tmp_path / "packages"
    (folder / "cuda").mkdir(parents=True)
    (folder / "cuda" / "__init__.py").touch()  # hides the cuda-python that is installed
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # two drivers of one size in one second
    forget_cuda()
    yield FakeMachine(folder)
    forget_cuda()
