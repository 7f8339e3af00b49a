"""The files of a sentence-transformers checkpoint: which tokens become one vector, and how. Imports no torch.

``modules.json`` lists the modules in order: a Transformer, a Pooling, then any of Dense, Normalize and
Dropout. Keys and defaults are those of sentence-transformers 5, which reads those of older versions too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pitome.errors import InputError
from pitome.models.plain_file import read_json, read_json_list
from pitome.models.tokenizer_files import CONFIG_FILE as TOKENIZER_CONFIG

PoolingMode = Literal["cls", "max", "mean", "mean_sqrt_len_tokens"]
HEAD = "sentence_head"
"""Name of the part of a model that makes the vector."""
MODULES_FILE = "modules.json"
PROMPTS_FILE = "config_sentence_transformers.json"
LENGTH_FILES = tuple(
    f"sentence_{name}_config.json"
    for name in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
ACTIVATIONS = ("Tanh", "Identity", "ReLU", "GELU", "Sigmoid", "SiLU", "Softplus", "ELU", "LeakyReLU", "Mish")
"""Classes of ``torch.nn`` with their defaults."""
_MODES: dict[str, PoolingMode] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
}
"""Key of older files -> mode, in the order in which several are put side by side."""
_OTHER_MODES = {"pooling_mode_weightedmean_tokens": "weightedmean", "pooling_mode_lasttoken": "lasttoken"}
_POOLING_KEYS = ("pooling_mode", "include_prompt", "embedding_dimension", "word_embedding_dimension")
_DENSE_KEYS = {"in_features", "out_features", "bias", "activation_function"}
_EMBEDDING = "sentence_embedding"
_CORRECT = "Correct the file"
_ENCODE = "Choose a checkpoint whose modules are Transformer, Pooling, Dense and Normalize"


@dataclass(frozen=True)
class DenseLayer:
    """A linear layer on the vector, and what follows it."""

    folder: Path
    """With its weights."""
    in_features: int
    out_features: int
    bias: bool
    activation: str
    """One of ``ACTIVATIONS``."""


@dataclass(frozen=True)
class Normalise:
    """Makes the vector's length 1."""


@dataclass(frozen=True)
class SentenceModules:
    """How a checkpoint makes one vector of a text."""

    folder: Path
    """The checkpoint's."""
    transformer: Path
    """The folder with the encoder's ``config.json`` and weights."""
    pooling: tuple[PoolingMode, ...]
    """Put side by side where there are several."""
    pooled_width: int | None
    """Of the tokens, as the file says it."""
    steps: tuple[DenseLayer | Normalise, ...]
    """What happens to the vector, in order."""
    max_length: int | None
    """Tokens that a text is cut to; None = as many as the encoder can take."""
    lower_case: bool
    """Texts are made lower case before the tokenizer."""
    notes: tuple[str, ...] = field(default=(), compare=False)
    """See ``LoadedModel.notes``."""

    @property
    def normalised(self) -> bool:
        """Whether the vector has length 1."""
        return bool(self.steps) and isinstance(self.steps[-1], Normalise)


def read_sentence_modules(folder: Path) -> SentenceModules | None:
    """What ``modules.json`` and the files that it names say; None where there is none.

    Raises:
        InputError: a module of another kind, a mode of pooling that merged tokens can't give, modules in
            another order, or a file that is missing, damaged or has a value of another type; its field is
            named.
    """
    if not os.path.lexists(folder / MODULES_FILE):
        return None
    modules = _modules(folder)
    kinds = [kind for kind, _ in modules]
    if kinds[0] != "Transformer" or kinds[1:2] != ["Pooling"] or set(kinds[2:]) & {"Transformer", "Pooling"}:
        raise InputError(
            f"the file {folder / MODULES_FILE}",
            f"its modules are {', '.join(kinds)}, not a Transformer, a Pooling and what follows them",
            _ENCODE,
        )
    transformer, pooling = modules[0][1], modules[1][1]
    if not os.path.lexists(transformer / "config.json"):
        raise InputError(
            f"the model in {folder}",
            f"it is a sentence-transformers folder without the model itself, {transformer / 'config.json'}",
            "Fetch the whole folder again",
        )
    modes, width, pooling_notes = _pooling(pooling / "config.json")
    steps: list[DenseLayer | Normalise] = []
    notes = list(pooling_notes)
    for kind, place in modules[2:]:
        if kind == "Dense":
            layer, unknown = _dense(place)
            steps.append(layer)
            notes += unknown
        elif kind == "Normalize":
            steps.append(Normalise())
    length, lower_case = _length(transformer)
    notes += _prompt_notes(folder)
    return SentenceModules(folder, transformer, modes, width, tuple(steps), length, lower_case, tuple(notes))


