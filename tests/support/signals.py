"""Signals that reach what tests start."""

import signal

__all__ = ["hear_signals"]


def hear_signals() -> None:
    """Take signals as a terminal's foreground does, even where the run is in the background (``nohup … &``).

    What starts in the background ignores SIGINT and SIGHUP, and so does all that it starts.
    """
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
