"""The process of `pitome.runtime.first_opening`: it reads what to open from stdin and answers in one line."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

from pitome.errors import PitomeError

_TEXTS = (
    "",
    "a",
    "Hello, World! 12345",
    "a photo of a cat",
    "naïve café 東京 🙂",
    "word " * 2000,
    "x" * 5000,
)
_PAIRS = (("a", "b"), ("a photo", "of a cat " * 500))


def main() -> None:
    """Open what stdin says; the answer is one line of JSON."""
    request = json.loads(sys.stdin.read())
    _limit(float(request["seconds"]), int(request["memory"]))
    try:
        if request["tokenizer"] is not None:
            _try_tokenizer(request["tokenizer"])
        if request["image"] is not None:
            _try_image(request["image"])
    except PitomeError as error:
        _say({"asked": error.asked, "found": error.found, "remedy": error.remedy})
    except MemoryError:
        _say(
            {
                "asked": "opening its tokenizer or the steps for its images",
                "found": f"it takes more than {int(request['memory']):,} bytes of memory",
                "remedy": "Choose another checkpoint",
            }
        )
    else:
        _say({"fits": "yes"})


def _limit(seconds: float, memory: int) -> None:
    processor = max(1, round(seconds))
    resource.setrlimit(resource.RLIMIT_CPU, (processor, processor + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _try_tokenizer(source: Mapping[str, object]) -> None:
    from pitome.models.tokenizer import as_tokenizer_error, load_tokenizer

    config = SimpleNamespace(vocab_size=source["vocab_size"], pad_token_id=source["pad_token_id"])
    length = int(str(source["sequence_length"]))
    found = load_tokenizer(Path(str(source["folder"])), config, length, bool(source["lower_case"]))
    if found.tokenizer is not None:
        with as_tokenizer_error("the bundle's tokenizer"):
            found.tokenizer.encode_batch([*_TEXTS, *_PAIRS])
            found.tokenizer.no_truncation()
            found.tokenizer.encode_batch([*_TEXTS, *_PAIRS])


def _try_image(record: Mapping[str, object]) -> None:
    from PIL import Image

    from pitome.bundle.preprocess_record import ImagePreprocess
    from pitome.images.decoding import MODES
    from pitome.images.transform import transform

    preprocess = ImagePreprocess.model_validate_json(json.dumps(record))
    size = (preprocess.width, preprocess.height)
    transform(Image.new(MODES[preprocess.channels], size), preprocess, "an image of the model's size")


def _say(answer: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
