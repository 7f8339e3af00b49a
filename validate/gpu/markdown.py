"""A GPU report as Markdown: one file that can be attached to an issue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from pitome.validate.report.summary import percent, times

if TYPE_CHECKING:
    from pitome.validate.gpu.records import EngineParity
    from pitome.validate.gpu.report import GpuReport, KernelTiming
    from pitome.validate.gpu.timing import BatchSpeed

NOTHING = "\N{EN DASH}"
BACKENDS = {"tensorrt": "TensorRT", "tensorrt_rtx": "TensorRT-RTX"}


def render(report: GpuReport, titles: Mapping[str, str], content: str) -> str:
    """The whole file.

    Args:
        report: what to show.
        titles: of the report's parts, in order.
        content: the report as JSON text, which closes the file.
    """
    sections = [
        _head(report),
        _parts(report, titles),
        _environment(report),
        *(_speed(backend, batches) for backend, batches in report.speed.items()),
        _kernels(report),
        _engines(report),
        *(_parity(found) for found in report.parity),
        f"## All numbers\n\n```json\n{content.rstrip()}\n```",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _head(report: GpuReport) -> str:
    gpu = report.environment.gpu or "no GPU that PyTorch can use"
    return (
        f"# GPU report of pitome {report.environment.pitome}\n\n"
        f"{_cell(gpu)}, {report.created}. Model: {_cell(report.model)} with seeded random weights, "
        f"merged as `make engine` merges it by default."
    )


def _parts(report: GpuReport, titles: Mapping[str, str]) -> str:
    rows = []
    for key, title in titles.items():
        part = report.parts[key]
        rows.append((title, part.status, part.reason.partition("\n")[0] or NOTHING))
    text = "## Result\n\n" + _table(("Part", "Result", "Reason"), rows)
    if report.left_out:
        text += "\n\nDone without:\n\n" + "\n".join(
            f"- {_cell(what)}: {_cell(reason)}" for what, reason in report.left_out.items()
        )
    for key, title in titles.items():
        reason = report.parts[key].reason
        if "\n" in reason:
            text += f"\n\n{title}:\n\n" + "\n".join(f"    {line}" for line in reason.splitlines())
    return text


def _environment(report: GpuReport) -> str:
    known = report.environment
    gpu = NOTHING
    if known.gpu is not None:
        gpu = f"{known.gpu}, {known.capability}, {known.multiprocessors} SMs, {known.memory_gib} GiB"
    rows = [
        ("GPU", gpu),
        ("Driver", known.driver or NOTHING),
        ("PyTorch", f"{known.torch}, CUDA {known.cuda or NOTHING}, cuDNN {known.cudnn or NOTHING}"),
        *known.packages.items(),
        ("Python", known.python),
        ("System", known.system),
        ("CPU", known.cpu),
    ]
    return "## Machine\n\n" + _table(("", ""), rows)


def _speed(backend: str, batches: Sequence[BatchSpeed]) -> str:
    sections = [f"## Speed: {BACKENDS.get(backend, backend)} and PyTorch, fp16"]
    for speed in batches:
        sections += [
            f"### Batch {speed.batch}",
            _candidates(speed),
            _ratios(speed),
            f"{speed.rounds} rounds after {speed.warmup_rounds} to warm up; {_state(speed)}.",
        ]
    return "\n\n".join(sections)


def _candidates(speed: BatchSpeed) -> str:
    rows = [
        (
            candidate.name,
            f"{candidate.timing.median_milliseconds:.3f}",
            f"{candidate.timing.p95_milliseconds:.3f}",
            f"{candidate.timing.per_second:,.0f}",
            candidate.how,
            str(candidate.runs_per_sample),
            NOTHING if candidate.likeness is None else f"{candidate.likeness:.5f}",
        )
        for candidate in speed.candidates
    ]
    header = ("", "median ms", "p95 ms", "images/s", "launched", "runs per sample", "cosine to PyTorch")
    return _table(header, rows)


def _ratios(speed: BatchSpeed) -> str:
    rows = [
        (
            f"{ratio.fast} over {ratio.slow}",
            times(ratio.ratio),
            f"{ratio.interval[0]:.3f} to {ratio.interval[1]:.3f}",
            NOTHING if ratio.bound is None else times(ratio.bound),
            NOTHING if ratio.share_of_bound is None else f"{ratio.share_of_bound:.1%}",
        )
        for ratio in speed.ratios
    ]
    return _table(("", "speed-up", "95 % interval", "bound by FLOPs", "share of bound"), rows)


def _state(speed: BatchSpeed) -> str:
    state = speed.state
    told = [
        f"{what} {now:.0f} of at most {largest:.0f} MHz"
        for what, now, largest in (
            ("SM clock", state.sm_clock, state.largest_sm_clock),
            ("memory clock", state.memory_clock, state.largest_memory_clock),
        )
        if now is not None and largest is not None
    ]
    told += [f"{state.temperature:.0f} \N{DEGREE SIGN}C"] if state.temperature is not None else []
    told += [f"power limit {state.power_limit:.0f} W"] if state.power_limit is not None else []
    return "right after it " + ", ".join(told) if told else "nvidia-smi tells no clocks"


def _kernels(report: GpuReport) -> str:
    text = ""
    if report.kernels is not None:
        found = report.kernels
        text = f"## Merge kernels alone\n\n{found.passed} of {found.cases} cases that ran passed."
        if found.failed:
            text += " Failed:\n\n" + "\n".join(f"- {_cell(name)}" for name in found.failed)
    if report.kernel_timings:
        header = (
            "All merges of",
            "metric",
            "precision",
            "batch",
            "merges",
            "median ms",
            "share of the engine",
        )
        rows = [
            (
                timing.model,
                timing.metric,
                timing.precision,
                str(timing.batch),
                str(timing.merges),
                f"{timing.timing.median_milliseconds:.4f}",
                share_of_engine(report, timing),
            )
            for timing in report.kernel_timings
        ]
        text += "\n\n" if text else "## Merge kernels alone\n\n"
        text += _table(header, rows)
    return text


def share_of_engine(report: GpuReport, kernels: KernelTiming) -> str:
    """The kernels' time as a share of the plugin engine's with the same merges, where that was measured."""
    if (kernels.model, kernels.metric, kernels.precision) != (report.model, "hidden", "fp16"):
        return NOTHING
    for speed in report.speed.get("tensorrt", ()):
        for candidate in speed.candidates:
            if speed.batch == kernels.batch and candidate.name == "plugin engine":
                share = kernels.timing.median_milliseconds / candidate.timing.median_milliseconds
                return f"{share:.1%}"
    return NOTHING


def _engines(report: GpuReport) -> str:
    if not report.engines:
        return ""
    rows = [
        (
            engine.file,
            f"{BACKENDS.get(engine.backend, engine.backend)} {engine.backend_version}",
            engine.precision,
            str(engine.merges),
            str(engine.layers),
            f"{engine.megabytes:g}",
            f"{engine.build_seconds:g}",
        )
        for engine in report.engines
    ]
    header = ("Plan", "built by", "precision", "merges", "layers parsed", "MB", "seconds")
    return "## Engines\n\n" + _table(header, rows)


def _parity(found: EngineParity) -> str:
    sections = [
        f"## Parity: {_cell(found.name)}",
        f"{found.verdict}, {found.images} images: {_cell(found.reason)}.",
        _decisions(found),
        _arithmetic(found),
        _task(found),
    ]
    return "\n\n".join(section for section in sections if section)


def _decisions(found: EngineParity) -> str:
    decisions = [*([found.decisions] if found.decisions else []), *found.reported_decisions]
    rows = [
        (
            record.runtime,
            f"{record.compared:,}",
            percent(record.agreed, record.compared),
            f"{record.excused:,}",
            f"{record.excused_by_jumps:,}",
            f"{record.unexplained:,}",
            "yes" if record is found.decisions else "no, reported",
        )
        for record in decisions
    ]
    header = ("Decisions", "compared", "agree", "within rounding", "by a jump alone", "otherwise", "judged")
    return _table(header, rows) if rows else ""


def _arithmetic(found: EngineParity) -> str:
    rows = [
        (
            f"{record.output}, {record.precision}",
            f"{record.error:.2e}",
            f"{record.torch_error:.2e}",
            f"{record.limit:.2e}",
            "yes" if record.passed else "no",
        )
        for record in found.arithmetic
    ]
    return _table(("Same decisions, against float64", "error", "PyTorch's error", "allowed", "passed"), rows)


def _task(found: EngineParity) -> str:
    rows = [
        (f"{record.model}: {record.vector}", record.against, f"{record.mean:.6f}", f"{record.minimum:.6f}")
        for record in found.task
    ]
    return _table(("Photos", "PyTorch fp32", "mean cosine", "lowest"), rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    """Text that stays within one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")
