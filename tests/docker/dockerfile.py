"""A Dockerfile as stages of instructions, as far as docker/ uses them; what it does not know is an error."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

KNOWN = {"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "FROM", "RUN", "USER", "VOLUME", "WORKDIR"}


@dataclass(frozen=True)
class Instruction:
    """Such as RUN, and what stands behind it."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """As a shell splits it."""
        return shlex.split(self.text)

    @property
    def pair(self) -> tuple[str, str]:
        """Of ENV and ARG: name and value."""
        (word,) = self.words
        name, _, value = word.partition("=")
        return name, value


@dataclass(frozen=True)
class Stage:
    """From a FROM to the next."""

    base: str
    name: str | None
    instructions: tuple[Instruction, ...]

    @property
    def user(self) -> str:
        """Who runs what the image is started for."""
        users = [each.text for each in self.instructions if each.name == "USER"]
        return users[-1] if users else "root"

    def last(self, name: str) -> str:
        """The text of the last instruction of that name."""
        return next(each.text for each in reversed(self.instructions) if each.name == name)


def read_dockerfile(path: Path) -> list[Stage]:
    """The stages of a file."""
    lines = [
        line for line in path.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")
    ]
    stages: list[Stage] = []
    for logical in re.sub(r"\\\n", "", "\n".join(lines)).splitlines():
        if not logical.strip():
            continue
        name, _, text = logical.strip().partition(" ")
        assert name in KNOWN, f"{path.name}: {name} is not known here"
        instruction = Instruction(name, text.strip())
        if name == "FROM":
            base, *others = instruction.words
            stages.append(Stage(base, others[1] if others else None, ()))
        else:
            last = stages.pop()
            stages.append(Stage(last.base, last.name, (*last.instructions, instruction)))
    return stages
