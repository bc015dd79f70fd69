"""The exchange process: ``python -m fetchtoken.oauth.exchange``.

It lives in a session of its own and ignores SIGINT, SIGTERM and SIGHUP, so neither Ctrl-C nor a
stopping daemon cuts an exchange in two. One framed request comes on stdin; one framed report goes
to stdout after the answer is durable. Two kinds of request exist: ``exchange``, where the broker has
written the intent, and ``refresh_file``, where the process does the whole locked refresh itself.
"""

from __future__ import annotations

import os
import signal
import sys
from base64 import b64decode

from fetchtoken.oauth.attempt import Attempt, hold_until_safe, journal_answer, send
from fetchtoken.oauth.journal import JournalKey
from fetchtoken.oauth.spawn import encode_frame, read_frame

__all__ = ["main"]

_STDIN, _STDOUT = 0, 1


def main() -> int:
    """Serve one request; the exit status says only whether a report could be made."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    try:
        request = read_frame(_STDIN)
    except ValueError:
        return 2
    if request is None:
        # The parent went away before it had said what to send. The journal has no ``sending``
        # record, so whoever looks next knows that nothing was.
        return 0
    if request.get("kind") == "refresh_file":
        from fetchtoken.codex.refresh_file import serve

        _report(serve(request, os.environ))
        return 0
    return _exchange(request)


def _exchange(request: dict[str, object]) -> int:
    """Carry out an attempt whose journal file the broker has made and passed on."""
    attempt = _attempt(request)
    answer = send(attempt, os.environ)
    journaled = journal_answer(attempt, answer)
    _report({"answer": answer.to_json(), "journaled": journaled})
    if not journaled:
        hold_until_safe(lambda: journal_answer(attempt, answer), _STDIN)
    return 0


def _attempt(request: dict[str, object]) -> Attempt:
    key = request.get("journal_key")
    return Attempt(
        name=str(request["attempt"]),
        url=str(request["url"]),
        body=str(request["body"]).encode(),
        journal_fd=int(str(request["journal_fd"])),
        started_s=float(str(request["started_s"])),
        limit_s=float(str(request["limit_s"])),
        ca_file=str(request.get("ca_file", "")),
        key=JournalKey(str(key["key_id"]), b64decode(key["key"])) if isinstance(key, dict) else None,
    )


def _report(report: dict[str, object]) -> None:
    """Tell the parent, if it is still there."""
    data = encode_frame(report)
    try:
        while data:
            data = data[os.write(_STDOUT, data) :]
    except BrokenPipeError:
        pass


if __name__ == "__main__":
    sys.exit(main())
