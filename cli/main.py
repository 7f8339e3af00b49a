"""The command line ``pitome``: options in, tables or one JSON document out."""

from __future__ import annotations

import signal
import sys

from pitome.cli import (
    bench,
    build,
    compare,
    engine,
    export,
    inspect,
    models,
    plugin,
    results,
    sweep,
    tune,
    validate,
)
from pitome.cli.application import app
from pitome.cli.messages import print_error
from pitome.cli.stop_signals import Stopped, catch_stop_signals
from pitome.cli.streams import prepare_streams, printing
from pitome.errors import PitomeError

__all__ = [
    "app",
    "bench",
    "build",
    "compare",
    "engine",
    "export",
    "inspect",
    "main",
    "models",
    "plugin",
    "results",
    "sweep",
    "tune",
    "validate",
]


def main() -> None:
    """Entry point of the ``pitome`` command."""
    sys.exit(_run())


def _run() -> int:
    try:
        catch_stop_signals()
        prepare_streams()
        # A reader that goes away ends help and results as it ends `cat`; while a command works, it cleans up.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        code = app(prog_name="pitome", standalone_mode=False)
        with printing():
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    except PitomeError as error:
        print_error(str(error), error.exit_code, as_json=False)
        return error.exit_code
    except Stopped as stop:
        print_error(str(stop), stop.exit_code, as_json=False)
        return stop.exit_code
    return int(code)


if __name__ == "__main__":
    main()
