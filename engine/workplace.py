"""Where a build works, and what it takes over from the bundle before."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from pitome.bundle import FileRecord, Manifest
from pitome.engine.progress import Progress


@dataclass
class Workplace:
    """Where a build works: its own folder, and the bundle before, as far as that is intact."""

    folder: Path
    final: Path
    progress: Progress
    before: Manifest | None = None
    intact: frozenset[str] = frozenset()
    reused: list[str] = field(default_factory=list)

    def take_over(self, *files: FileRecord) -> bool:
        """Put intact files of the bundle before into the new one; False where one is damaged."""
        if not all(file.file in self.intact for file in files):
            return False
        for file in files:
            target = self.folder / file.file
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(self.final / file.file, target)
            except OSError:  # a file system without hard links
                shutil.copyfile(self.final / file.file, target)
            self.reuse(file.file)
        return True

    def reuse(self, what: str) -> None:
        """Say that something was taken over."""
        self.reused.append(what)
        self.progress.note(f"reused: {what}")
