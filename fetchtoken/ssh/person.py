"""Asking the person at the terminal; the time that they take does not count."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getpass

from fetchtoken.domain.secret import Secret

__all__ = ["ask_line", "ask_passphrase", "is_there", "unhurried"]


def is_there() -> bool:
    """Tell whether standard input and standard error are terminals."""
    try:
        return bool(sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty())
    except ValueError:  # closed
        return False


@contextmanager
def unhurried() -> Iterator[list[float]]:
    """Hold the command's own alarm while a person is asked.

    Yields:
        A list that holds, afterwards, the seconds that passed.
    """
    passed: list[float] = []
    begin = time.monotonic()
    left_s = signal.setitimer(signal.ITIMER_REAL, 0)[0] if hasattr(signal, "setitimer") else 0.0
    try:
        yield passed
    finally:
        passed.append(time.monotonic() - begin)
        if left_s:
            signal.setitimer(signal.ITIMER_REAL, left_s)


def ask_line(text: str) -> str:
    """Write a text to standard error and return the line that is typed, trimmed.

    Raises:
        KeyboardInterrupt: Ctrl-C, or the end of input.
    """
    sys.stderr.write(text)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise KeyboardInterrupt
    return line.strip()


def ask_passphrase(text: str) -> Secret:
    """Ask for a passphrase, which is not shown.

    Raises:
        KeyboardInterrupt: Ctrl-C, or the end of input.
    """
    try:
        return Secret(getpass(text, sys.stderr))
    except EOFError:
        raise KeyboardInterrupt from None
