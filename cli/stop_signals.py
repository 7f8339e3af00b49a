"""SIGINT, SIGTERM and SIGHUP: each ends a command in order, and a second one at once."""

from __future__ import annotations

import signal
from importlib.machinery import ExtensionFileLoader
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_received: list[Stopped] = []
"""By the handler; one at most."""
_ASK_AGAIN = 0.01
"""Seconds until it is asked again whether an extension module is still being loaded."""


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


def stop_received() -> Stopped | None:
    """The stop that was asked for, where the exception got lost.

    A library that is just being loaded makes an ImportError of it, and a callback from C may drop it.
    """
    _ask_no_more()
    return _received[0] if _received else None


def raise_if_stopped() -> None:
    """Stop now where the exception was dropped; for places that a long command comes by."""
    if _received:
        _ask_no_more()
        raise _received[0]


def _ask_no_more() -> None:
    """Who asks for the stop has it: it must not be raised again while something cleans up, or is printed."""
    signal.setitimer(signal.ITIMER_REAL, 0)


def _stop(number: int, frame: FrameType | None) -> None:
    for each in _SIGNALS:
        if signal.getsignal(each) is _stop:
            signal.signal(each, signal.SIG_DFL)  # the second one ends the cleaning up too
    _received.append(Stopped(number))
    _raise_unless_loading(frame)


def _raise_unless_loading(frame: FrameType | None) -> None:
    """Raise the stop; while an extension module is being loaded, only as soon as that is done.

    A C++ extension need not expect an exception from Python code that it runs while it loads: with onnx's the
    process ends by a segmentation fault or by std::terminate, and nobody cleans up.
    """
    if _loads_extension(frame):
        signal.signal(signal.SIGALRM, lambda _number, later: _raise_unless_loading(later))
        signal.setitimer(signal.ITIMER_REAL, _ASK_AGAIN)
        return
    raise _received[0]


def _loads_extension(frame: FrameType | None) -> bool:
    while frame is not None:
        in_loader = frame.f_code.co_name in ("create_module", "exec_module")
        if in_loader and isinstance(frame.f_locals.get("self"), ExtensionFileLoader):
            return True
        frame = frame.f_back
    return False
