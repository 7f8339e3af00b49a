"""``pitome verify``: is this the bundle that a key's owner signed?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pitome.cli.application import Result, app, run
from pitome.cli.display import Display
from pitome.cli.options import Bundle, Json


@app.command()
def verify(
    bundle: Bundle,
    key: Annotated[Path, typer.Option("--key", help="Public key of who signed it, PEM.")],
    as_json: Json = False,
) -> None:
    """Verify a bundle's signature, and every file against the manifest that was signed."""

    def work(display: Display) -> Result:
        from pitome.bundle import verify_bundle
        from pitome.bundle.signing import verify_signature

        with display.step(f"Verify {bundle}"):
            signed = verify_signature(bundle, key)
            verify_bundle(bundle)
        told = f"{bundle}: all {len(signed.files)} files are as the key {signed.key[:12]} signed them"
        document = {"bundle": str(bundle), "key": signed.key, "files": dict(signed.files)}
        return document, lambda console: console.print(told, soft_wrap=True)

    run(work, as_json)
