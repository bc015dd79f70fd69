"""The broker's exchange process: ``python -m fetchtoken.oauth.exchange``.

The broker has made the journal file with the intent in it, and passes its locked descriptor on.
The report goes out after the answer is durable; where no disk takes the answer the report says
so, and the process stays with it.
"""

from __future__ import annotations

import os
import sys
from base64 import b64decode

from fetchtoken.oauth.attempt import Attempt, hold_until_safe, journal_answer, send
from fetchtoken.oauth.child import STDIN, report, serve_one
from fetchtoken.oauth.journal import JournalKey
from fetchtoken.oauth.outcome import Answer

__all__ = ["main"]


def main() -> int:
    """Carry out one attempt; the exit status says only whether a request came."""
    return serve_one(_exchange)


def _exchange(request: dict[str, object]) -> None:
    from fcntl import LOCK_EX, LOCK_NB, flock

    attempt = _attempt(request)
    try:
        # The lock came with the descriptor and this changes nothing. A file system that locks by
        # process (NFS) did not pass it on: without it the broker would not know that we live.
        flock(attempt.journal_fd, LOCK_EX | LOCK_NB)
    except OSError as error:
        answer = Answer(sent=False, reason=f"the journal cannot be locked: {error.strerror}")
    else:
        answer = send(attempt, os.environ)
    journaled = journal_answer(attempt, answer)
    report({"answer": answer.to_json(), "journaled": journaled})
    if not journaled:
        hold_until_safe(lambda: journal_answer(attempt, answer), STDIN)


def _attempt(request: dict[str, object]) -> Attempt:
    key, intent = request.get("journal_key"), request.get("intent")
    return Attempt(
        name=str(request["attempt"]),
        url=str(request["url"]),
        body=str(request["body"]).encode(),
        journal_fd=int(str(request["journal_fd"])),
        started_s=float(str(request["started_s"])),
        limit_s=float(str(request["limit_s"])),
        ca_file=str(request.get("ca_file", "")),
        key=JournalKey(str(key["key_id"]), b64decode(key["key"])) if isinstance(key, dict) else None,
        spare=str(request.get("spare", "")),
        intent=intent if isinstance(intent, dict) else {},
    )


if __name__ == "__main__":
    sys.exit(main())
