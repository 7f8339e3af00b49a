"""What runs a graph of a bundle on a machine: every way that there is, the best one first, each with what
speaks against it. Nothing of the bundle is opened here but its manifest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pitome.bundle.graph_records import GraphRecord, OnnxRecord, PlanRecord
from pitome.bundle.manifest import Manifest
from pitome.bundle.record import NativeRecord
from pitome.errors import BackendError, InputError, PitomeError
from pitome.runtime.backends import AUTO, ONNXRUNTIME, RUN_BACKENDS, find_plan_backend
from pitome.runtime.devices import CPU, DEVICES, Device, check_device, device_names
from pitome.runtime.native import NativeLibrary
from pitome.runtime.onnxruntime import runtime_name
from pitome.runtime.plans import Machine, check_plan, ranked_plans

PRECISIONS = ("fp32", "fp16", "bf16")
_DRIVER = Path("/proc/driver/nvidia")


@dataclass(frozen=True)
class Wishes:
    """What the user asked for."""

    device: str = AUTO
    """"auto", or one of `pitome.runtime.devices`."""
    backend: str = AUTO
    precision: str | None = None
    native: bool | None = None
    """Whether onnxruntime computes merges by the bundle's own operator; None = where it can, or a plan."""

    def __post_init__(self) -> None:
        """InputError: a word that is none of them."""
        _check_word("device", self.device, (AUTO, *device_names()))
        _check_word("backend", self.backend, RUN_BACKENDS)
        if self.native not in (None, True, False):
            raise InputError(f"native={self.native!r}", "it is no choice", "Give True, False or None")
        if self.precision is not None:
            _check_word("precision", self.precision, PRECISIONS)

    @property
    def asked(self) -> str:
        """As an error says it."""
        words = [f"device={self.device}", f"backend={self.backend}"]
        words += [f"precision={self.precision}"] if self.precision else []
        words += [f"native={self.native}"] if self.native is not None else []
        return ", ".join(words)


@dataclass(frozen=True)
class Way:
    """One way of running one graph."""

    graph: str
    backend: str
    record: OnnxRecord | PlanRecord
    device: Device | None = None
    """Of onnxruntime."""
    native: NativeRecord | None = None
    """What computes merges: onnxruntime's operator library, or the plugin that a plan does not carry."""
    why_not: PitomeError | None = None
    """What speaks against it on this machine; None: nothing that can be seen before it is opened."""

    def __str__(self) -> str:
        if self.device is None:
            return f"{self.record.file} by {find_plan_backend(self.backend).label}"
        return f"{self.record.file} by {runtime_name(self.device, self.native is not None)}"

    @property
    def is_missed(self) -> bool:
        """Whether a user is to be told where it can't be taken: the bundle has it, or the machine."""
        return self.device is None or self.native is not None or (self.device != CPU and _DRIVER.exists())


@dataclass(frozen=True)
class ChosenGraph:
    """What runs one graph."""

    name: str
    backend: str
    """"onnxruntime", "tensorrt" or "tensorrt_rtx"."""
    provider: str
    """Who computes it: onnxruntime's provider, where it was shared with how many nodes each took; of a plan
    its library."""
    file: str
    """The file of the bundle that runs."""
    precision: str
    native: bool
    """Whether merges are computed by the own operator: onnxruntime's library, or the plugin of plans."""
    partitions: int | None = None
    """Pieces in which onnxruntime's TensorRT provider took the graph; None of others."""

    def __str__(self) -> str:
        pieces = f" in {self.partitions} pieces" if self.partitions is not None else ""
        return f"{self.name}: {self.file} by {self.backend}, {self.provider}{pieces}, {self.precision}" + (
            ", merges by the own operator" if self.native else ""
        )


@dataclass(frozen=True)
class Chosen:
    """What runs a bundle, and why nothing better does."""

    graphs: tuple[ChosenGraph, ...]
    reasons: tuple[str, ...] = ()
    """Of each better way, why it does not run here."""

    @property
    def backend(self) -> str:
        """Of the first graph."""
        return self.graphs[0].backend

    @property
    def provider(self) -> str:
        """Of the first graph."""
        return self.graphs[0].provider

    @property
    def file(self) -> str:
        """Of the first graph."""
        return self.graphs[0].file

    @property
    def precision(self) -> str:
        """Of the first graph."""
        return self.graphs[0].precision

    def __str__(self) -> str:
        return "\n".join([*map(str, self.graphs), *(f"not {reason}" for reason in self.reasons)])


