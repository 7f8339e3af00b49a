"""SIGINT, SIGTERM and SIGHUP: each ends a command in order, and a second one at once."""

from __future__ import annotations

import signal
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """A signal asks to stop. No Exception, as KeyboardInterrupt is none: nothing goes on after it.

    What cleans up on the way may say what is left, with ``add_note``.
    """

    def __init__(self, number: int) -> None:
        self.signal = signal.Signals(number)
        super().__init__(f"stopped by {self.signal.name}")

    @property
    def exit_code(self) -> int:
        """As a shell counts it: 130, 143 or 129."""
        return 128 + self.signal


def catch_stop_signals() -> None:
    """Turn the first signal into `Stopped`. What is ignored stays ignored: nohup and background jobs."""
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def _stop(number: int, _frame: FrameType | None) -> None:
    for each in _SIGNALS:
        if signal.getsignal(each) is _stop:
            signal.signal(each, signal.SIG_DFL)  # the second one ends the cleaning up too
    raise Stopped(number)
