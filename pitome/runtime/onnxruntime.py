"""onnxruntime: sessions, opened the same way everywhere, and the runtime made of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitome.errors import BackendError, InputError
from pitome.runtime.devices import CPU, TENSORRT_PROVIDER, Device, check_device
from pitome.runtime.native import RECORD_PLACEMENT, NativeLibrary, count_native_merges
from pitome.runtime.operator_version import check_operator_version
from pitome.runtime.protocol import Array, DeclaredInput, Inputs, RunResult
from pitome.text_inputs import LIMITS_KEY, TextInputs

if TYPE_CHECKING:
    import onnxruntime

_NUMPY_TYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(bool)": "bool",
}


def open_session(
    path: Path,
    threads: int = 2,
    purpose: str | None = None,
    device: Device = CPU,
    native: NativeLibrary | None = None,
) -> onnxruntime.InferenceSession:
    """A session with all graph optimisations.

    Args:
        path: ONNX file.
        threads: of one operator on the CPU; operators run one after another.
        purpose: what the session is for, as an error says it.
        device: whose providers are offered the graph, in order.
        native: computes the merges in place of the function that the file carries; on the CPU, and on CUDA
            where it has the operator for it.

    Raises:
        InputError: the file is missing or of another version of the operator, onnxruntime does not have the
            device's provider, or can't load the file.
        BackendError: onnxruntime is not installed, or twice, or the device's provider took nothing of the
            graph; the native library does not fit this machine, or no merge is with it.
    """
    asked = purpose or f"running {path}"
    if not path.is_file():
        raise InputError(asked, "there is no such file", "Export the model first")
    check_operator_version(path)
    check_device(device)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3  # errors only: warnings would go to stderr from C++
    # Threads spin while a run lasts (the default); an idle session's must not spin into another's time.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    # Weights outside the arena: the arena grows by doubling and would take up to twice their size.
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
    if device != CPU or native is not None:
        options.add_session_config_entry(RECORD_PLACEMENT, "1")
    if native is not None:
        native.check_device(asked, device)
        native.register(options)
    try:
        # enable_fallback=0: else it tries again with other providers, and says so on stdout only.
        session = onnxruntime.InferenceSession(
            str(path),
            options,
            providers=[provider.name for provider in device.providers],
            provider_options=[dict(provider.options) for provider in device.providers],
            enable_fallback=0,
        )
    except Exception as error:  # onnxruntime's exceptions share no base class but Exception
        raise InputError(
            asked,
            f"onnxruntime {onnxruntime.__version__} can't load it ({_first_line(error)})",
            "Export the model again" if device == CPU else "Export the model again, or use DEVICE=cpu",
        ) from error
    _check_placement(session, asked, device)
    if native is not None and count_native_merges(session) == 0:
        raise BackendError(
            f"{asked} with {native.path}", "no merge of the graph is with the library", "Leave it out"
        )
    return session


def placement(session: onnxruntime.InferenceSession, device: Device = CPU) -> dict[str, int]:
    """Provider -> how many nodes of the graph it took; empty where onnxruntime does not tell.

    It tells from version 1.24 on, and is asked only where there is a choice.
    """
    if device == CPU or not hasattr(session, "get_provider_graph_assignment_info"):
        return {}
    counted: Counter[str] = Counter()
    for part in session.get_provider_graph_assignment_info():
        counted[part.ep_name] += len(part.get_nodes())
    return dict(counted)


def partitions(session: onnxruntime.InferenceSession, device: Device) -> int | None:
    """In how many pieces TensorRT's provider took the graph; between two of them another one computes.

    None of other devices, whose providers run node by node, and where onnxruntime does not tell.
    """
    if device.provider != TENSORRT_PROVIDER or not hasattr(session, "get_provider_graph_assignment_info"):
        return None
    return sum(part.ep_name == device.provider for part in session.get_provider_graph_assignment_info())


class OnnxRuntime:
    """An ONNX file in memory.

    Args:
        path: the file.
        precision: of its numbers.
        threads: of one operator on the CPU.
        device: whose providers are offered the graph.
        assignments: those of its outputs that are the decisions of merges, in their order
            (``pitome.export.debug_graph`` adds such outputs).
        purpose: what it is for, as an error says it.
        native: computes the merges, as ``open_session`` has it.

    Raises:
        InputError, BackendError: as ``open_session``.
    """

    def __init__(
        self,
        path: Path,
        precision: str = "fp32",
        *,
        threads: int = 2,
        device: Device = CPU,
        assignments: Sequence[str] = (),
        purpose: str | None = None,
        native: NativeLibrary | None = None,
    ) -> None:
        self.name = runtime_name(device, native is not None)
        self.precision = precision
        self._asked = purpose or f"running {path}"
        self._session = open_session(path, threads, self._asked, device, native)
        self.inputs = tuple(
            DeclaredInput(value.name, _NUMPY_TYPES.get(value.type, value.type), tuple(value.shape))
            for value in self._session.get_inputs()
        )
        self._texts = self._text_inputs()
        self._assignments = tuple(assignments)
        names = [value.name for value in self._session.get_outputs()]
        self.outputs = tuple(name for name in names if name not in self._assignments)
        self.provider = _described(placement(self._session, device)) or device.provider
        """Who took the graph; where it was shared, how many nodes each took."""
        self.partitions = partitions(self._session, device)
        """Pieces in which TensorRT's provider took the graph; None of others."""

    def run(self, inputs: Inputs) -> RunResult:
        """Run once; errors as the protocol's."""
        wanted = [*self.outputs, *self._assignments]
        found = self._call(wanted, self._feeds(inputs))
        count = len(self.outputs)
        return RunResult(dict(zip(self.outputs, found, strict=False)), tuple(found[count:]))

    def prepare(self, inputs: Inputs) -> Callable[[], object]:
        """A function that runs it once; on a GPU the copies from and to the host are a part of the run."""
        feeds = self._feeds(inputs)
        return lambda: self._call(None, feeds)

    def _feeds(self, inputs: Inputs) -> dict[str, Array]:
        given = self._texts.prepared(self._asked, inputs)
        return {value.name: given[value.name] for value in self.inputs if value.name in given}

    def _text_inputs(self) -> TextInputs:
        written = self._session.get_modelmeta().custom_metadata_map.get(LIMITS_KEY)
        try:
            return TextInputs.of_graph({value.name: value.shape for value in self.inputs}, written)
        except ValueError as error:
            raise InputError(
                self._asked, f"the file says no limits of its inputs ({error})", "Export the model again"
            ) from error

    def _call(self, names: list[str] | None, feeds: dict[str, Array]) -> list[Any]:
        try:
            found: list[Any] = self._session.run(names, feeds)
        except Exception as error:  # onnxruntime's exceptions share no base class but Exception
            raise BackendError(
                self._asked,
                f"onnxruntime could not run it ({_first_line(error)})",
                "Check the file with `pitome validate`, or choose a smaller batch",
            ) from error
        return found


def runtime_name(device: Device = CPU, native: bool = False) -> str:
    """As reports call onnxruntime on a device, with the merges by their own operator or by the function."""
    name = "onnxruntime" if device == CPU else f"onnxruntime {device.name}"
    return f"{name} native" if native else name


def _check_placement(session: onnxruntime.InferenceSession, asked: str, device: Device) -> None:
    there, took = session.get_providers(), placement(session, device)
    if device.provider not in there or (took and device.provider not in took):
        users = _described(took) or ", ".join(there)
        raise BackendError(
            f"{asked} with DEVICE={device.name}",
            f"{device.provider} took nothing of the graph, which is with {users}",
            "Install what that provider loads (its errors stand above), or use DEVICE=cpu",
        )


def _described(took: dict[str, int]) -> str:
    if len(took) == 1:
        return next(iter(took))
    return ", ".join(f"{name} ({count} nodes)" for name, count in took.items())


def _first_line(error: Exception) -> str:
    """What onnxruntime said, without the lines below that repeat the graph."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