def module_folders(path: Path) -> list[tuple[str, str]]:
    """Kind and folder of each module that a ``modules.json`` names, the folder as it is written there.

    Raises:
        InputError: as `read_sentence_modules`, of this file.
    """
    asked = f"the file {path}"
    listed = read_json_list(path)
    if not listed:
        raise InputError(asked, "it lists no modules", "Fetch the file again")
    found = []
    for number, module in enumerate(listed):
        if not isinstance(module, dict):
            raise InputError(asked, f"module {number} is {module!r}, not an object", _CORRECT)
        found.append((_kind(asked, number, module), _place(asked, number, module)))
    return found


def _modules(folder: Path) -> list[tuple[str, Path]]:
    return [(kind, folder / place) for kind, place in module_folders(folder / MODULES_FILE)]


_KNOWN = ("Transformer", "Pooling", "Dense", "Normalize", "Dropout")


def _kind(asked: str, number: int, module: Mapping[str, Any]) -> str:
    named = module.get("type")
    if not isinstance(named, str):
        raise InputError(
            asked, f"the type of module {number} is {named!r}, not the name of a class", _CORRECT
        )
    package, _, kind = named.rpartition(".")
    if package.partition(".")[0] != "sentence_transformers":
        raise InputError(
            asked,
            f"module {number} is {named}, code of its own that is not run",
            "Choose a checkpoint whose modules are those of sentence-transformers",
        )
    if kind not in _KNOWN:
        raise InputError(
            asked, f"module {number} is {kind} ({named}), and known are {', '.join(_KNOWN)}", _ENCODE
        )
    return kind


def _place(asked: str, number: int, module: Mapping[str, Any]) -> str:
    place = module.get("path", "")
    parts = PurePosixPath(place).parts if isinstance(place, str) else ("..",)
    if ".." in parts or "\\" in str(place) or "\0" in str(place) or str(place).startswith(("/", "~")):
        raise InputError(
            asked, f"the path of module {number} is {place!r}, not a folder of the checkpoint", _CORRECT
        )
    return str(place)


def _pooling(path: Path) -> tuple[tuple[PoolingMode, ...], int | None, tuple[str, ...]]:
    asked, content = f"the file {path}", read_json(path)
    width_key = "embedding_dimension" if "embedding_dimension" in content else "word_embedding_dimension"
    width = _whole(asked, content, width_key) if width_key in content else None
    flags = {**_MODES, **_OTHER_MODES}
    for key in (*flags, "include_prompt"):
        if not isinstance(content.get(key, False), bool):
            raise InputError(asked, f"its {key} is {content[key]!r}, not true or false", _CORRECT)
    unknown = sorted(content.keys() - {*flags, *_POOLING_KEYS})
    for key in unknown:
        if key.startswith("pooling_mode") and content[key] is not False:
            raise InputError(asked, f"its {key} is {content[key]!r}, a mode that is not known here", _ENCODE)
    named = content.get("pooling_mode")
    if named is None:
        wanted: Sequence[Any] = [mode for key, mode in flags.items() if content.get(key)] or ["mean"]
    else:
        wanted = named if isinstance(named, list) else [named]
    modes = tuple(_mode(asked, mode) for mode in wanted)
    if not modes:
        raise InputError(asked, "its pooling_mode names no mode", _CORRECT)
    notes = _unknown_keys(path, unknown)
    if content.get("include_prompt", True) is False:
        notes += ("Pooling leaves the tokens of a prompt out; no prompt is put in front of texts here",)
    return modes, width, notes


def _unknown_keys(path: Path, unknown: Sequence[str]) -> tuple[str, ...]:
    if not unknown:
        return ()
    return (
        f"set aside of {path.parent.name}/config.json, which are keys that are not known: "
        f"{', '.join(unknown)}",
    )


def _mode(asked: str, mode: Any) -> PoolingMode:
    for known in _MODES.values():
        if mode == known:
            return known
    if mode in _OTHER_MODES.values():
        raise InputError(
            asked,
            f"its pooling is {mode}, which needs every token at its own place, and merged tokens have none",
            f"Choose a checkpoint that pools by {', '.join(_MODES.values())}",
        )
    raise InputError(
        asked, f"its pooling_mode is {mode!r}, and known are {', '.join(_MODES.values())}", _CORRECT
    )


