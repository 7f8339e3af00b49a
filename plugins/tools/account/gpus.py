"""What the datasheets say of the GPUs, and how many blocks of a kernel one of their multiprocessors holds."""

from __future__ import annotations

from dataclasses import dataclass

from pitome.plugins.tools.ptxas_log import Usage

_WARP = 32
_REGISTERS_PER_SCHEDULER = 16384
_SCHEDULERS = 4
_REGISTER_UNIT = 256  # a warp's registers are given out in units of this size
_SHARED_UNIT = 128
_RESERVED_SHARED_BYTES = 1024  # of every block, by the driver, since compute capability 8.0


@dataclass(frozen=True)
class Gpu:
    """One GPU. Rates are per second, of the whole GPU, at the boost clock."""

    name: str
    target: int
    """Compute capability times ten, as in the log of ptxas."""
    bandwidth: float
    """Bytes of device memory."""
    tensor_flops: float
    """Dense, float16 accumulated in float32; a multiply-add counts twice."""
    multiprocessors: int
    clock: float
    l2_bytes: int
    most_threads: int
    """That are resident on one multiprocessor; likewise the next two."""
    most_blocks: int
    shared_bytes: int
    mma_share: float
    """Of the tensor cores' peak, for kernels without the instructions of Hopper's warp groups."""
    source: str

    @property
    def multiply_adds_per_clock(self) -> float:
        """Of one multiprocessor's tensor cores."""
        return self.tensor_flops / 2 / self.multiprocessors / self.clock

    def resident_blocks(self, usage: Usage | None, threads: int) -> int:
        """Blocks of a kernel that one multiprocessor holds: one where nothing is known of the kernel."""
        if usage is None:
            return 1
        warps = -(-threads // _WARP)
        registers = _round_up(usage.registers * _WARP, _REGISTER_UNIT)
        resident_warps = _REGISTERS_PER_SCHEDULER // registers * _SCHEDULERS
        shared = _round_up(usage.shared_bytes, _SHARED_UNIT) + _RESERVED_SHARED_BYTES
        limits = (
            self.most_blocks,
            self.most_threads // (warps * _WARP),
            resident_warps // warps,
            self.shared_bytes // shared,
        )
        return min(limits)


def _round_up(number: int, unit: int) -> int:
    return -(-number // unit) * unit


_KIB, _MIB = 2**10, 2**20

GPUS = (
    Gpu(
        name="L4",
        target=89,
        bandwidth=300e9,
        tensor_flops=121e12,
        multiprocessors=58,
        clock=2.04e9,
        l2_bytes=48 * _MIB,
        most_threads=1536,
        most_blocks=24,
        shared_bytes=100 * _KIB,
        mma_share=1.0,
        source="NVIDIA L4 datasheet, whose 242 TFLOPS are with sparsity; Ada tuning guide",
    ),
    Gpu(
        name="A100",
        target=80,
        bandwidth=2039e9,
        tensor_flops=312e12,
        multiprocessors=108,
        clock=1.41e9,
        l2_bytes=40 * _MIB,
        most_threads=2048,
        most_blocks=32,
        shared_bytes=164 * _KIB,
        mma_share=1.0,
        source="NVIDIA A100 80GB SXM datasheet and Ampere whitepaper; Ampere tuning guide",
    ),
    Gpu(
        name="H100",
        target=90,
        bandwidth=3350e9,
        tensor_flops=989e12,
        multiprocessors=132,
        clock=1.83e9,
        l2_bytes=50 * _MIB,
        most_threads=2048,
        most_blocks=32,
        shared_bytes=228 * _KIB,
        mma_share=0.629,
        source="NVIDIA H100 SXM datasheet and Hopper whitepaper; Hopper tuning guide; "
        "62.9 % of it without warp groups: arXiv 2501.12084",
    ),
    Gpu(
        name="RTX 4090",
        target=89,
        bandwidth=1008e9,
        tensor_flops=165.2e12,
        multiprocessors=128,
        clock=2.52e9,
        l2_bytes=72 * _MIB,
        most_threads=1536,
        most_blocks=24,
        shared_bytes=100 * _KIB,
        mma_share=1.0,
        source="NVIDIA Ada whitepaper; Ada tuning guide",
    ),
)
