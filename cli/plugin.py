"""``pitome plugin``: build the TensorRT plugin or onnxruntime's operator, or account for the kernels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pitome.cli.application import Result, app, run
from pitome.cli.display import Display
from pitome.cli.options import Json
from pitome.errors import InputError

if TYPE_CHECKING:
    from pitome.plugins.tools.build import PluginOptions
    from pitome.plugins.tools.native_build import NativeOptions


@app.command()
def plugin(
    host: Annotated[
        bool, typer.Option("--host", help="Only the build for the CPU, which tests use; it needs no nvcc.")
    ] = False,
    programs: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Also build the C++ test programs in this folder: tests/plugins, or with --native "
            "tests/plugins/cpu.",
        ),
    ] = None,
    sanitize: Annotated[
        bool, typer.Option("--sanitize", help="With --programs: build them with sanitizers too.")
    ] = False,
    native: Annotated[
        bool,
        typer.Option(
            "--native",
            help="Build the operator for onnxruntime on the CPU instead, in build/native; it needs no CUDA.",
        ),
    ] = False,
    cuda: Annotated[
        bool,
        typer.Option(
            "--cuda",
            help="With --native: the operator for onnxruntime's CUDA provider too, in build/native-cuda.",
        ),
    ] = False,
    account: Annotated[
        bool,
        typer.Option(
            "--account",
            help="Build nothing: count what a merge's kernels ask for, and predict their time on GPUs.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Build the TensorRT plugin for GPUs and for the CPU, in build/plugin."""

    def work(display: Display) -> Result:
        from pitome.plugins.tools.build import PluginOptions
        from pitome.plugins.tools.native_build import NATIVE_CUDA_OUTPUT, NATIVE_OUTPUT, NativeOptions

        if account and (host or programs or native):
            raise InputError(
                "--account with --host, --native or --programs",
                "the account builds nothing",
                "Leave the others out; `pitome plugin --host` builds the library that counts",
            )
        if cuda and not native:
            raise InputError(
                "--cuda without --native",
                "the plugin is for CUDA anyway",
                "Add --native for the operator for onnxruntime, or leave --cuda out",
            )
        if native and host and not cuda:
            raise InputError(
                "--native with --host",
                "the operator for the CPU is all that is built",
                "Leave --host out, or add --cuda for the operator for CUDA, run by the CPU",
            )
        folder = "tests/plugins/cpu" if native else "tests/plugins"
        if programs is not None and not programs.is_dir():
            raise InputError(f"--programs {programs}", "there is no such folder", f"Name the folder {folder}")
        if sanitize and programs is None:
            raise InputError(
                "--sanitize without --programs",
                "only the test programs are built with sanitizers",
                f"Add --programs {folder}",
            )
        if native:
            output = NATIVE_CUDA_OUTPUT if cuda else NATIVE_OUTPUT
            wanted = NativeOptions(output, cuda, host, programs, sanitize)
            return _build_native(wanted, display)
        options = PluginOptions(host=host, programs=programs, sanitize=sanitize)
        return _account(display) if account else _build(options, display)

    run(work, as_json)


def _build(options: PluginOptions, display: Display) -> Result:
    from pitome.plugins.tools.build import build_plugin

    built = build_plugin(options, display.note)
    libraries = [str(library) for library in built.libraries]
    document = {"libraries": libraries, "cuda": built.cuda, "tensorrt": built.tensorrt}
    return document, _lines(*libraries, f"with {built.cuda} and {built.tensorrt}")


def _build_native(options: NativeOptions, display: Display) -> Result:
    from pitome.plugins.tools.native_build import build_native

    built = build_native(options, display.note)
    libraries = [str(library) for library in built.libraries]
    origins = [built.highway, built.onnxruntime, *([] if built.cuda is None else [built.cuda])]
    document = {"libraries": libraries, "highway": built.highway, "onnxruntime": built.onnxruntime}
    if built.cuda is not None:
        document["cuda"] = built.cuda
    return document, _lines(*libraries, f"with {', '.join(origins[:-1])} and {origins[-1]}")


def _lines(*lines: str) -> Callable[[Console], None]:
    def show(console: Console) -> None:
        for line in lines:
            console.print(line, highlight=False, soft_wrap=True)

    return show


def _account(display: Display) -> Result:
    from pitome.plugins.tools.account.account import make_account
    from pitome.plugins.tools.account.page import print_page

    account = make_account(display.note)
    return account.document(), lambda console: print_page(console, account.page())
