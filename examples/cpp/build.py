"""Build examples/cpp/onnxruntime with what this environment has: `make example`.

The library is that of onnxruntime's Python package; its headers are found, or fetched, as for `make native`.
For a release of onnxruntime no Python is needed: examples/cpp/README.md.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pitome.errors import BackendError, InputError
from pitome.plugins.tools.cmake import CMakeBuild
from pitome.plugins.tools.native_toolchain import find_onnxruntime_headers
from pitome.plugins.tools.toolchain import cmake_places, find_cmake

OUTPUT = Path("build/example")


def onnxruntime_library() -> Path:
    """The one in onnxruntime's Python package.

    Raises:
        BackendError: there is none.
    """
    asked, remedy = "building the example", "Run pip install '.[cpu]', or see examples/cpp/README.md"
    try:
        import onnxruntime
    except ImportError as error:
        raise BackendError(asked, f"onnxruntime is not installed ({error})", remedy) from error
    found = sorted((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"))
    if not found:
        raise BackendError(asked, "the package of onnxruntime holds no libonnxruntime.so", remedy)
    return found[-1].resolve()


def build(output: Path) -> Path:
    """Build the program in a folder, which is CMake's.

    Raises:
        InputError: something is missing and can't be fetched.
        BackendError: onnxruntime is not installed, or CMake or the compiler failed.
    """
    cache = Path(os.environ.get("PITOME_CACHE") or "~/.cache/pitome").expanduser()
    values = {
        "ONNXRUNTIME_INCLUDE": find_onnxruntime_headers(os.environ, cache, _say).include,
        "ONNXRUNTIME_LIBRARY": onnxruntime_library(),
    }
    output = output.resolve()
    output.parent.mkdir(parents=True, exist_ok=True)
    settings = output.with_name(f"{output.name}.cmake")
    lines = [f'set({name} [==[{value}]==] CACHE STRING "" FORCE)' for name, value in values.items()]
    settings.write_text("\n".join(lines) + "\n", encoding="utf-8")
    source = Path(__file__).resolve().parent / "onnxruntime"
    cmake = find_cmake(cmake_places(os.environ), cache, _say)
    asked, remedy = "building the example", "Correct what it names"
    CMakeBuild(cmake, source, output, settings, asked, remedy).run(["run_bundle"], os.environ)
    return output / "run_bundle"


def _say(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    try:
        print(build(Path(sys.argv[1]) if len(sys.argv) > 1 else OUTPUT))
    except (InputError, BackendError) as error:
        sys.exit(str(error))
