"""``pitome sign``: put a signature into a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pitome.cli.application import Result, app, run
from pitome.cli.display import Display
from pitome.cli.options import Bundle, Json


@app.command()
def sign(
    bundle: Bundle,
    key: Annotated[
        Path,
        typer.Option(
            "--key", help="Private key: elliptic curve, PEM; its password is in PITOME_KEY_PASSWORD."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Sign every file of a bundle with a private key, as model.sig in its folder."""

    def work(display: Display) -> Result:
        from pitome.bundle.signing import sign_bundle

        with display.step(f"Sign {bundle}"):
            signed = sign_bundle(bundle, key)
        told = f"{bundle}/model.sig is of {len(signed.files)} files, by the key {signed.key[:12]}"
        document = {"bundle": str(bundle), "key": signed.key, "files": dict(signed.files)}
        return document, lambda console: console.print(told, soft_wrap=True)

    run(work, as_json)
