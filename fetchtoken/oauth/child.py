"""What every exchange process is, whoever starts it: one framed request in, one framed report out.

It lives in a session of its own and ignores SIGINT, SIGTERM and SIGHUP, so neither Ctrl-C nor a
stopping daemon cuts an exchange in two.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from fetchtoken.files.core import forbid_core_dumps
from fetchtoken.oauth.spawn import encode_frame, read_frame

__all__ = ["STDIN", "report", "serve_one"]

STDIN = 0
"""Where the request comes from, and later the parent's acknowledgement."""

_STDOUT = 1


def serve_one(work: Callable[[dict[str, object]], None]) -> int:
    """Read the request and have it done.

    Args:
        work: does what the request says and reports.

    Returns:
        The exit status: 2 for a request that is none, else 0.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    forbid_core_dumps()
    try:
        request = read_frame(STDIN)
    except ValueError:
        return 2
    # Without a whole request the parent went away before it had said what to send. The journal has
    # no ``sending`` record, so whoever looks next knows that nothing was.
    if request is not None:
        work(request)
    return 0


def report(value: dict[str, object]) -> None:
    """Tell the parent, if it can still be told; what matters is on disk by then."""
    data = encode_frame(value)
    try:
        while data:
            data = data[os.write(_STDOUT, data) :]
    except OSError:
        pass
