"""Work on a bundle that is there: write into it, and compare it with another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pitome.bundle import Manifest, read_manifest, verify_bundle
from pitome.bundle.publishing import build_folder
from pitome.engine.main_job import finish
from pitome.engine.progress import Progress, Silent
from pitome.engine.workplace import Workplace
from pitome.errors import BundleError


def compare(first: Path, second: Path) -> list[tuple[str, str, str]]:
    """``pitome compare``: rows of (label, value of the first, value of the second)."""
    from pitome.validate.report.summary import summary_rows

    values = [
        {row.label: row.value for row in summary_rows(verify_bundle(bundle))} for bundle in (first, second)
    ]
    labels = dict.fromkeys([*values[0], *values[1]])
    return [(label, values[0].get(label, "-"), values[1].get(label, "-")) for label in labels]


def record_into(bundle: Path, manifest: Manifest, update: dict[str, Any]) -> None:
    """Replace fields of a bundle's manifest, and write its report anew."""
    with build_folder(bundle) as folder:
        place_over(folder, bundle, manifest, Silent())
        finish(folder, manifest.model_copy(update=update), None)


def place_over(folder: Path, bundle: Path, manifest: Manifest, progress: Progress) -> Workplace:
    """A place to work at that has all files of the bundle before but its report.

    Raises:
        BundleError: the bundle is another one by now: what was read before the lock may be of an earlier
            build.
    """
    if read_manifest(bundle) != manifest:
        raise BundleError(
            f"writing into {bundle}", "it was built anew in the meantime", "Run the command again"
        )
    intact = frozenset(file.file for file in manifest.files())
    kept = Workplace(folder, bundle, Silent(), manifest, intact)
    kept.take_over(*(file for file in manifest.files() if file != manifest.report))
    return Workplace(folder, bundle, progress, manifest, intact)