def ways_of(
    graph: GraphRecord, manifest: Manifest, folder: Path, wishes: Wishes, machine: Machine
) -> list[Way]:
    """Every way of running a graph that fits the wishes, the best one first.

    Raises:
        InputError: there is none in this bundle, whatever the machine.
    """
    found = [
        *_by_plans(graph, manifest, wishes, machine),
        *_with_onnxruntime(graph, manifest, folder, wishes),
    ]
    if not found:
        files = [record.file for record in (*graph.plans, *graph.onnx, *manifest.native)]
        raise InputError(
            f"load {folder} with {wishes.asked}",
            f"the bundle's graph {graph.name} has {', '.join(files)}, and nothing that fits",
            "Leave that out, or build the bundle with it",
        )
    return found


def wants_plans(manifest: Manifest, wishes: Wishes) -> bool:
    """Whether there are plans, and a wish for one could be."""
    return bool(manifest.plans) and wishes.device in (AUTO, "cuda") and wishes.backend != ONNXRUNTIME


def _by_plans(graph: GraphRecord, manifest: Manifest, wishes: Wishes, machine: Machine) -> Iterator[Way]:
    if not wants_plans(manifest, wishes) or wishes.native is not None:
        return
    plans = [
        plan
        for plan in graph.plans
        if wishes.backend in (AUTO, plan.backend) and wishes.precision in (None, plan.precision)
    ]
    for plan, _ in ranked_plans(plans, machine, manifest.plugin):
        library = manifest.plugin if plan.merge_path == "plugin" and not plan.plugin_embedded else None
        why_not = None
        try:
            check_plan(plan, machine, manifest.plugin)
        except PitomeError as error:
            why_not = error
        yield Way(graph.name, plan.backend, plan, None, library, why_not)


def _with_onnxruntime(graph: GraphRecord, manifest: Manifest, folder: Path, wishes: Wishes) -> Iterator[Way]:
    if wishes.backend not in (AUTO, ONNXRUNTIME):
        return
    library = next((each for each in manifest.native if each.kind == ONNXRUNTIME), None)
    if wishes.native and graph.merges and library is None:
        return
    for device in _devices(wishes):
        records = list(_graphs(graph, manifest, wishes, device))
        if records and (missing := _missing(device)) is not None:
            yield Way(graph.name, ONNXRUNTIME, records[0], device, None, missing)
            continue
        for record in records:
            against = _unknown_type(record, device)
            if library is not None and graph.merges and wishes.native is not False:
                misfit = _library_misfit(folder, library, device)
                # Of a provider that has no use for the library nothing is said.
                if misfit is None or device == CPU or wishes.native:
                    yield Way(graph.name, ONNXRUNTIME, record, device, library, against or misfit)
            if not (wishes.native and graph.merges):
                yield Way(graph.name, ONNXRUNTIME, record, device, None, against)


def _devices(wishes: Wishes) -> tuple[Device, ...]:
    """TensorRT's provider compiles a graph for minutes when it is loaded: only where it is asked for."""
    if wishes.device == AUTO:
        return tuple(device for device in reversed(DEVICES) if device.name != "tensorrt")
    return tuple(device for device in DEVICES if device.name == wishes.device)


def _graphs(graph: GraphRecord, manifest: Manifest, wishes: Wishes, device: Device) -> Iterator[OnnxRecord]:
    """On the CPU float32 is the fastest; a GPU gets the precision that the bundle was built for."""
    usual = ("fp32",) if device == CPU else tuple(dict.fromkeys((manifest.precision, "fp32")))
    for precision in (wishes.precision,) if wishes.precision else usual:
        yield from (each for each in graph.onnx if each.precision == precision and not each.inlined)


def _missing(device: Device) -> PitomeError | None:
    try:
        check_device(device)
    except PitomeError as error:
        return error
    return None


def _unknown_type(record: OnnxRecord, device: Device) -> PitomeError | None:
    if record.precision != "bf16" or device != CPU:
        return None
    return BackendError(
        f"running {record.file} with onnxruntime on the CPU",
        "it has no bfloat16 there",
        "Leave precision out, or use another device",
    )


def _library_misfit(folder: Path, record: NativeRecord, device: Device) -> PitomeError | None:
    library = NativeLibrary(folder / record.file, record)
    try:
        library.check_device(f"running {folder}", device)
        library.check_machine()
    except PitomeError as error:
        return error
    return None


def _check_word(name: str, value: str, known: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in known:
        *most, last = known
        raise InputError(f"{name}={value}", f"there is no such {name}", f"Choose {', '.join(most)} or {last}")
