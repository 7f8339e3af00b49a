"""``pitome embed``: many images or texts into Parquet."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pitome.cli.application import Result, app, run
from pitome.cli.display import Display
from pitome.cli.options import Bundle, Json, expand
from pitome.serving.embed.options import EmbedOptions


@app.command()
@expand
def embed(
    bundle: Bundle,
    paths: Annotated[
        list[Path],
        typer.Argument(help="Folders and files, lists of files, and tables (.jsonl, .csv, .tsv, .parquet)."),
    ],
    options: EmbedOptions,
    as_json: Json = False,
) -> None:
    """Embed images or texts by a bundle: Parquet in shards; a run that was stopped is gone on with."""

    def work(display: Display) -> Result:
        from pitome.cli.embed_summary import print_embedded
        from pitome.serving.embed import embed as embed_all

        with display.step("embed") as report:
            found = embed_all(bundle, paths, options, report, display.note)
        return asdict(found), lambda console: print_embedded(console, found)

    run(work, as_json)
