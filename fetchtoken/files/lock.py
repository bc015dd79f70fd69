"""BSD ``flock`` with a deadline."""

from __future__ import annotations

import os

from fetchtoken.domain.errors import Unavailable

__all__ = ["flock_within", "is_locked", "open_locked"]

_FIRST_PAUSE_S = 0.005
_LONGEST_PAUSE_S = 0.05


def flock_within(fd: int, deadline_s: float, name: str) -> None:
    """Take an exclusive lock on an open file.

    Args:
        fd: the open file; the lock lives as long as its open file description.
        deadline_s: ``time.monotonic()`` seconds at which to give up.
        name: what is locked, for the message.

    Raises:
        Unavailable: somebody else holds it, or this system has no ``flock``.
        OSError: the file system cannot lock (``ENOLCK``, ``EOPNOTSUPP``).
    """
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock
    except ImportError:
        raise Unavailable(
            f"this system has no flock, so {name} cannot be guarded", hint="run codex once"
        ) from None
    from time import monotonic, sleep

    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            flock(fd, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            left_s = deadline_s - monotonic()
            if left_s <= 0:
                raise Unavailable(
                    f"{name} is locked by another process",
                    hint="try again when the other program has finished",
                ) from None
            sleep(min(pause_s, left_s))
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        else:
            return


def open_locked(path: str, deadline_s: float) -> int:
    """Open (make, 0600) a lock file and lock it; return the descriptor, to be closed by the caller.

    Raises:
        Unavailable: not before the deadline.
        OSError: it cannot be made or locked.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        flock_within(fd, deadline_s, path)
    except BaseException:
        os.close(fd)
        raise
    return fd


def is_locked(fd: int) -> bool:
    """Tell whether another open file description holds the lock, without keeping it.

    The look itself takes a shared lock: two that look at once do not take each other for holders.
    """
    from fcntl import LOCK_NB, LOCK_SH, LOCK_UN, flock

    try:
        flock(fd, LOCK_SH | LOCK_NB)
    except BlockingIOError:
        return True
    flock(fd, LOCK_UN)
    return False
