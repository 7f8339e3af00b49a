"""What the numbers of a latency measurement depend on: contestants, settings, versions and the machine."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from pitome.runtime import Inputs
from pitome.validate.bench.contestants import Contestant, RuntimeKind
from pitome.validate.bench.feeds import Feeds
from pitome.validate.bench.records import LatencyConfiguration, MeasuredContestant, PlanRun
from pitome.validate.bench.settings import LatencySettings


def configuration(
    contestants: Sequence[Contestant],
    settings: LatencySettings,
    inputs: Feeds | None = None,
    plan: PlanRun | None = None,
) -> LatencyConfiguration:
    """Everything that the records of :func:`compare` depend on; ``plan``: what runs, if not onnxruntime."""
    packages = _versions({contestant.runtime for contestant in contestants})
    if plan is not None:
        packages[plan.backend] = plan.version
    return LatencyConfiguration(
        contestants={
            each.name: MeasuredContestant(digest=each.digest, against=each.against, bound=each.bound)
            for each in contestants
        },
        batches=tuple(dict.fromkeys(settings.batches)),
        threads=settings.threads,
        repeats=settings.repeats,
        min_seconds=settings.min_seconds,
        seed=settings.seed,
        memory=settings.memory,
        device=settings.device.name,
        inputs="seeded" if inputs is None else _digest(inputs(1)),
        packages=packages,
        python=platform.python_version(),
        cpu=cpu_model(),
        gpu=None if plan is None else f"{plan.gpu}, {plan.launched}",
    )


def _versions(runtimes: Collection[RuntimeKind]) -> dict[str, str]:
    from importlib.metadata import version

    names = ["numpy", "pitome", *(["torch", "transformers"] if "pytorch" in runtimes else [])]
    found = {name: version(name) for name in names}
    if "onnxruntime" in runtimes:
        import onnxruntime

        found["onnxruntime"] = onnxruntime.__version__  # several packages have this module
    return dict(sorted(found.items()))


def cpu_model() -> str:
    """The processor's name, such as "AMD EPYC 7B13"; the architecture where the system does not tell."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _digest(feeds: Inputs) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(feeds.items()):
        digest.update(f"{name} {value.dtype} {value.shape}\n".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()
