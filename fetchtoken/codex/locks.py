"""The locks that Codex takes when it writes ``auth.json``, in Codex's order.

First ``auth.lock`` in the Codex home, then ``auth.json.lock`` beside the real file (seen with
``strace`` on the binary). Codex takes them after its HTTP answer, so they guard the file, not the
exchange; our programs take them before. Whoever makes ``auth.json`` another file holds the first,
and whoever needs several of the second kind takes them in the order of their names.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from fetchtoken.files.lock import open_locked

__all__ = ["auth_locks", "codex_home_of", "file_locks", "home_lock"]


@contextmanager
def auth_locks(path: str, codex_home: str, deadline_s: float) -> Iterator[None]:
    """Hold the locks of one auth file.

    Args:
        path: the auth file; a symbolic link is followed, as Codex does.
        codex_home: the Codex home; its ``auth.lock`` counts where the file is that home's login.
        deadline_s: ``time.monotonic()`` seconds at which to give up.

    Raises:
        Unavailable: another process holds one.
        OSError: they cannot be made or taken (``EROFS``, ``ENOLCK``).
    """
    while True:
        names = _names(path, codex_home)
        with _held(names, deadline_s):
            # While we waited, a link may have been turned to a file that other locks guard.
            if _names(path, codex_home) == names:
                yield
                return


@contextmanager
def home_lock(codex_home: str, deadline_s: float) -> Iterator[None]:
    """Hold the lock under which ``auth.json`` may become another file; raises as :func:`auth_locks`."""
    with _held([os.path.join(codex_home, "auth.lock")], deadline_s):
        yield


@contextmanager
def file_locks(paths: Iterable[str], deadline_s: float) -> Iterator[None]:
    """Hold the locks of several real files; raises as :func:`auth_locks`.

    Args:
        paths: as ``realpath`` gives them; the files need not exist.
        deadline_s: as for :func:`auth_locks`.
    """
    with _held(sorted({path + ".lock" for path in paths}), deadline_s):
        yield


def _names(path: str, codex_home: str) -> list[str]:
    real = os.path.realpath(path)
    names = [real + ".lock"]
    if os.path.realpath(os.path.join(codex_home, "auth.json")) == real:
        names.insert(0, os.path.join(codex_home, "auth.lock"))
    return names


@contextmanager
def _held(names: list[str], deadline_s: float) -> Iterator[None]:
    held: list[int] = []
    try:
        for name in names:
            held.append(open_locked(name, deadline_s))  # noqa: PERF401 - what is open must be closed on error
        yield
    finally:
        for fd in reversed(held):
            os.close(fd)


def codex_home_of(path: str) -> str:
    """Return the Codex home that an auth file belongs to: its directory, or that above ``accounts``."""
    directory = os.path.dirname(path)
    return os.path.dirname(directory) if os.path.basename(directory) == "accounts" else directory
