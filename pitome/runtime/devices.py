"""Where onnxruntime runs a graph: the table of devices that ``--device`` names."""

from __future__ import annotations

from dataclasses import dataclass

from pitome.errors import InputError
from pitome.runtime.installation import check_onnxruntime


@dataclass(frozen=True)
class Provider:
    """An execution provider of onnxruntime's."""

    name: str
    options: tuple[tuple[str, str], ...] = ()
    """Those that are not its defaults."""


@dataclass(frozen=True)
class Device:
    """One way of running a graph with onnxruntime."""

    name: str
    """Value of ``--device``."""
    providers: tuple[Provider, ...]
    """The preferred one first; each takes what those before it leave, the CPU whatever is left."""
    package: str
    """The distribution of onnxruntime that has them. An environment holds only one: they own one folder."""

    @property
    def provider(self) -> str:
        """Name of the preferred one."""
        return self.providers[0].name


TENSORRT_PROVIDER = "TensorrtExecutionProvider"
_CPU = Provider("CPUExecutionProvider")
# TF32 rounds float32 factors to 10 bits, enough to change merge decisions. TensorRT's provider has no option
# for it; the variable NVIDIA_TF32_OVERRIDE=0 turns it off there.
_CUDA = Provider("CUDAExecutionProvider", (("use_tf32", "0"),))
CPU = Device("cpu", (_CPU,), "onnxruntime")
DEVICES = (
    CPU,
    Device("cuda", (_CUDA, _CPU), "onnxruntime-gpu"),
    Device("tensorrt", (Provider(TENSORRT_PROVIDER), _CUDA, _CPU), "onnxruntime-gpu"),
)
"""CUDA and TensorRT have not run yet: that needs a GPU."""


def device_names() -> tuple[str, ...]:
    """Values of ``--device``, whether installed or not."""
    return tuple(device.name for device in DEVICES)


def parse_device(name: str) -> Device:
    """The device of that name, installed or not.

    Raises:
        InputError: there is none.
    """
    for device in DEVICES:
        if device.name == name:
            return device
    *most, last = device_names()
    raise InputError(
        f"DEVICE={name}", "onnxruntime is used on no such device", f"Choose {', '.join(most)} or {last}"
    )


def check_device(device: Device) -> None:
    """Refuse a device whose provider the installed onnxruntime does not have.

    Raises:
        InputError: as said, with what is installed and what to install.
        BackendError: onnxruntime is not installed, or twice.
    """
    check_onnxruntime(f"DEVICE={device.name}")
    import onnxruntime

    there = onnxruntime.get_available_providers()
    if device.provider not in there:
        raise InputError(
            f"DEVICE={device.name}",
            f"onnxruntime {onnxruntime.__version__} here has {', '.join(there)}, and not {device.provider}",
            f"Install {device.package} in place of the onnxruntime that is there (an environment holds one), "
            f"or use DEVICE={CPU.name}",
        )


def installed_device(name: str) -> Device:
    """The device of that name, which the installed onnxruntime has: for before long work.

    Raises:
        InputError, BackendError: as `parse_device` and `check_device`.
    """
    device = parse_device(name)
    check_device(device)
    return device
