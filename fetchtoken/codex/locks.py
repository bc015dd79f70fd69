"""The locks that Codex takes when it writes ``auth.json``, in Codex's order.

First ``auth.lock`` in the Codex home, then ``auth.json.lock`` beside the real file (seen with
``strace`` on the binary). Codex takes them after its HTTP answer, so they guard the file, not the
exchange; our programs take them before.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from fetchtoken.files.lock import open_locked

__all__ = ["auth_locks"]


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
    real = os.path.realpath(path)
    names = [real + ".lock"]
    if os.path.realpath(os.path.join(codex_home, "auth.json")) == real:
        names.insert(0, os.path.join(codex_home, "auth.lock"))
    held: list[int] = []
    try:
        for name in names:
            held.append(open_locked(name, deadline_s))  # noqa: PERF401 - what is open must be closed on error
        yield
    finally:
        for fd in reversed(held):
            os.close(fd)
