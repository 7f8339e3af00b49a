"""Folders laid out like what the toolchain looks for, and a package index that is a folder."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from pitome.plugins.tools.pinned_wheels import Wheel


def index_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on pip finds only the wheels in this folder."""
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def toolkit(folder: Path, release: str = "13.0", *, cudart: bool = True, library: bool = True) -> Path:
    """A folder laid out like a toolkit, with a program that answers like nvcc; returns that."""
    files = ["include/cuda_fp16.h", "include/cuda_runtime_api.h"]
    files += ["lib64/libcudart_static.a"] * cudart + ["include/cccl/nv/target"] * library
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    answer = f"""case "$1" in
--version) echo "Cuda compilation tools, release {release}, V{release}.88" ;;
--dryrun) echo "#\\$ TOP={folder}/bin/.." >&2 ; echo "#\\$ INCLUDES=\\"-I{folder}/include\\"" >&2 ; exit 1 ;;
esac"""
    return script(folder / "bin" / "nvcc", answer)


def headers(folder: Path, version: str = "10.14", *, alias: bool = False, plugin: bool = True) -> Path:
    """A folder with what the search reads of TensorRT's headers."""
    folder.mkdir(parents=True, exist_ok=True)
    major, minor = version.split(".")
    lines = [f"#define NV_TENSORRT_MAJOR {major} //!< Major", f"#define NV_TENSORRT_MINOR {minor}"]
    if alias:
        lines = [
            f"#define TRT_MAJOR_ENTERPRISE {major}",
            "#define NV_TENSORRT_MAJOR TRT_MAJOR_ENTERPRISE",
            lines[1],
        ]
    (folder / "NvInferVersion.h").write_text("\n".join(lines), encoding="utf-8")
    if plugin:
        (folder / "NvInferRuntimePlugin.h").write_text('#include "NvInferPluginBase.h"\n', encoding="utf-8")
        (folder / "NvInferPluginBase.h").write_text("class IPluginV3 : public X {};\n", encoding="utf-8")
    return folder


def put_wheel(folder: Path, files: dict[str, str], executable: str = "") -> Wheel:
    """A wheel that pip accepts; a file named ``executable`` may be run."""
    name = "some_tools-1.0-py3-none-any.whl"
    contents = files | {
        "some_tools-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: some-tools\nVersion: 1.0\n",
        "some_tools-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "some_tools-1.0.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(folder / name, "w") as archive:
        for member, text in contents.items():
            entry = zipfile.ZipInfo(member)
            entry.external_attr = (0o755 if member == executable else 0o644) << 16
            archive.writestr(entry, text)
    return Wheel("some-tools", "1.0", hashlib.sha256((folder / name).read_bytes()).hexdigest())
