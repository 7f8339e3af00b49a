"""What the records of a manifest say of each other: a manifest that was rewritten in one place shows it here.

Every function raises ValueError, which begins with the place as a person finds it in the file. Numbers that
were measured are held against each other in ``measured_consistency.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pitome.bundle.build_record import AccuracyRecord, BuildRecord
from pitome.bundle.graph_records import GraphRecord, OnnxRecord, PlanRecord, Role, TensorRecord
from pitome.bundle.merge_records import FlopsRecord, MethodRecord, ScheduleRecord
from pitome.bundle.model_records import ModelRecord
from pitome.bundle.record import AssetRecord, FileRecord, NativeRecord

GRAPHS: Mapping[str | None, Mapping[str, Role]] = {
    None: {"model": "encoder"},
    "dual-encoder": {"image": "image-encoder", "text": "text-encoder"},
}
"""By system the names of its graphs, in order, with their roles; a plain encoder is a system of one."""


def once(values: Iterable[object], place: str) -> None:
    """Of names that tell things apart each stands there once."""
    seen: set[object] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{place}: {value} stands there twice")
        seen.add(value)


def check_files(
    graphs: Sequence[GraphRecord], others: Iterable[FileRecord], assets: Sequence[AssetRecord]
) -> None:
    """Every file is listed once; only the weights that graphs share may be listed by each of them."""
    shared = {data.file for graph in graphs for onnx in graph.onnx for data in onnx.external_data}
    digests: dict[str, str] = {}
    for graph in graphs:
        for record in graph.files():
            if digests.setdefault(record.file, record.sha256) != record.sha256:
                raise ValueError(f"{record.file} is listed twice with different digests")
    own = [record.file for graph in graphs for record in (*graph.onnx, *graph.plans)]
    for record in (*assets, *others):
        if record.file in digests and digests[record.file] != record.sha256:
            raise ValueError(f"{record.file} is listed twice with different digests")
    once([*shared, *own, *(record.file for record in (*assets, *others))], "files")


def check_model(model: ModelRecord, assets: Sequence[AssetRecord], build: BuildRecord) -> None:
    """Weights, labels and options of one model."""
    weights = model.weights
    if weights.random and (weights.source != "random" or weights.revision is not None):
        raise ValueError(f"model.weights: random weights come from {weights.source}")
    if weights.random and weights.seed != build.model.seed:
        raise ValueError(f"model.weights.seed: {weights.seed}, where build.model.seed is {build.model.seed}")
    if not weights.random and weights.source == "random":
        raise ValueError("model.weights.random: false, where their source is random")
    has_labels = any(asset.role == "labels" for asset in assets)
    if has_labels != (model.num_labels is not None):
        raise ValueError("model.num_labels: it is there where assets has a file of labels, and only there")
    if (model.logit_bias is not None) > (model.logit_scale is not None):
        raise ValueError("model.logit_bias: it stands beside logit_scale")
    for name in ("text", "logit_scale"):
        if (getattr(model, name) is not None) != (model.system == "dual-encoder"):
            raise ValueError(f"model.{name}: it is there where system is dual-encoder, and only there")
    if model.system == "dual-encoder" and model.task != "image-embedding":
        raise ValueError(f"model.task: {model.task}, where a dual encoder is of image-embedding")
    if (model.preprocess.kind == "image") != model.task.startswith("image-"):
        raise ValueError(f"model.task: {model.task}, where preprocess is of kind {model.preprocess.kind}")


def check_accuracy(accuracy: Sequence[AccuracyRecord], model: ModelRecord) -> None:
    """What tasks said is of real weights, and of each task and speed once."""
    if accuracy and model.weights.random:
        raise ValueError("accuracy: random weights have none")
    once([(each.task, each.speed) for each in accuracy], "accuracy")
    for number, each in enumerate(accuracy):
        low, high = each.interval or (each.value, each.value)
        if not low <= each.value <= high:
            raise ValueError(f"accuracy[{number}].interval: {low} to {high} does not hold {each.value}")


def check_method(method: MethodRecord, schedule: ScheduleRecord) -> None:
    """The operators of the layers are of the schedule and of the settings."""
    layers = len(schedule.num_merged)
    if len(method.layers) != layers:
        raise ValueError(f"{layers} layers need the numbers of {layers}, not {len(method.layers)}")
    for layer, merged in enumerate(schedule.num_merged):
        candidates, mergeable = schedule.num_candidates[layer], schedule.tokens[layer] - method.num_protected
        if merged and not 2 * merged <= candidates <= mergeable:
            raise ValueError(
                f"layer {layer} merges {merged} tokens, so num_candidates is from {2 * merged} to "
                f"{mergeable}, not {candidates}"
            )
        if not merged and candidates:
            raise ValueError(f"schedule.num_candidates[{layer}]: {candidates}, where nothing is merged")
        operator = method.layers[layer]
        if operator is None:
            continue
        wanted = (merged, candidates, method.num_protected)
        if (operator.num_merged, operator.num_candidates, operator.num_protected) != wanted:
            raise ValueError(f"the operator of layer {layer} is not for {merged} of {candidates} tokens")
        if method.settings.split is not None and operator.split != method.settings.split:
            raise ValueError(
                f"method.layers[{layer}].split: {operator.split}, not the {method.settings.split} of settings"
            )


def check_graphs(graphs: Sequence[GraphRecord], model: ModelRecord) -> None:
    """Names, feeds, tensors, ONNX files and plans of the graphs."""
    outputs = {f"{graph.name}.{output.name}" for graph in graphs for output in graph.outputs}
    if len({graph.name for graph in graphs}) != len(graphs):
        raise ValueError("two graphs have one name")
    wanted = GRAPHS[model.system]
    if {graph.name: graph.role for graph in graphs} != wanted or [each.name for each in graphs] != [*wanted]:
        told = " and ".join(f"{name} ({role})" for name, role in wanted.items())
        raise ValueError(f"graphs: {model.system or 'a model that is no system'} has {told}")
    for number, graph in enumerate(graphs):
        place = f"graphs[{number}]"
        _check_labels(graph, model.num_labels, f"{place}.outputs")
        once([tensor.name for tensor in graph.inputs], f"{place}.inputs")
        once([tensor.name for tensor in graph.outputs], f"{place}.outputs")
        for name, source in graph.feeds.items():
            if name not in {tensor.name for tensor in graph.inputs} or source not in outputs:
                raise ValueError(f"{graph.name} has no input {name}, or no graph gives {source}")
        _check_onnx(graph.onnx, f"{place}.onnx")
        _check_plans(graph, f"{place}.plans")


def _check_labels(graph: GraphRecord, num_labels: int | None, place: str) -> None:
    """There are as many names as the logits have numbers."""
    for output in graph.outputs:
        if num_labels is not None and output.name == "logits" and output.shape[-1] != num_labels:
            raise ValueError(f"{place}: logits has {output.shape[-1]}, and model.num_labels is {num_labels}")


def _check_onnx(onnx: Sequence[OnnxRecord], place: str) -> None:
    """The graph in fp32 comes first; each precision is there once, and may be there as standard operators."""
    graphs = [each.precision for each in onnx if not each.inlined]
    inlined = [each.precision for each in onnx if each.inlined]
    if onnx[0].inlined or onnx[0].precision != "fp32":
        raise ValueError(f"{place}[0]: the first is the graph in fp32, not inlined")
    once(graphs, place)
    once(inlined, f"{place}, inlined")
    if left := [precision for precision in inlined if precision not in graphs]:
        raise ValueError(f"{place}: there is no graph in {left[0]} that the inlined one is of")


def _check_plans(graph: GraphRecord, place: str) -> None:
    precisions = [onnx.precision for onnx in graph.onnx if not onnx.inlined]
    for number, plan in enumerate(graph.plans):
        if plan.precision not in precisions:
            raise ValueError(f"{place}[{number}].precision: no graph is in {plan.precision}")
        if (plan.merge_path == "none") != (graph.merges == 0):
            raise ValueError(
                f"{place}[{number}].merge_path: {plan.merge_path}, where the graph has {graph.merges} merges"
            )
        if plan.merge_path == "plugin" and plan.plugin_layers != graph.merges:
            raise ValueError(
                f"{place}[{number}].plugin_layers: {plan.plugin_layers}, where the graph has "
                f"{graph.merges} merges"
            )
        once(plan.targets, f"{place}[{number}].targets")


def check_merges(graphs: Sequence[GraphRecord], method: MethodRecord, flops: FlopsRecord) -> None:
    """The first graph has as many operators as the method has, no other has any; their work is all of it."""
    operators = sum(layer is not None for layer in method.layers)
    for number, graph in enumerate(graphs):
        if number and (graph.merges or graph.flops.base != graph.flops.merged):
            raise ValueError(f"graphs[{number}]: only the first graph merges and saves work")
    if graphs[0].merges != operators:
        raise ValueError(f"graphs[0].merges: {graphs[0].merges}, where the method has {operators} operators")
    found = (sum(graph.flops.base for graph in graphs), sum(graph.flops.merged for graph in graphs))
    if (flops.base, flops.merged) != found:
        what = "it is not the flops of the only graph" if len(graphs) == 1 else "flops is not their sum"
        raise ValueError(f"graphs[0].flops: {what}")


def check_build(build: BuildRecord, graphs: Sequence[GraphRecord]) -> None:
    """The precision that was asked for is there, and what the plan's options led to."""
    for number, graph in enumerate(graphs):
        if build.precision not in [onnx.precision for onnx in graph.onnx if not onnx.inlined]:
            raise ValueError(f"build.precision: graphs[{number}] has none in {build.precision}")
        if build.plan is not None and not any(
            (plan.precision, plan.backend) == (build.plan.precision, build.plan.backend)
            for plan in graph.plans
        ):
            of_graph = "" if len(graphs) == 1 else f" for graphs[{number}]"
            raise ValueError(
                f"build.plan: there is no plan in {build.plan.precision} of {build.plan.backend}{of_graph}"
            )


