"""One line for each request, written by one thread so that no request waits for a terminal or a pipe.

The request path only puts a tuple into a queue; rendering and writing happen in the thread. The
queue is bounded: when the stream blocks, lines are dropped and counted, callers are not held up.
"""

import sys
from contextlib import suppress
from json import dumps
from queue import SimpleQueue
from threading import Thread
from typing import NamedTuple, TextIO

from broker.telemetry.redact import redact_text
from fetchtoken.domain.instants import to_rfc3339

__all__ = ["NoRequestLog", "RequestLine", "RequestLog"]

_MOST_WAITING = 10_000
_MOST_AT_ONCE = 500


class RequestLine(NamedTuple):
    """What is known of one answered request; never a raw path, query or header."""

    at: float
    """Epoch seconds at which the answer was ready."""
    method: str
    route: str
    """The route's template, or an empty string for a path that nothing serves."""
    account: str
    client: str
    peer: str
    status: int
    code: str
    """The problem's code, or an empty string."""
    took_s: float
    request_id: str
    transport: str = ""
    """``ssh``, or an empty string for HTTP; the status is then the exit code."""


class NoRequestLog:
    """Drops every line."""

    def add(self, line: RequestLine) -> None:
        """Drop the line."""


class RequestLog:
    """Writes request lines as JSON to a stream.

    Args:
        stream: where lines go; standard error by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.dropped = 0
        """Lines lost because the stream was slower than the callers."""
        self._stream = sys.stderr if stream is None else stream
        self._render = _as_pairs if self._stream.isatty() else _as_json
        self._queue: SimpleQueue[RequestLine | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="request-log", daemon=True)
        self._thread.start()

    def add(self, line: RequestLine) -> None:
        """Queue one line; never blocks."""
        if self._queue.qsize() >= _MOST_WAITING:
            self.dropped += 1
            return
        self._queue.put(line)

    def close(self) -> None:
        """Write what is queued and end the thread."""
        self._queue.put(None)
        self._thread.join(timeout=30)

    def _run(self) -> None:
        going = True
        while going:
            line = self._queue.get()
            lines = []
            while line is not None:
                lines.append(self._render(line))
                if len(lines) >= _MOST_AT_ONCE or self._queue.empty():
                    break
                line = self._queue.get()
            going = line is not None
            # A closed pipe must not end the thread: a later reader may come, and callers never wait.
            with suppress(OSError, ValueError):
                self._stream.write("".join(lines))
                self._stream.flush()


def _event(line: RequestLine) -> dict[str, str | float]:
    """Return what the line says, without what is empty."""
    event: dict[str, str | float] = {"at": to_rfc3339(line.at), "level": "info", "event": "request"}
    for name in ("method", "route", "account", "client", "peer", "code", "request_id", "transport"):
        text = getattr(line, name)
        if text:
            event[name] = text
    event["status"] = line.status
    event["took_s"] = round(line.took_s, 6)
    return event


def _as_json(line: RequestLine) -> str:
    # Once over the whole line: no shape of a secret contains a quote, so it stays JSON.
    return redact_text(dumps(_event(line))) + "\n"


def _as_pairs(line: RequestLine) -> str:
    return redact_text(" ".join(f"{name}={value}" for name, value in _event(line).items())) + "\n"
