"""The README.md of a bundle on the hub, written from its manifest: nothing in it was not measured or read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pitome.bundle import GraphRecord, Manifest, PlanRecord
from pitome.bundle.latency_records import LatencyRecord, LatencyReport
from pitome.bundle.parity_records import ParityReport
from pitome.bundle.preprocess_record import ImagePreprocess
from pitome.serving.hub.card_facts import base_models_of, card_facts, front_matter, printable

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#&!~])")
_RANDOM = (
    "> **Random weights.** This bundle was built with seeded random weights, because the model's own could "
    "not be had or were not asked for. It is right for measuring speed and parity, and knows nothing: its "
    "outputs mean nothing. `pitome.load` refuses it without `allow_random=True`."
)


def model_card(manifest: Manifest, repository: str, signed: bool = False) -> str:
    """The text of README.md.

    Args:
        manifest: of the bundle.
        repository: ``org/name``, for the examples.
        signed: whether a signature lies beside it.
    """
    sections = (
        _title(manifest),
        _loading(manifest, repository),
        _numbers(manifest),
        _limits(manifest),
        _origin(manifest, signed),
    )
    return front_matter(card_facts(manifest)) + "\n" + "\n\n".join(sections) + "\n"


def _title(manifest: Manifest) -> str:
    model, flops = manifest.model, manifest.flops
    merged = sum(manifest.schedule.num_merged)
    what = f"`{_code(model.name)}` ({plain(model.family)}, {model.task})"
    if merged:
        tokens = manifest.schedule.tokens
        done = (
            f"{what} with tokens merged inside of its blocks (PiToMe, method "
            f"`{manifest.method.settings.method}`): {tokens[0]} tokens become {tokens[-1]} over "
            f"{len(tokens) - 1} layers, which leaves {flops.ratio:.3f} of the FLOPs."
        )
    else:
        done = f"{what}; no tokens are merged."
    parts = [f"# {plain(model.name)}", *([_RANDOM] if model.weights.random else []), done]
    if model.system is not None:
        names = ", ".join(
            f"`{_code(g.name)}` ({'merged' if g.merges else 'not merged'})" for g in manifest.graphs
        )
        parts.append(f"It has {len(manifest.graphs)} graphs: {names}.")
    return "\n\n".join(parts)


def _loading(manifest: Manifest, repository: str) -> str:
    random = ", allow_random=True" if manifest.model.weights.random else ""
    lines = ["import pitome", "", f'bundle = pitome.load("{repository}"{random})', *_calls(manifest)]
    code = "\n".join(lines)
    return (
        f"## How to load it\n\n```python\n{code}\n```\n\n"
        f"For production pin the commit, `{repository}@COMMIT`: it is then taken from the local cache "
        "without asking the hub. Every file is checked against its digest before it is used. The ONNX files "
        "also run in any ONNX runtime, without pitome."
    )


def _calls(manifest: Manifest) -> list[str]:
    model = manifest.model
    if model.system is not None:
        return ['bundle.classify(["photo.jpg"], labels=["a cat", "a dog"])', 'bundle.images(["photo.jpg"])']
    if model.task == "token-classification":
        return ["bundle.run(arrays)  # the inputs that manifest.json names"]
    if "classification" in model.task:
        given = '["photo.jpg"]' if model.task.startswith("image") else '["a text"]'
        return [f"bundle.classify({given})"]
    return ['bundle.images(["photo.jpg"])' if model.task.startswith("image") else 'bundle.texts(["a text"])']


def _numbers(manifest: Manifest) -> str:
    flops = manifest.flops
    parts = [
        "## Numbers",
        _table(
            ("what", "unmerged", "this bundle", "ratio"),
            [("multiply-adds per input", f"{flops.base:,.0f}", f"{flops.merged:,.0f}", f"{flops.ratio:.3f}")],
        ),
        *_accuracy(manifest),
        _speed(manifest),
        _parity(manifest),
    ]
    return "\n\n".join(parts)


def _accuracy(manifest: Manifest) -> list[str]:
    if manifest.model.weights.random:
        return ["Accuracy: none. The weights are random."]
    if not manifest.accuracy:
        return ["Accuracy: **not measured** after merging (`pitome validate` does it)."]
    rows = []
    for each in manifest.accuracy:
        interval = f" ({each.interval[0]:.4g} to {each.interval[1]:.4g})" if each.interval else ""
        base = "not measured" if each.base is None else f"{each.base:.4g}"
        speed = f", {plain(each.speed)}" if each.speed else ""
        rows.append((plain(each.task) + speed, f"{each.n:,}", base, f"{each.value:.4g}{interval}"))
    return [_table(("task", "samples", "unmerged", "this bundle (95 % interval)"), rows)]


def _speed(manifest: Manifest) -> str:
    latency = manifest.latency
    if latency is None:
        return "Speed: **not measured**."
    rows = [_speed_row(each) for each in latency.results]
    where = f"Speed {_runtime(latency)}, {plain(latency.machine)}; the unmerged model in the same rounds:"
    return f"{where}\n\n" + _table(
        ("batch", "unmerged, ms", "this bundle, ms", "speed-up (95 % interval)"), rows
    )


def _runtime(latency: LatencyReport) -> str:
    graph = f", graph `{_code(latency.graph)}`" if latency.graph else ""
    if latency.plan is not None:
        return f"of a plan in {latency.plan.precision} by {plain(latency.provider)}{graph}"
    version = f" {plain(latency.onnxruntime)}" if latency.onnxruntime else ""
    return f"in fp32 on onnxruntime{version} ({plain(latency.provider)}{graph}), {latency.threads} threads"


def _speed_row(found: LatencyRecord) -> tuple[str, ...]:
    low, high = found.speedup_interval
    unsteady = ", not steady" if found.steady is False else ""
    return (
        f"{found.batch}",
        f"{found.unmerged.median_milliseconds:.3g}",
        f"{found.merged.median_milliseconds:.3g}",
        f"{found.speedup:.2f} ({low:.2f} to {high:.2f}){unsteady}",
    )


def _parity(manifest: Manifest) -> str:
    told = [_parity_line(manifest.parity, "the merged model")]
    told += [_parity_line(each, f"graph `{_code(name)}`") for name, each in manifest.other_parity.items()]
    return "\n".join(told)


def _parity_line(parity: ParityReport | None, of: str) -> str:
    if parity is None:
        return f"Parity of {of} with PyTorch: **not checked**."
    reason = f" ({plain(parity.reason)})" if parity.reason else ""
    line = f"Parity of {of} with PyTorch: **{parity.verdict}**{reason}."
    if parity.unchecked:
        line += f" Not checked: {', '.join(parity.unchecked)}."
    return line


def _limits(manifest: Manifest) -> str:
    model = manifest.model
    lines = [*_input_limits(manifest)]
    if any(manifest.schedule.num_merged):
        lines.append(
            "Merging is an approximation: outputs differ from the unmerged model's. Compare embeddings only "
            "with embeddings of the same bundle."
        )
    lines += [_plan_limit(graph, plan) for graph in manifest.graphs for plan in graph.plans]
    if not any(graph.plans for graph in manifest.graphs):
        lines.append("There are no plans for GPUs in it; onnxruntime runs its graphs.")
    lines += [plain(note) for note in model.notes]
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines)


def _input_limits(manifest: Manifest) -> Iterable[str]:
    model = manifest.model
    for prepared in (model.preprocess, model.text):
        if isinstance(prepared, ImagePreprocess):
            size = f"{prepared.height} x {prepared.width} pixels, {prepared.channels} channels"
            yield f"Images are brought to {size}; other sizes need another build."
        elif prepared is not None:
            yield (
                f"Texts have {prepared.sequence_length} tokens: shorter ones are padded, longer ones are "
                "refused or cut, as asked."
            )
    yield "Hidden states of single layers and attention maps can't be had from it."


def _plan_limit(graph: GraphRecord, plan: PlanRecord) -> str:
    low, best, high = plan.profile
    run = "executed" if plan.executed else "**never run**: built without a GPU from a checked graph"
    return (
        f"`{plan.file}` (graph `{_code(graph.name)}`, {plan.precision}): {plan.backend} "
        f"{plain(plan.backend_version)} only, for {', '.join(plan.targets)}, batches of {low} to {high}, "
        f"best at {best}; {run}."
    )


def _origin(manifest: Manifest, signed: bool) -> str:
    weights = manifest.model.weights
    if weights.random:
        origin = f"Weights: seeded random (seed {weights.seed}), of no checkpoint."
    else:
        bases = base_models_of(manifest)
        at = f" at `{_code(weights.revision)}`" if weights.revision else ""
        origin = f"Weights: {plain(_source(weights.source))}{at}, sha256 `{weights.sha256}`."
        if others := [each for each in bases if each != weights.source]:
            origin += f" Its card names {', '.join(map(plain, others))} as base model."
    parts = [origin, _license(manifest)]
    if any(asset.role == "card" for asset in manifest.assets):
        name = next(asset.file for asset in manifest.assets if asset.role == "card")
        parts.append(
            f"The checkpoint's own card is `{name}`: what it says of use, data and bias holds here too."
        )
    if any(asset.role == "bom" for asset in manifest.assets):
        parts.append("The bill of materials is `bom.cdx.json` (CycloneDX 1.6).")
    if signed:
        parts.append(
            "`model.sig` is a signature (OpenSSF model signing): `pitome verify FOLDER --key "
            "PUBLIC_KEY_FILE`, or `pitome.load(..., require_signature=PUBLIC_KEY_FILE)`."
        )
    parts.append(f"Built by pitome {plain(manifest.pitome_version)}; `manifest.json` has everything else.")
    return "## Where it comes from\n\n" + "\n\n".join(parts)


def _source(source: str) -> str:
    """Of a folder, which is a path on the machine that built it, the name."""
    return source.rpartition("/")[2] if source.startswith((".", "/", "~")) else source


def _license(manifest: Manifest) -> str:
    files = [asset.file for asset in manifest.assets if asset.role == "license"]
    card = manifest.model.card
    named = None if card is None else card.license_name or card.license
    if named is None and not files:
        return "Licence: not stated by the checkpoint; ask its authors before you use it."
    told = plain(named) if named else "see"
    return f"Licence of the weights: {told}" + (
        f", {', '.join(f'`{file}`' for file in files)}." if files else "."
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plain(text: str) -> str:
    """A text that somebody else wrote, so that Markdown and HTML show its letters and nothing else."""
    return _SPECIAL.sub(r"\\\1", printable(text))


def _code(text: str) -> str:
    """The same between backticks."""
    return printable(text).replace("`", "'").replace("|", "/")
