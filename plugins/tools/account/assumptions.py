"""The numbers of the prediction that no datasheet gives, each with a reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Assumption:
    """One number."""

    name: str
    value: float
    reason: str


L2_BYTES = Assumption(
    "bytes from L2 per clock and multiprocessor",
    5120 / 108,
    "the Ampere whitepaper's 5120 per clock for the A100's 108; nothing is published for the others",
)
SHARED_BYTES = Assumption(
    "bytes of shared memory per clock and multiprocessor", 128, "32 banks of 4 bytes (CUDA programming guide)"
)
ISSUE = Assumption("instructions per clock and multiprocessor", 4, "four schedulers, a warp of each")
DEVICE_LATENCY = Assumption(
    "clocks until device memory answers", 650, "656 measured on an H800 (arXiv 2501.12084)"
)
L2_LATENCY = Assumption(
    "until L2 answers",
    300,
    "258 measured in the near and 414 in the far half of an H800's (arXiv 2501.12084), 222 to 339 on an L40 "
    "(arXiv 2606.22588)",
)
SHARED_LATENCY = Assumption(
    "until shared memory answers", 30, "29 measured on three architectures (arXiv 2501.12084)"
)
BARRIER = Assumption("of a barrier", 40, "its own latency and that warps arrive one after the other; a guess")
COMPARE = Assumption(
    "of a step of a sort beside its accesses and barrier", 20, "about four dependent instructions"
)
LAUNCH = Assumption(
    "seconds of a launch inside a CUDA graph",
    1e-6,
    "a usual gap between dependent kernels; shown apart, and not charged to the block",
)

ASSUMPTIONS = (
    L2_BYTES,
    SHARED_BYTES,
    ISSUE,
    DEVICE_LATENCY,
    L2_LATENCY,
    SHARED_LATENCY,
    BARRIER,
    COMPARE,
    LAUNCH,
)