def check_native(native: Sequence[NativeRecord], left_out: str | None, plans: Sequence[PlanRecord]) -> None:
    """One library of each kind, where something uses it."""
    once([library.kind for library in native], "native")
    kinds = [library.kind for library in native]
    if ("tensorrt" in kinds) != any(plan.merge_path == "plugin" for plan in plans):
        raise ValueError(
            "there is a library of kind tensorrt where a plan's merge_path is plugin, and only there"
        )
    if left_out is not None and "onnxruntime" in kinds:
        raise ValueError("native_left_out: it says why a library is not there, and native has it")


def check_inputs(graphs: Sequence[GraphRecord], model: ModelRecord) -> None:
    """The first input of each graph is as large as preprocessing makes it; embeddings that are compared have
    one width."""
    if model.text is not None:
        _check_input(graphs[1], (model.text.sequence_length,), "graphs[1]", "text")
        if model.max_length != model.text.sequence_length:
            raise ValueError(f"model.max_length: {model.max_length}, where model.text has another length")
        image, text = (graph.outputs[0].shape[-1] for graph in graphs)
        if image != text:
            raise ValueError(f"graphs[1].outputs: embeddings of {text} numbers, where images have {image}")
    if model.preprocess.kind == "image":
        wanted: tuple[int, ...] = (model.preprocess.image_size,) * 2
    else:
        wanted = (model.preprocess.sequence_length,)
        if model.max_length is not None and model.max_length < model.preprocess.sequence_length:
            raise ValueError(f"model.max_length: {model.max_length}, where texts have {wanted[0]} tokens")
    _check_input(graphs[0], wanted, "graphs[0]", "preprocess")


def _check_input(graph: GraphRecord, wanted: tuple[int, ...], place: str, made_by: str) -> None:
    found = _static(graph.inputs[0])[-len(wanted) :]
    if found != wanted:
        raise ValueError(
            f"{place}.inputs[0].shape: it ends in {_sizes(found)}, and {made_by} makes {_sizes(wanted)}"
        )


def _static(tensor: TensorRecord) -> tuple[int | str, ...]:
    return tensor.shape[1:]


def _sizes(shape: Sequence[int | str]) -> str:
    return " x ".join(map(str, shape)) or "nothing"
