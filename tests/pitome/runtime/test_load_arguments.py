"""Arguments that nobody should give: each ends in an error of ours that names them."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pitome
from pitome.arguments import as_path, check_flag
from pitome.bundle.hub import fetch_bundle
from pitome.bundle.signing import sign_bundle, verify_signature
from pitome.errors import InputError
from tests.pitome.runtime.bundles import bundle_of
from tests.pitome.runtime.conftest import Load

pytestmark = pytest.mark.slow


class GivesNoPath:
    """A path-like object whose path is a number."""

    def __fspath__(self) -> Any:
        return 5


NO_PATHS: tuple[Any, ...] = (None, 5, True, b"build", [], GivesNoPath(), "a\0b")
NO_FLAGS: tuple[Any, ...] = ("no", "", 0, 1, [], None, np.zeros(2))
NO_IMAGES: tuple[Any, ...] = (np.zeros((0, 4, 4, 3), np.uint8), GivesNoPath(), 5, None)
NO_TEXTS: tuple[Any, ...] = (
    np.array("a text"),
    np.array(3),
    b"a text",
    memoryview(np.zeros((3, 3), np.uint8)),
)
NO_MAPPINGS: tuple[Any, ...] = (None, 5, b"", ["pixel_values"], np.zeros((2, 3)), "pixel_values", object())


@pytest.mark.parametrize("given", NO_PATHS, ids=repr)
def test_what_is_no_path_is_refused_by_every_function_that_takes_one(given: Any, tmp_path: Path) -> None:
    said = "it is no path"
    for call in (
        lambda: as_path(given, "the bundle"),
        lambda: pitome.load(given),
        lambda: pitome.preprocess(given, np.zeros((4, 4, 3), np.uint8)),
        lambda: verify_signature(given, tmp_path / "key"),
        lambda: verify_signature(tmp_path, given),
        lambda: sign_bundle(given, tmp_path / "key"),
        lambda: sign_bundle(tmp_path, given),
    ):
        with pytest.raises(InputError, match=said):
            call()
    with pytest.raises(InputError, match="it is no repository of the hub"):
        fetch_bundle(given)


def test_a_path_is_taken_as_it_was_given() -> None:
    assert as_path("build/x", "the bundle") == as_path(Path("build/x"), "the bundle") == Path("build/x")


@pytest.mark.parametrize("given", NO_FLAGS, ids=repr)
def test_what_is_neither_true_nor_false_allows_nothing(given: Any, load: Load) -> None:
    for name in ("allow_random", "cuda_graphs", "native", "offline"):
        if given is None and name in ("native", "offline"):
            continue
        with pytest.raises(InputError, match=f"^{name}=.*it is neither True nor False"):
            pitome.load("build/nothing", **{name: given})
    texts, images = load("sentence"), load("classifier")
    for call in (
        lambda: texts.texts("a", truncate=given),
        lambda: texts.prepare_texts("a", truncate=given),
        lambda: texts.similarity(texts="a", truncate=given),
        lambda: images.similarity(np.zeros((4, 4, 3), np.uint8), truncate=given),
        lambda: images.classify(np.zeros((4, 4, 3), np.uint8), truncate=given),
    ):
        with pytest.raises(InputError, match=r"^truncate=.*it is neither True nor False"):
            call()


def test_flags_of_numpy_are_flags() -> None:
    check_flag("truncate", np.bool_(False))


@pytest.mark.parametrize("given", NO_IMAGES, ids=repr)
def test_no_images_are_refused_by_every_method(given: Any, load: Load) -> None:
    bundle = load("classifier")
    methods = [bundle.images, bundle.classify, bundle.prepare_images]
    for method in methods if given is None else [*methods, bundle.similarity]:
        with pytest.raises(InputError, match=r"there are none|an image: it|what was given is|can't be dec"):
            method(given)


@pytest.mark.parametrize("given", NO_TEXTS, ids=repr)
def test_no_texts_are_refused_by_every_method(given: Any, load: Load) -> None:
    kind = type(given).__name__
    for method in (load("sentence").texts, load("sentence").prepare_texts, load("text-classifier").classify):
        with pytest.raises(InputError, match=re.escape(f"what was given is of the type {kind}")):
            method(given)


@pytest.mark.parametrize("given", NO_MAPPINGS, ids=repr)
@pytest.mark.parametrize("graph", [None, "model"])
def test_what_has_no_names_is_no_input_of_run(given: Any, graph: str | None, load: Load) -> None:
    said = f"it was given {type(given).__name__}, and takes arrays by the names of its inputs"
    with pytest.raises(InputError, match=said):
        load("classifier").run(given, graph=graph)


@pytest.mark.parametrize("name", ["device", "backend", "precision"])
def test_a_word_of_another_type_is_an_unknown_word(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.raises(InputError, match=f"^{name}=.*there is no such {name}"):
        pitome.load(bundle_of(tmp_path_factory, "classifier"), **{name: np.array(["cpu", "cuda"])})


@pytest.mark.parametrize("given", [np.array(["query", "passage"]), np.array([]), 5, ["query"]], ids=repr)
def test_a_prompt_of_another_type_is_an_unknown_prompt(given: Any, load: Load) -> None:
    with pytest.raises(InputError, match=r"^prompt=.*the checkpoint has the prompts 'query'"):
        load("sentence").texts("a", prompt=given)


@pytest.mark.parametrize("given", [0, -1, True, 1.0, "2", 1025, 10**9, 2**40, 10**30], ids=repr)
def test_threads_have_a_number_that_can_be_started(given: Any) -> None:
    with pytest.raises(InputError, match=r"^threads=.*it is no number from 1 to 1024"):
        pitome.load("build/nothing", threads=given)


def test_paths_that_lead_nowhere_are_told(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for path, reason in (("x" * 5000, "File name too long"), (loop / "bundle", "Too many levels of symb")):
        with pytest.raises(InputError, match=f"it leads nowhere .{reason}"):
            pitome.load(path)
        with pytest.raises(InputError, match=f"it leads nowhere .{reason}"):
            verify_signature(tmp_path, path)


def test_a_closed_bundle_says_so_to_coroutines_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    bundle = pitome.load(bundle_of(tmp_path_factory, "classifier"), threads=1)
    coroutines = bundle.asynchronous
    bundle.close()
    with pytest.raises(InputError, match="it is closed"):
        asyncio.run(coroutines.images(np.zeros((4, 4, 3), np.uint8)))
