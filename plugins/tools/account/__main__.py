"""``python -m pitome.plugins.tools.account``: what each kernel asks for, and its predicted time."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from pitome.cli.console import output_console
from pitome.cli.display import Display
from pitome.errors import InputError, PitomeError
from pitome.plugins.tools.account.assumptions import ASSUMPTIONS
from pitome.plugins.tools.account.gpus import GPUS
from pitome.plugins.tools.account.page import make_page, print_page, put_between_marks, to_markdown
from pitome.plugins.tools.account.shares import Merge, Prediction, count_all, predict_all
from pitome.plugins.tools.merge_library import BUILD, HOST_LIBRARY, HostLibrary
from pitome.plugins.tools.ptxas_log import Usage, read_usage

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def account(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document on stdout, with every number.")
    ] = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print what the README of the plugins holds.")
    ] = False,
    readme: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Put the Markdown between the marks of this file.")
    ] = None,
    library: Annotated[
        Path, typer.Option(metavar="FILE", help="The plugin library for the CPU, which counts.")
    ] = HOST_LIBRARY,
    ptxas_log: Annotated[
        Path, typer.Option(metavar="FILE", help="What ptxas said of the kernels in the build for GPUs.")
    ] = BUILD / "ptxas.log",
) -> None:
    """What each kernel of a merge asks for, and the time that datasheets predict. No GPU runs anything."""
    display = Display()
    try:
        if as_json + as_markdown + (readme is not None) > 1:
            raise InputError(
                "more than one of --json, --markdown and --readme",
                "they are different ways to show the same",
                "Give one of them",
            )
        with display.running():
            merges = count_all(HostLibrary(library), display)
            usages = _read_log(ptxas_log, display)
            predictions = list(predict_all(merges, usages))
            page = make_page(merges, predictions, usages)
            if readme is not None:
                text = put_between_marks(readme.read_text(encoding="utf-8"), to_markdown(page))
                readme.write_text(text, encoding="utf-8")
    except PitomeError as error:
        display.console.print(f"error: {error}", style="bold red", highlight=False, soft_wrap=True)
        if as_json:
            _print_json({"error": str(error), "exit_code": error.exit_code})
        raise typer.Exit(error.exit_code) from None
    if as_json:
        _print_json(_document(merges, predictions, usages))
    elif as_markdown:
        sys.stdout.write(to_markdown(page))
    elif readme is None:
        print_page(output_console(), page)


def _read_log(log: Path, display: Display) -> list[Usage]:
    if log.is_file():
        return read_usage(log.read_text(encoding="utf-8"))
    display.note(
        f"{log}: not there, so registers are unknown, and one block is taken to fill a multiprocessor. "
        "`make plugin` writes it"
    )
    return []


def _document(
    merges: Sequence[Merge], predictions: Sequence[Prediction], usages: Sequence[Usage]
) -> dict[str, Any]:
    counts = [
        {
            "model": merge.layer.model,
            "metric": merge.metric,
            "layer": asdict(merge.layer),
            "parameters": asdict(merge.layer.parameters),
            "kernels": [asdict(count) for count in merge.counts.values()],
        }
        for merge in merges
    ]
    return {
        "measured": False,
        "counts_of_one_image": counts,
        "gpus": [asdict(gpu) for gpu in GPUS],
        "assumptions": [asdict(assumption) for assumption in ASSUMPTIONS],
        "ptxas": [asdict(usage) for usage in usages],
        "predictions": [prediction.document() for prediction in predictions],
    }


def _print_json(document: Any) -> None:
    json.dump(document, sys.stdout, indent=2, sort_keys=True)
    sys.stdout.write("\n")


if __name__ == "__main__":
    app()
