"""``python -m pitome.plugins.tools.account``: what each kernel asks for, and its predicted time."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from pitome.errors import InputError, PitomeError
from pitome.plugins.tools.account.account import PTXAS_LOG, make_account
from pitome.plugins.tools.account.comparison import comparison, floors, read_kernels
from pitome.plugins.tools.account.page import print_page, put_between_marks, to_markdown
from pitome.plugins.tools.merge_library import HOST_LIBRARY


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the account on stdout, or put it into a README; progress goes to stderr. The exit code."""
    options = _parser().parse_args(arguments)
    try:
        _show(options)
    except PitomeError as error:
        _say(f"error: {error}")
        if options.json:
            _print_json({"error": str(error), "exit_code": error.exit_code})
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pitome.plugins.tools.account",
        description="What each kernel of a merge asks for, and the time that datasheets predict. "
        "No GPU runs anything.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document, with every number")
    parser.add_argument(
        "--markdown", action="store_true", help="print what the README of the plugins has between its marks"
    )
    parser.add_argument(
        "--readme", type=Path, metavar="FILE", help="put the Markdown between the marks of this file"
    )
    parser.add_argument(
        "--compare",
        type=Path,
        metavar="FILE",
        help="print as Markdown how the kernels stand to others, whose JSON document this is",
    )
    parser.add_argument(
        "--library",
        type=Path,
        metavar="FILE",
        default=HOST_LIBRARY,
        help="the plugin library for the CPU, which counts",
    )
    parser.add_argument(
        "--ptxas-log",
        type=Path,
        metavar="FILE",
        default=PTXAS_LOG,
        help="what ptxas said of the kernels in the build for GPUs",
    )
    return parser


def _show(options: argparse.Namespace) -> None:
    ways = (options.json, options.markdown, options.readme is not None, options.compare is not None)
    if sum(ways) > 1:
        raise InputError(
            "more than one of --json, --markdown, --readme and --compare",
            "they are different ways to show the same",
            "Give one of them",
        )
    before = None if options.compare is None else read_kernels(options.compare)
    account = make_account(_say, options.library, options.ptxas_log)
    if before is not None:
        page = (comparison(before, (account.merges, account.usages)), floors(account.merges))
        sys.stdout.write(to_markdown(page))
    elif options.json:
        _print_json(account.document())
    elif options.markdown:
        sys.stdout.write(to_markdown(account.page()))
    elif options.readme is None:
        width = None if sys.stdout.isatty() else 140
        print_page(Console(width=width, markup=False, emoji=False), account.page())
    else:
        readme = options.readme.read_text(encoding="utf-8")
        options.readme.write_text(put_between_marks(readme, to_markdown(account.page())), encoding="utf-8")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _print_json(document: Any) -> None:
    json.dump(document, sys.stdout, indent=2, sort_keys=True)
    sys.stdout.write("\n")


if __name__ == "__main__":
    sys.exit(main())
