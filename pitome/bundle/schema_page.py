"""``docs/bundle.md``, generated: ``python -m pitome.bundle.schema_page > docs/bundle.md``."""

from __future__ import annotations

from typing import Any

from pitome.bundle.build_options import CheckOptions, ModelOptions, PlanOptions
from pitome.bundle.manifest import Manifest
from pitome.option import options_of
from pitome.settings import MergeSettings, ScheduleOptions

OPTION_RECORDS = (ModelOptions, ScheduleOptions, MergeSettings, PlanOptions, CheckOptions)
"""Records whose fields are described by their options."""
_PAGE = """\
# The bundle

<!-- Generated: python -m pitome.bundle.schema_page > docs/bundle.md -->

`make engine` writes one folder per model. It appears complete or not at all. Only one build writes it at a
time, and the next build replaces it as a whole, so keep nothing of your own in it.

| file | what it is |
|---|---|
| `manifest.json` | everything below, with the sha256 of every other file |
| `manifest.json.sha256` | the digest of `manifest.json`, as sha256sum writes it |
| `model.onnx` | the merged model in fp32, for any ONNX runtime |
| `model.fp16.onnx` | the same graph in another precision, from which the plans are built |
| `image.onnx`, `text.onnx`, `image.fp16.onnx` ... | in their place, of a whole CLIP: the graph of images, \
which is merged, and that of texts, which is not |
| `*.inlined.onnx` | with `--inlined`: the graphs as standard operators alone |
| `model.fp16.tensorrt_rtx.function.plan` | a plan, with builder and merge path (`none`: nothing is merged) |
| `libpitome_plugin.so` | the plugin of TensorRT and TensorRT-RTX, where a plan was built with it |
| `config.json`, `tokenizer.json`, `LICENSE` and the like | files of the checkpoint, as it has them |
| `checkpoint_card.md` | the checkpoint's `README.md` |
| `bom.cdx.json` | the bill of materials, in CycloneDX 1.6 ([hub.md](hub.md)) |
| `model.sig` | a signature, where `pitome sign` made one; no manifest lists it |
| `labels.json` | names of a classifier's outputs, in their order: a list of texts |
| `report.html` | the build's report |

`pitome.bundle.verify_bundle(folder)` checks every byte before anything is loaded; it imports neither torch
nor onnx. By hand: `sha256sum -c manifest.json.sha256`. Unknown keys, an unknown `schema_version` and names
that lead out of the folder are errors. A file name is made of letters, digits and `_ . + -`, with `/`
between folders; a link may lead to another file of the folder. Files that the manifest does not list are
named by a warning.

No path begins at the root of the machine that built: in `build` and `model.weights.source` a folder or file
is written as seen from the bundle (`../../my-checkpoint`), or by its name alone (`./my-checkpoint`) where the
two share no folder; `build.command` has paths as seen from where it was typed. `pitome bench` and
`pitome validate` look there, and beside the bundle; `--weights FOLDER` says where the weights are now.

A whole CLIP is a dual encoder (`model.system`): an image's and a text's `image_embeds` and `text_embeds` are
compared by their cosine; a pair's logit is `logit_scale` times it, plus `logit_bias` where there is one.
`normalised` says whether the graphs' embeddings have length 1. `method`, `schedule`, `parity` and
`latency` are of the merged graph, `other_parity` of the other, and `flops` is the sum of both.

Texts: `attention_mask` is 1 for every token and 0 for padding, and its first column is 1. Pad behind the
texts (`padding_side="right"`); zeros between tokens are masked as they should be. pitome's runtimes refuse a
text that begins with padding or is padding only, other values of the mask and ids out of the vocabulary, and
they fill an optional input with zeros. A graph can't refuse: what a raw ONNX file or a plan gives for such
inputs is undefined.
"""


def _type_name(schema: dict[str, Any]) -> str:
    """Name the type of one JSON schema node the way a reader says it."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type_name(option) for option in schema["anyOf"]))
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "const" in schema or "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        if "prefixItems" in schema:
            kinds = " or ".join(dict.fromkeys(_type_name(item) for item in schema["prefixItems"]))
            return f"list of {len(schema['prefixItems'])}: {kinds}"
        return f"list of {_type_name(schema['items'])}"
    if "additionalProperties" in schema:
        return f"object of {_type_name(schema['additionalProperties'])}"
    return str(schema.get("type", "any"))


def describe_schema() -> str:
    """Return the text of ``docs/bundle.md``: one table for each record, the manifest first."""
    schema = Manifest.model_json_schema()
    records = {"Manifest": schema, **schema["$defs"]}
    told = {record.__name__: options_of(record) for record in OPTION_RECORDS}
    lines = [_PAGE]
    for name, record in records.items():
        first = record["description"].partition("\n\n")[0]
        lines += [f"## {name}", "", first, "", "| key | type | meaning |", "|---|---|---|"]
        for key, field in record["properties"].items():
            option = told.get(name, {}).get(key)
            meaning = option.help if option else field.get("description") or key.replace("_", " ")
            lines.append(f"| {key} | {_type_name(field)} | {meaning} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    print(describe_schema(), end="")
