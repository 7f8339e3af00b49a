"""What a session does on the GPU: check engines, measure them, or run one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pitome.compression import Compression, compress
from pitome.errors import BackendError
from pitome.export.onnx import TORCH_TYPES
from pitome.models.loading import LoadedModel, load_model
from pitome.runtime.plans import PlanOptions, open_plan
from pitome.runtime.plans.engine import PlanEngine, PreparedPlan
from pitome.runtime.pytorch import to_array
from pitome.validate.checked_inputs import checked_inputs, random_images
from pitome.validate.gpu.environment import missing_gpu, read_state
from pitome.validate.gpu.parity import EngineTarget, judge_engines
from pitome.validate.gpu.requests import CheckRequest, EngineFile, MeasureRequest, Request, RunRequest
from pitome.validate.gpu.timing import Run, batch_speed, cuda_clock, measure_rounds
from pitome.validate.outputs import cosines
from pitome.validate.parity.passes import run_passes
from pitome.validate.samples import CheckedInputs

MODEL = "clip-b16"
NUM_PHOTOS, NUM_RANDOM, BATCH = 12, 4, 8
PLAIN, MERGED = "PyTorch unmerged", "PyTorch merged"
PAIRS = (
    ("plugin engine", "unmerged engine", True),
    ("function engine", "unmerged engine", True),
    ("plugin engine", "function engine", False),
    (MERGED, PLAIN, True),
    ("unmerged engine", PLAIN, False),
    ("plugin engine", PLAIN, False),
    ("function engine", PLAIN, False),
)
"""(fast, slow, whether they are one model with and without merging)."""


def do(request: Request) -> Any:
    """Do the work; the answer as JSON values.

    Raises:
        PitomeError: it cannot be done.
    """
    kinds: dict[type, Callable[[Any], Any]] = {
        CheckRequest: check,
        MeasureRequest: measure,
        RunRequest: run,
    }
    work = kinds[type(request)]
    reason = missing_gpu()
    if reason:
        what, _, remedy = reason.partition(". ")
        raise BackendError(f"the work {request.work!r} on a GPU", what, remedy)
    use_plain_float32()
    with torch.cuda.stream(torch.cuda.Stream()):  # TensorRT warns of the default stream
        return work(request)


def use_plain_float32() -> None:
    """No TF32 in PyTorch: it rounds float32 factors to 10 bits, enough to change merge decisions."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def load_random_model() -> LoadedModel:
    """The model of the report, with the same random weights in every process."""
    return load_model(MODEL, weights="random", seed=0)


def outputs_of(loaded: LoadedModel) -> tuple[str, ...]:
    """Fields of the model's output that its engines have."""
    return tuple(loaded.family.outputs[loaded.task])


def check(request: CheckRequest) -> Any:
    """An ``EngineParity``."""
    loaded = load_random_model()
    checked = checked_inputs(loaded, NUM_RANDOM)
    inputs = CheckedInputs(checked.random, checked.real.rows(slice(0, NUM_PHOTOS)))
    targets = {
        precision: EngineTarget(
            request.name,
            file.plan.name,
            partial(_open, request.backend, file, precision, request.decisions[precision]),
        )
        for precision, file in request.engines.items()
    }
    model = loaded.model.to("cuda")
    passes = run_passes(
        compress(model),
        model,
        targets,
        outputs_of(loaded),
        inputs,
        batch=BATCH,
        num_exact=len(inputs.all),
    )
    return judge_engines(passes).model_dump(mode="json")


def measure(request: MeasureRequest) -> Any:
    """A list of ``BatchSpeed``, one for each batch size."""
    loaded = load_random_model()
    compressed = compress(loaded.model)
    compression: Any = compressed.compression
    (output,) = outputs_of(loaded)
    dtype = TORCH_TYPES[request.precision]
    models = {
        PLAIN: copy.deepcopy(loaded.model).to("cuda", dtype),
        MERGED: copy.deepcopy(compressed).to("cuda", dtype),
    }
    engines = {
        file.name: _open(request.backend, file, request.precision, graphs=True) for file in request.engines
    }
    found = []
    for batch in request.batches:
        wanted = loaded.image_preprocess
        images = random_images(batch, (wanted.channels, wanted.height, wanted.width)).to("cuda")
        candidates: dict[str, Run] = {}
        how: dict[str, str] = {}
        likeness: dict[str, float] = {}
        for name, engine in engines.items():
            twin = models[PLAIN if name == "unmerged engine" else MERGED]
            expected = _forward(twin, images, output, dtype)
            candidates[name], likeness[name] = _replay(engine, images, output, expected)
            how[name] = engine.how
        for name, model in models.items():
            candidates[name], how[name] = partial(_forward, model, images, output, dtype), "eager"
        sampled = measure_rounds(candidates, gpu_clock)
        speed = batch_speed(sampled, batch, how, likeness, bounded_pairs(compression), read_state())
        found.append(speed.model_dump(mode="json"))
    return found


def bounded_pairs(compression: Compression) -> list[tuple[str, str, float | None]]:
    """What is compared, with the bound by FLOPs where there is one."""
    bound = compression.flops.bound
    return [(fast, slow, bound if same_model else None) for fast, slow, same_model in PAIRS]


def gpu_clock(run: Run, count: int) -> float:
    """Seconds of so many runs by CUDA events: a plan has a stream of its own, PyTorch the current one."""
    return run.seconds_of(count) if isinstance(run, PreparedPlan) else cuda_clock(run, count)


def run(request: RunRequest) -> Any:
    """Nothing; the outputs are in a file. bfloat16 stands there as float32, which holds it exactly."""
    from safetensors.torch import load_file, save_file

    given = {name: to_array(value) for name, value in load_file(str(request.inputs)).items()}
    saved: dict[str, Tensor] = {}
    for suffix, graphs in (("", False), (".replay", True)):
        found = _open(request.backend, request.engine, graphs=graphs).run(given).outputs
        saved |= {f"{name}{suffix}": torch.from_numpy(value) for name, value in found.items()}
    save_file(saved, str(request.outputs))
    return None


def _open(
    backend: str,
    file: EngineFile,
    precision: str = "fp32",
    assignments: Sequence[str] = (),
    graphs: bool = False,
) -> PlanEngine:
    options = PlanOptions(
        precision, tuple(assignments), cuda_graphs=graphs, contexts=1, host_code=file.host_code
    )
    return open_plan(backend, file.plan, plugin=file.plugin, options=options)


def _replay(engine: PlanEngine, images: Tensor, output: str, expected: Tensor) -> tuple[PreparedPlan, float]:
    """What is measured, and the lowest cosine of what it computes to what PyTorch does.

    The cosine is reported, not judged: in fp16 rounding flips decisions. It shows that the work is done.
    """
    prepared = engine.prepare({each.name: to_array(images) for each in engine.inputs})
    value = torch.from_numpy(prepared.outputs()[output])
    if not bool(torch.isfinite(value).all()):
        raise BackendError(
            engine.asked, f"its output {output} is not finite", "Report this with the GPU's name"
        )
    return prepared, float(cosines(value, expected.cpu()).min())


def _forward(model: nn.Module, images: Tensor, output: str, dtype: torch.dtype) -> Tensor:
    """What the engine computes, casts included."""
    with torch.no_grad():
        value: Tensor = getattr(model(images.to(dtype)), output).float()
    return value
