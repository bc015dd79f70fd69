"""Signals that reach what tests start."""

import signal
from collections.abc import Iterator

import pytest

__all__ = ["hear_signals", "signals_as_before"]


def hear_signals() -> None:
    """Take signals as a terminal's foreground does, even where the run is in the background (``nohup … &``).

    What starts in the background ignores SIGINT and SIGHUP, and so does all that it starts.
    """
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """Undo what a daemon, run in this process by a test, made of signals: its closed loop swallows them."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [(number, signal.getsignal(number)) for number in numbers]
    yield
    for number, handler in before:
        if signal.getsignal(number) != handler:
            signal.signal(number, handler)
