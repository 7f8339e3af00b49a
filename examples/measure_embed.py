"""What `pitome embed` costs beside one loop that decodes, prepares and runs, and whether its memory grows.

    python examples/measure_embed.py speed build/fashion-vit --task fashion
    python examples/measure_embed.py speed build/clip-b16-random --task photos --count 300
    python examples/measure_embed.py speed build/minilm-l6 --task r8
    python examples/measure_embed.py memory build/fashion-vit

The loop and the command take turns, on the same inputs, with the same batches and threads. Both are timed
from the first input to the last embedding, models loaded; the command's time holds the start of its processes
and the writing of its shards.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

import pitome
from pitome.runtime.bundle import Bundle
from pitome.serving.embed import EmbedOptions, embed

BATCH, THREADS, ROUNDS = 32, 2, 5
FASHION, PHOTOS = 10_000, 300
PHOTO_SIZE = (640, 480)
FIRST, LAST = 10_000, 100_000
"""Items between which memory must not grow."""


def fashion_images(folder: Path, count: int) -> list[Path]:
    """Fashion-MNIST's test images as PNG of 28 pixels."""
    from pitome.validate.evaluate.datasets.fashion_mnist import find_folder, read_idx

    images = read_idx(find_folder() / "t10k-images-idx3-ubyte.gz", 3)[:count]
    return [_saved(Image.fromarray(each), folder / f"{number:05d}.png") for number, each in enumerate(images)]


def photos(folder: Path, count: int) -> list[Path]:
    """scikit-image's photos as JPEG of 640 x 480, each mirrored and turned into several."""
    from PIL import ImageOps
    from skimage import data

    whole = [
        ImageOps.fit(Image.fromarray(each), PHOTO_SIZE)
        for each in (data.astronaut(), data.chelsea(), data.coffee(), data.rocket())
    ]
    return [
        _saved(
            Image.fromarray(np.roll(np.asarray(whole[number % len(whole)]), 7 * number, axis=1)),
            folder / f"{number:05d}.jpg",
        )
        for number in range(count)
    ]


def r8_texts(folder: Path, count: int) -> list[str]:
    """The test texts of Reuters R8."""
    from pitome.validate.evaluate.datasets.text_corpora import read_corpus

    texts = [str(text) for text in read_corpus("r8", "test").texts][:count]
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    (folder / "r8.jsonl").write_text(lines, encoding="utf-8")
    return texts


@dataclass(frozen=True)
class Took:
    """What a run took."""

    seconds: float
    """By the clock."""
    processor: float
    """Seconds of all cores together, which hardly depend on what else the machine does."""


def speed(bundle: Path, task: str, count: int | None, rounds: int, threads: int) -> None:
    """Print the inputs in a second of the loop and of the command, round by round."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "inputs")
        folder.mkdir()
        prepare = {
            "fashion": lambda: fashion_images(folder, count or FASHION),
            "photos": lambda: photos(folder, count or PHOTOS),
            "r8": lambda: r8_texts(folder, count or 10_000),
        }
        inputs: Sequence[Path] | Sequence[str] = prepare[task]()
        source = folder / "r8.jsonl" if task == "r8" else folder
        ratios: list[float] = []
        loading = _processor()
        with pitome.load(bundle, device="cpu", threads=threads, allow_random=True) as model:
            loading = _processor() - loading
            for number in range(rounds):
                out = Path(place, f"out-{number}")
                loop, command = _in_turn(
                    lambda: _loop(model, inputs),
                    lambda out=out: _command(bundle, source, out, threads, loading),
                    number,
                )
                ratios.append(loop.seconds / command.seconds)
                told = [
                    f"{name} {len(inputs) / took.seconds:.1f}/s, "
                    f"{1e3 * took.processor / len(inputs):.2f} ms of a core"
                    for name, took in (("loop", loop), ("embed", command))
                ]
                print(f"{'; '.join(told)}; ratio {ratios[-1]:.3f}", flush=True)
        low, high = min(ratios), max(ratios)
        print(f"{bundle.name}: {statistics.median(ratios):.3f} of the loop's rate [{low:.3f}, {high:.3f}]")


def memory(bundle: Path) -> None:
    """Print the resident memory of the command and its processes at 10,000 and 100,000 items."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "inputs")
        folder.mkdir()
        names = [path.name for path in fashion_images(folder, FASHION)]
        (folder / "list.txt").write_text("".join(f"{name}\n" for name in names) * (LAST // FASHION), "utf-8")
        seen: dict[int, tuple[int, int]] = {}

        def report(detail: str, done: int, total: int) -> None:
            for mark in (FIRST, LAST):
                if done >= mark and mark not in seen:
                    seen[mark] = _resident(os.getpid()), sum(map(_resident, _children()))

        options = EmbedOptions(out=Path(place, "out"), threads=THREADS, workers=THREADS, allow_random=True)
        found = embed(bundle, [folder / "list.txt"], options, report)
        for mark, (own, children) in seen.items():
            print(f"{mark:,} items: {own / 2**20:.1f} MiB, its processes {children / 2**20:.1f} MiB")
        (own, children), (later, later_children) = seen[FIRST], seen[LAST]
        print(f"growth {later / own - 1:+.2%}, of all {(later + later_children) / (own + children) - 1:+.2%}")
        print(f"{found.rate:.1f}/s")


def _in_turn(one: Callable[[], Took], other: Callable[[], Took], number: int) -> tuple[Took, Took]:
    """Who comes first changes with every round."""
    if number % 2:
        second = other()
        return one(), second
    return one(), other()


def _loop(model: Bundle, inputs: Sequence[Path] | Sequence[str]) -> Took:
    started, processor = time.perf_counter(), _processor()
    vectors = []
    for start in range(0, len(inputs), BATCH):
        some = list(inputs[start : start + BATCH])
        if isinstance(some[0], Path):
            vectors.append(model.embed_prepared(model.prepare_images(some)))
        else:
            vectors.append(model.embed_prepared(model.prepare_texts(some, truncate=True).arrays))
    assert len(np.concatenate(vectors)) == len(inputs)
    return Took(time.perf_counter() - started, _processor() - processor)


def _command(bundle: Path, source: Path, out: Path, threads: int, loading: float) -> Took:
    """``loading`` is what loading the bundle takes of the cores."""
    options = EmbedOptions(
        out=out,
        batch_size=BATCH,
        device="cpu",
        threads=threads,
        workers=threads,
        truncate=True,
        allow_random=True,
    )
    processor = _processor()
    found = embed(bundle, [source], options)
    assert found.failed == 0, found.reasons
    return Took(found.seconds, _processor() - processor - loading)


def _processor() -> float:
    """Seconds of all cores that this process and those that it ended have taken."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _saved(image: Image.Image, path: Path) -> Path:
    image.save(path)
    return path


def _children() -> list[int]:
    return [int(each) for each in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def _resident(process: int) -> int:
    """Bytes, without what is shared with other processes' files only once."""
    text = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return 1024 * int(text.partition("VmRSS:")[2].split()[0])


def main() -> None:
    """Measure what the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("speed", "memory"))
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--task", choices=("fashion", "photos", "r8"), default="fashion")
    parser.add_argument("--count", type=int)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--threads", type=int, default=THREADS)
    given = parser.parse_args()
    if given.what == "speed":
        speed(given.bundle, given.task, given.count, given.rounds, given.threads)
    else:
        memory(given.bundle)


if __name__ == "__main__":
    main()
