"""Where onnxruntime runs a graph: the table of devices that ``--device`` names."""

from __future__ import annotations

from dataclasses import dataclass

from pitome.errors import InputError

CPU_PROVIDER = "CPUExecutionProvider"


@dataclass(frozen=True)
class Device:
    """One way of running a graph with onnxruntime."""

    name: str
    """Value of ``--device``."""
    providers: tuple[str, ...]
    """onnxruntime's names, the preferred one first; the CPU takes what the others leave."""
    package: str
    """The distribution of onnxruntime that has them. An environment holds only one: they own one folder."""

    @property
    def provider(self) -> str:
        """The preferred one."""
        return self.providers[0]


CPU = Device("cpu", (CPU_PROVIDER,), "onnxruntime")
DEVICES = (
    CPU,
    Device("cuda", ("CUDAExecutionProvider", CPU_PROVIDER), "onnxruntime-gpu"),
    Device(
        "tensorrt", ("TensorrtExecutionProvider", "CUDAExecutionProvider", CPU_PROVIDER), "onnxruntime-gpu"
    ),
)


def parse_device(name: str) -> Device:
    """The device of that name, installed or not.

    Raises:
        InputError: there is none.
    """
    for device in DEVICES:
        if device.name == name:
            return device
    names = [device.name for device in DEVICES]
    raise InputError(
        f"DEVICE={name}",
        "onnxruntime is used on no such device",
        f"Choose {', '.join(names[:-1])} or {names[-1]}",
    )


def check_device(device: Device) -> None:
    """Refuse a device whose provider the installed onnxruntime does not have.

    Raises:
        InputError: as said, with what is installed and what to install.
    """
    import onnxruntime

    there = onnxruntime.get_available_providers()
    if device.provider not in there:
        raise InputError(
            f"DEVICE={device.name}",
            f"onnxruntime {onnxruntime.__version__} here has {', '.join(there)}, and not {device.provider}",
            f"Install {device.package} in place of the onnxruntime that is there: an environment holds one",
        )
