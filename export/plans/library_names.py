"""Libraries that are looked for by names that their files do not have: links, for one process.

Only the builder process sees them, and only while it builds: nothing is written where the package lies.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

SEARCH_PATH = "LD_LIBRARY_PATH"
"""Where the loader of a process looks first; it reads this when the process starts."""


@contextmanager
def linked_libraries(libraries: Mapping[str, Path]) -> Iterator[Path | None]:
    """A folder with a link for each library, for as long as the context lasts; None where there are none.

    Args:
        libraries: the name that it is looked for by -> file.
    """
    if not libraries:
        yield None
        return
    # The process that it is for may have removed it already.
    with tempfile.TemporaryDirectory(prefix="pitome-libraries-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        for library, path in libraries.items():
            (folder / library).symlink_to(path.resolve())
        yield folder


def searching_in(folder: Path | None, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that looks for libraries in a folder first."""
    if folder is None:
        return dict(environment)
    # An empty entry would be the working folder.
    before = [place for place in environment.get(SEARCH_PATH, "").split(os.pathsep) if place]
    return {**environment, SEARCH_PATH: os.pathsep.join([str(folder), *before])}
