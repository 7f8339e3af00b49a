"""The commands of the README, each made small: on a tiny model, in a folder of its own."""

from __future__ import annotations

import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.checkout import ROOT
from tests.make_dry_run import STAMPS

README = (ROOT / "README.md").read_text(encoding="utf-8")
MODELS = ("clip-b16", "my-checkpoint", "vit-s14-focus", "fashion-vit", "minilm-l6")
"""What the tiny model takes the place of."""
BUNDLE, TUNED, RESUMED = "build/clip-b16-random", "build/fashion-vit.preset.toml", "build/bench.jsonl"
"""What earlier commands of the README have left."""
THRESHOLDS = "docs/thresholds.toml"
FEW_CHECKS = ["--parity-images", "2", "--batch", "1", "--latency-seconds", "0.2"]
ONE_GRAPH = ["--precision", "fp32"]
"""Half of the export; `make engine` is run with the default."""
ONE_TARGET = ["--targets", "sm89"]
"""A quarter of a plan's time."""
ONE_POINT = shlex.split(
    "--task photos --limit 4 --methods pitome --flops 0.9 --shapes ratio --changes 0 --metrics hidden "
    "--candidates 0.1 --size-penalties 0.05"
)
"""A sweep of one setting; the tiny model's weights are made up, so its answers mean nothing."""
ONLY_SHOWN = ("test", "test-gpu", "plugin", "example")
"""These tests are part of the first two; plugin and example are built for tests of their own."""
PYTHON, PROGRAM = ".venv/bin/python", "build/example/run_bundle"
"""What is neither make nor pitome."""
PICTURES = {"cat.jpg": "JPEG", "cat.ppm": "PPM", "photos/one.png": "PNG", "photos/two.jpg": "JPEG"}
"""The user's own, by the names that the README gives them."""


def blocks(language: str) -> list[str]:
    """The README's code of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    """Every line of shell in the README, once."""
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.strip()]
    return list(dict.fromkeys(lines))


@dataclass(frozen=True)
class Workplace:
    """Where one command runs.

    Args:
        model: the tiny model's folder.
        out: takes the place of build/.
    """

    model: Path
    out: Path

    @property
    def environment(self) -> dict[str, str]:
        """This environment with the tests' ``pitome`` first, and a cache of its own."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        cache = str(self.out.parent / "cache")
        return {**os.environ, "PATH": path, "PITOME_CACHE": cache, "COLUMNS": "200"}

    def reduced(self, command: str) -> list[str]:
        """The command on the tiny model, with little checked and measured."""
        words = shlex.split(command)
        if words[0] == "make":
            return self._reduced_make(words)
        bundle = str(self.out / self.model.name)
        words = [str(self.model) if word in MODELS else word.replace(BUNDLE, bundle) for word in words]
        if words[0] in (PYTHON, PROGRAM) or words[1] == "embed":
            return [self._of_a_user(word) for word in words]
        assert words[0] == "pitome", f"{command} is neither make nor pitome"
        words = [word.replace(RESUMED, str(self.out / "bench.jsonl")) for word in words]
        words = [str(self._thresholds()) if word == THRESHOLDS else word for word in words]
        return words + self._few(words[1], words)

    def _of_a_user(self, word: str) -> str:
        """A word with the user's pictures and places in it, as they are here."""
        here = self.out.parent
        known = {PYTHON: sys.executable, PROGRAM: str(here / "run_bundle"), "photos": str(here / "photos")}
        if word in known:
            return known[word]
        for name in PICTURES:
            word = word.replace(name, str(here / name))
        return word.replace("build/", f"{self.out}/") if word.startswith("build/") else word

    def make_pictures(self) -> None:
        """The user's own pictures."""
        from PIL import Image

        for number, (name, kind) in enumerate(PICTURES.items()):
            path = self.out.parent / name
            path.parent.mkdir(exist_ok=True)
            Image.effect_noise((320, 240), 20 + number).convert("RGB").save(path, kind)

    def _few(self, name: str, words: list[str]) -> list[str]:
        out = ["--out", str(self.out)]
        if name == "engine":
            return [*out, *FEW_CHECKS, *ONE_GRAPH, *([] if "--targets" in words else ONE_TARGET)]
        if name == "tune":
            return [*ONE_POINT, "--max-drop", "100", "--latency-seconds", "0.2", *out]
        return {
            "export": out,
            "validate": ["--parity-images", "2"],
            "bench": ["--latency-seconds", "0.2"],
        }.get(name, [])

    def _reduced_make(self, words: list[str]) -> list[str]:
        target = words[1]
        if target in ONLY_SHOWN:
            return ["make", "--dry-run", target]
        tuned = f"MODEL={self.out / self.model.name}.preset.toml"
        model = f"MODEL={self.model}"
        words = [(tuned if TUNED in word else model) if word.startswith("MODEL=") else word for word in words]
        flags = [f"OUT={self.out}"]
        if target == "validate":
            flags += ["VALIDATE_FLAGS=--parity-images 2 --limit 4", f"THRESHOLDS={self._thresholds()}"]
        if target == "sweep":
            words = [word for word in words if not word.startswith(("TASK=", "LIMIT="))]
            records = self.out / f"{self.model.name}.sweep.jsonl"
            flags.append(f"SWEEP_FLAGS={shlex.join([*ONE_POINT, '--out', str(records)])}")
        if target == "engine":
            flags.append(f"ENGINE_FLAGS={shlex.join(FEW_CHECKS)}")
        return [*words, *flags, *self._as_installed()]

    def _thresholds(self) -> Path:
        """The project's file, without a limit on speed: a model so small is slower where it merges."""
        path = self.out.parent / "thresholds.toml"
        text = (ROOT / THRESHOLDS).read_text(encoding="utf-8")
        assert "# min_speedup = 1.0" in text
        path.write_text(text.replace("# min_speedup = 1.0", "min_speedup = 0.0"), encoding="utf-8")
        return path

    def _as_installed(self) -> list[str]:
        """The environment that runs the tests, as ``make`` leaves one; making it is what CI does."""
        environment = self.out.parent / "venv"
        (environment / "bin").mkdir(parents=True, exist_ok=True)
        for name in ("python", "pitome"):
            link = environment / "bin" / name
            if not link.is_symlink():
                link.symlink_to(Path(sys.executable).parent / name)
        stamps = [environment / Path(stamp).name for stamp in STAMPS]
        for stamp in stamps:
            stamp.touch()
        return [f"VENV={environment}", *[f"--old-file={stamp}" for stamp in stamps]]
