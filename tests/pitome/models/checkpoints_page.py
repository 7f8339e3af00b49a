"""docs/checkpoints.md, from the families and from the table of hostile checkpoints:

python -m tests.pitome.models.checkpoints_page > docs/checkpoints.md
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pitome.models.families import all_families
from pitome.models.family import Family
from tests.pitome.models.hostile_checkpoints import SECTIONS

_HEAD = """\
# Which checkpoints work

<!-- Generated: python -m tests.pitome.models.checkpoints_page > docs/checkpoints.md -->

MODEL is a preset (`pitome models`), an id `org/name` or `org/name@revision` of the Hugging Face hub, or a
folder with `config.json` and weights. A preset's name goes before a folder of that name; a note says so, and
`./name` means the folder. `make dry-run MODEL=...` loads a checkpoint and builds nothing.

## What is taken

The type in `config.json` decides the family, and `architectures` the class: the first that is known. A
preset has a class of its own, which goes before it. Where the file names none, the family's default is taken.
What was taken in place of something, and every tensor that was set aside, is in the notes: of the terminal,
the summary, the page and the manifest.
"""
_TAKEN = """\
Every class is held to what transformers computes, to 1e-5 (`tests/pitome/models/test_classes.py`), and so is
every preset, by the `config.json` that the hub has for it (`test_published_configs.py`).

- **Poolers:** an encoder that was saved without one is built without one; nothing is made up. A head or any
  other tensor that is missing is an error.
- **Heads that are not named above**, and poolers that a class has no use for, are set aside by name.
- **Keys that say how somebody ran the model** change nothing: `output_attentions`, `output_hidden_states`,
  `return_dict`, `torchscript`, `use_cache`, `gradient_checkpointing`, `chunk_size_feed_forward`,
  `attn_implementation`, `dtype`. It always runs by one attention, in float32.
- **Weights:** `model.safetensors`, or its parts with or without their index; else `pytorch_model.bin`, or
  its parts, as far as PyTorch's restricted reader takes them. No code from a checkpoint is ever run, also not
  what `auto_map` names. float16, bfloat16 and float8 become float32 without loss; float64 is rounded, which a
  note says.
- **Code of its own** beside a class that transformers has: that of transformers is taken, and a note says so.
- **sentence-transformers folders:** modules.json holds: Transformer (also in `0_Transformer/`), Pooling
  (`cls`, `max`, `mean`, `mean_sqrt_len_tokens`, side by side too), Dense and Normalize are in the graph,
  whose first output is `sentence_embedding`; `max_seq_length` is the default SEQUENCE_LENGTH, and
  `do_lower_case` holds.
  Merged tokens pool as the tokens that they stand for: the mean is weighted by size, the class token is taken
  as it is, the maximum is over the tokens that are left. Prompts are said and not added. `lasttoken` and
  `weightedmean` pooling and every other module are refused by name (`test_sentence_files.py`).
- **Pairs of texts** (cross-encoders, NLI): where `type_vocab_size` is above 1, `token_type_ids` is an input
  of BERT's graph; pitome's runtimes fill in zeros where it isn't given.
- **Tokenizers:** `tokenizer.json`, or BERT's `vocab.txt`, to the same ids as transformers'. What
  `tokenizer_config.json` says of `do_lower_case`, `strip_accents` and `tokenize_chinese_chars` holds. Texts
  are always padded and cut at their end; where the files say otherwise, a note says so.
- **Memory:** what a model needs at least is counted from `config.json` and from the files before anything is
  made, and refused with both numbers where there is less.

## What is refused

Each ends in one message and exit code 2, and leaves nothing behind
(`tests/pitome/models/test_hostile_checkpoints.py`). Answers of the hub have their own texts: no such model
(404), private or not logged in (401), no right to read (403), gated, no such revision, a data set of that
name (`tests/pitome/models/test_hub.py`).
"""


def page() -> str:
    """The whole page."""
    parts = [_HEAD, "\n".join(_classes()), "", _TAKEN]
    for title, cases in SECTIONS.items():
        parts += [f"### {title}", ""]
        rows = ((case.name, case.found, case.remedy) for case in cases)
        parts += [*_table(("what", "the message says, in part", "and the way out, in part"), rows), ""]
    return "\n".join(parts).rstrip("\n") + "\n"


def _classes() -> Iterator[str]:
    rows = []
    for family in all_families():
        rows += [_class(family, name, name) for name in family.architectures]
        rows += [_class(family, name, built) for name, built in family.taken_out.items()]
    header = ("`model_type`", "class in `architectures`", "what is taken", "outputs of the graph")
    yield from _table(header, rows)


def _class(family: Family, name: str, built: str) -> tuple[str, ...]:
    taken = "itself" if built == name else f"its encoder, `{built}`"
    if name == family.whole_model:
        taken = (
            "both towers: `CLIPVisionModelWithProjection`, which is merged, and "
            "`CLIPTextModelWithProjection`, which is not; by `TOWER=image`, sweep and tune the first alone"
        )
    types = ", ".join(f"`{each}`" for each in family.model_types)
    outputs = ", ".join(f"`{each}`" for each in family.outputs[family.architectures[built]])
    outputs += "; `text_embeds`" if name == family.whole_model else ""
    return types, f"`{name}`", taken, outputs


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield _row(header)
    yield _row(("---",) * len(header))
    for row in rows:
        yield _row(row)


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|').replace('<', '&lt;') for cell in cells)} |"


if __name__ == "__main__":
    print(page(), end="")