def _dense(folder: Path) -> tuple[DenseLayer, tuple[str, ...]]:
    path = folder / "config.json"
    asked, content = f"the file {path}", read_json(path)
    for key in ("module_input_name", "module_output_name"):
        if content.get(key) not in (None, _EMBEDDING):
            raise InputError(
                asked,
                f"its {key} is {content[key]!r}: it does not work on the vector of the text ({_EMBEDDING})",
                _ENCODE,
            )
    if content.get("use_residual", False) is not False:
        raise InputError(
            asked, f"its use_residual is {content['use_residual']!r}, which is not known here", _ENCODE
        )
    bias = content.get("bias", True)
    if not isinstance(bias, bool):
        raise InputError(asked, f"its bias is {bias!r}, not true or false", _CORRECT)
    layer = DenseLayer(
        folder,
        _whole(asked, content, "in_features"),
        _whole(asked, content, "out_features"),
        bias,
        _activation(asked, content),
    )
    known = _DENSE_KEYS | {"module_input_name", "module_output_name", "use_residual"}
    return layer, _unknown_keys(path, sorted(content.keys() - known))


def _activation(asked: str, content: Mapping[str, Any]) -> str:
    named = content.get("activation_function", "torch.nn.modules.activation.Tanh")
    if named is None:
        return "Identity"
    package, _, name = named.rpartition(".") if isinstance(named, str) else ("", "", "")
    if not package.startswith("torch.nn") or name not in ACTIVATIONS:
        raise InputError(
            asked,
            f"its activation_function is {named!r}, and known are {', '.join(ACTIVATIONS)} of torch.nn",
            _ENCODE,
        )
    return name


def _whole(asked: str, content: Mapping[str, Any], key: str) -> int:
    value = content.get(key)
    if type(value) is not int or not 0 < value < 2**20:
        raise InputError(asked, f"its {key} is {value!r}, not a number from 1 to {2**20 - 1}", _CORRECT)
    return value


def _length(transformer: Path) -> tuple[int | None, bool]:
    """Tokens of the longest text, and whether it is made lower case."""
    path = next((transformer / name for name in LENGTH_FILES if os.path.lexists(transformer / name)), None)
    content = {} if path is None else read_json(path)
    asked = f"the file {path}"
    lower_case = content.get("do_lower_case", False)
    if not isinstance(lower_case, bool):
        raise InputError(asked, f"its do_lower_case is {lower_case!r}, not true or false", _CORRECT)
    if content.get("max_seq_length") is not None:
        return _whole(asked, content, "max_seq_length"), lower_case
    longest = None
    if os.path.lexists(transformer / TOKENIZER_CONFIG):
        longest = read_json(transformer / TOKENIZER_CONFIG, portable=False).get("model_max_length")
    # Where nobody set one, transformers writes a number of thirty digits.
    usable = type(longest) is int and 0 < longest < 2**20
    return (longest if usable else None), lower_case


@dataclass(frozen=True)
class Prompts:
    """What a checkpoint puts in front of texts."""

    texts: Mapping[str, str] = field(default_factory=dict)
    """By name, such as query -> "query: "."""
    default: str | None = None
    """The name of the one that is used where none is asked for."""


def read_prompts(folder: Path) -> Prompts:
    """The prompts of a checkpoint; none where it has no file of them.

    Raises:
        InputError: the file is damaged, or its prompts are no texts by name.
    """
    path = folder / PROMPTS_FILE
    if not os.path.lexists(path):
        return Prompts()
    content = read_json(path)
    prompts = content.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(text, str) for text in prompts.values()):
        raise InputError(f"the file {path}", f"its prompts are {prompts!r}, not texts by name", _CORRECT)
    default = content.get("default_prompt_name")
    if default is not None and not (isinstance(default, str) and default in prompts):
        raise InputError(
            f"the file {path}", f"its default_prompt_name is {default!r}, no prompt of it", _CORRECT
        )
    return Prompts(prompts, default)


def includes_prompt(folder: Path) -> bool:
    """Whether the tokens of a prompt are pooled with those of the text; the one module of pooling says it.

    Raises:
        InputError: its file is damaged.
    """
    path = folder / MODULES_FILE
    places = [place for kind, place in module_folders(path) if kind == "Pooling"] if path.exists() else []
    return all(read_json(folder / place / "config.json").get("include_prompt", True) for place in places)


def _prompt_notes(folder: Path) -> Iterator[str]:
    prompts = read_prompts(folder)
    used = {name: text for name, text in prompts.texts.items() if text}
    if used:
        listed = ", ".join(f"{name} {text!r}" for name, text in used.items())
        usual = f"; it uses {prompts.default} by default" if used.get(str(prompts.default)) else ""
        yield (
            f"The checkpoint has prompts to put in front of texts ({listed}{usual}): texts(prompt=NAME) of "
            "pitome.load adds them, parity and validation do not"
        )
