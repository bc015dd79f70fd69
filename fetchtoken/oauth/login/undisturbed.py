"""The short time in which a login must not be cut in two: from its code to its file."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

__all__ = ["undisturbed"]

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


@contextmanager
def undisturbed(say: Callable[[str], None]) -> Iterator[None]:
    """Let no signal that can be held off end the block; whoever sends one is told why.

    The block is bounded by the limit of its one request. Only the main thread gets signals, so
    nothing is done in another.

    Args:
        say: takes a line for people.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def hold_off(_number: int, _frame: Any) -> None:
        # The terminal may be what went away, and a stream may be in the middle of another line.
        with suppress(OSError, ValueError, RuntimeError):
            say("the login is being written down; one moment")

    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    former = {number: signal.signal(number, hold_off) for number in numbers}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
