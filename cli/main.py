"""The command line ``pitome``: options in, tables or one JSON document out.

Little is imported before the stop signals are caught: a command that is stopped while it starts says so too.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

from pitome.cli.stop_signals import Stopped, catch_stop_signals, raise_if_stopped, stop_received

if TYPE_CHECKING:
    from pitome.cli.commands import app

__all__ = ["app", "main"]


if not TYPE_CHECKING:  # else every name would be there for a type checker

    def __getattr__(name: str) -> object:
        if name != "app":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from pitome.cli.commands import app

        return app


def main() -> None:
    """Entry point of the ``pitome`` command."""
    sys.exit(_run())


def _run() -> int:
    try:
        catch_stop_signals()
        return _run_command()
    except Stopped as stop:
        return _say_stopped(stop)
    except Exception:
        if (lost := stop_received()) is None:
            raise
        return _say_stopped(lost)


def _run_command() -> int:
    from pitome.cli.streams import prepare_streams, printing
    from pitome.errors import PitomeError

    try:
        prepare_streams()
        from pitome.cli.commands import app

        raise_if_stopped()
        # A reader that goes away ends help and results as it ends `cat`; while a command works, it cleans up.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        code = app(prog_name="pitome", standalone_mode=False)
        with printing():
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    except PitomeError as error:
        from pitome.cli.messages import print_error

        print_error(str(error), error.exit_code, as_json=False)
        return error.exit_code
    return int(code)


def _say_stopped(stop: Stopped) -> int:
    from pitome.cli.messages import print_error

    print_error(str(stop), stop.exit_code, as_json="--json" in sys.argv[1:])
    return stop.exit_code


if __name__ == "__main__":
    main()
