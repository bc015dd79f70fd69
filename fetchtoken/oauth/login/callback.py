"""The little server to which the browser is sent back: on 127.0.0.1, for one answer.

Browsers open connections that they never use, so each has a thread of its own. Whatever does not
come to the right host, path and state is answered and changes nothing, with one exception: an
answer with a wrong state ends the login, for the person may have approved somebody else's.
"""

from __future__ import annotations

import os
import socket
import threading
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from fetchtoken.domain.errors import ConfigError, FetchTokenError
from fetchtoken.domain.secret import Secret
from fetchtoken.oauth.login.browser import CALLBACK_PATH, PORTS, is_answer, read_answer

__all__ = ["Callback"]

_HOST = "127.0.0.1"
_PATIENCE_S = 10.0
"""For a request to arrive whole."""

_STYLE = (
    ":root{color-scheme:light dark}body{font:1.0625rem/1.5 system-ui,sans-serif;max-width:32rem;"
    "margin:15vh auto 0;padding:0 1.25rem}h1{font-size:1.375rem}"
)
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'none'; base-uri 'none';"
    " frame-ancestors 'none'"
)


class Callback:
    """Waits for the browser; a context manager that listens from entry to exit.

    Args:
        state: the login's own; only who knows it brings an answer.
        ports: tried in this order.

    Raises:
        ConfigError: every port is taken (at entry).
    """

    def __init__(self, state: Secret, ports: Sequence[int] = PORTS) -> None:
        self._state = state
        self._ports = ports
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self._outcome: Secret | FetchTokenError | None = None
        self._reader, self._writer = socket.socketpair()

    def __enter__(self) -> Self:
        try:
            self._server = self._listen()
        except BaseException:
            self._close_pair()
            raise
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        self._close_pair()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None  # noqa: S101 - it is entered
        return int(self._server.server_address[1])

    def fileno(self) -> int:
        """Return a descriptor that can be read once the answer is there, for ``select``."""
        return self._reader.fileno()

    def code(self) -> Secret | None:
        """Return the code that came, or ``None`` while there is no answer.

        Raises:
            FetchTokenError: the answer was another one.
        """
        with self._lock:
            outcome = self._outcome
        if isinstance(outcome, FetchTokenError):
            raise outcome
        return outcome

    def take(self, query: str) -> FetchTokenError | None:
        """Judge one answer and keep what it came to; the first one counts.

        Returns:
            What is wrong with it, or ``None``.
        """
        try:
            outcome: Secret | FetchTokenError = read_answer(query, self._state)
        except FetchTokenError as error:
            outcome = error
        with self._lock:
            if self._outcome is None:
                self._outcome = outcome
        return outcome if isinstance(outcome, FetchTokenError) else None

    def wake(self) -> None:
        """Say that the answer has been judged, and the browser told."""
        with suppress(OSError):  # nobody listens any more
            self._writer.send(b".")

    def _listen(self) -> _Server:
        for port in self._ports:
            try:
                return _Server((_HOST, port), self)
            except OSError:
                continue
        both = " and ".join(str(port) for port in self._ports)
        raise ConfigError(
            f"ports {both} on {_HOST} are in use, and the browser is sent back to no other",
            hint="end the other login that waits there, or log in with --device",
        )

    def _close_pair(self) -> None:
        for end in (self._reader, self._writer):
            end.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = os.name == "posix"

    def __init__(self, address: tuple[str, int], callback: Callback) -> None:
        self.callback = callback
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away is nobody's business."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _PATIENCE_S
    server: _Server
    server_version = "codex-login"
    sys_version = ""

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if self.headers.get("Host", "") not in self._hosts():
            self._say(421, "Wrong address", "This server answers on this computer only.")
        elif path != CALLBACK_PATH:
            self._say(404, "Nothing here", "This server waits for the end of a login.")
        elif not is_answer(query):
            self._say(400, "No answer", "Open the link that your terminal shows, and log in there.")
        else:
            self._answer(query)

    def do_POST(self) -> None:
        self._say(405, "Not here", "The answer to a login comes by a link.", Allow="GET")

    do_HEAD = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_POST  # noqa: N815 - the base looks for these names

    def _answer(self, query: str) -> None:
        problem = self.server.callback.take(query)
        try:
            if problem is None:
                self._say(200, "Approved", "Your terminal finishes the login. You can close this page.")
            else:
                self._say(400, "Not logged in", f"{problem.message}. See your terminal.")
        finally:  # even where the browser is gone
            self.server.callback.wake()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's own name
        """Say nothing: a request's line holds the code."""

    def _hosts(self) -> tuple[str, str]:
        port = self.server.server_address[1]
        return f"{_HOST}:{port}", f"localhost:{port}"

    def _say(self, status: int, title: str, text: str, **headers: str) -> None:
        page = (
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
            f"<body><main><h1>{escape(title)}</h1><p>{escape(text)}</p></main></body></html>"
        ).encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Length": str(len(page)),
            "Content-Security-Policy": _POLICY,
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "Connection": "close",
            **headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page)
