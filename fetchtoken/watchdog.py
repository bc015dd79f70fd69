"""The end of ``--timeout``, even in the middle of a name lookup.

Sources keep their own deadlines and say why they gave up. A call that no deadline reaches (the
resolver of the C library, a hung file system) blocks signal handlers too, but not another thread.
"""

from __future__ import annotations

import _thread
import os

__all__ = ["arm"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fetchtoken.output import Stream

_UNAVAILABLE = 5


def arm(timeout_s: float, stderr: Stream) -> _thread.LockType:
    """End this process with exit code 5 after a while, unless the returned lock is released before.

    Args:
        timeout_s: seconds from now.
        stderr: told what happened.
    """
    lock = _thread.allocate_lock()
    lock.acquire()
    _thread.start_new_thread(_watch, (lock, timeout_s, stderr))
    return lock


def _watch(lock: _thread.LockType, timeout_s: float, stderr: Stream) -> None:
    if lock.acquire(timeout=timeout_s):
        return
    from fetchtoken.domain.errors import Unavailable
    from fetchtoken.report import report

    report(Unavailable(f"no token within {timeout_s:g} s", hint="a longer --timeout, or --verbose"), stderr)
    os._exit(_UNAVAILABLE)
