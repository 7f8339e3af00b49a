"""A real bundle, signed, pushed, and loaded from the hub by its commit, then without one."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

import pitome
from pitome.bundle import read_manifest
from pitome.bundle.bom import bom_of
from pitome.bundle.signing import sign_bundle
from pitome.errors import SignatureError
from pitome.serving.hub.push import PushOptions, plan_push, push_bundle
from tests.hub_server import NOWHERE, WRITER, Client
from tests.pitome.bundle.keys import make_keys
from tests.pitome.runtime.bundles import bundle_of, copy_of

pytestmark = pytest.mark.slow
NAME = "org/sentences"
TEXTS = ["a cat sat", "on a mat"]


def test_what_was_pushed_computes_the_same(
    client: Client, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = copy_of(bundle_of(tmp_path_factory, "sentence"), tmp_path)
    assert bom_of(read_manifest(folder)) == (folder / "bom.cdx.json").read_bytes()
    private, public = make_keys(tmp_path, "own")
    sign_bundle(folder, private)
    options = PushOptions(token=WRITER)
    commit = push_bundle(plan_push(folder, NAME, options), options).commit
    with pitome.load(folder, require_signature=public) as here:
        wanted = here.texts(TEXTS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pitome.load(f"{NAME}@{commit}", require_signature=public) as there:
            np.testing.assert_array_equal(there.texts(TEXTS), wanted)
        client.turn_to(NOWHERE)
        client.go_offline()
        with pitome.load(f"{NAME}@{commit}", require_signature=public) as there:
            np.testing.assert_array_equal(there.texts(TEXTS), wanted)
    with pytest.raises(SignatureError, match="it was made with another key"):
        pitome.load(f"{NAME}@{commit}", require_signature=make_keys(tmp_path, "other")[1])
