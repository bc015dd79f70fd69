"""A Responses backend for the real Codex CLI: real HTTP on loopback, in a thread.

It answers 401 to anything but the exact current bearer, streams one short reply to
``POST …/responses``, 404 to everything else, and stands in as token endpoint and proxy too,
so that whatever a client would send elsewhere is seen here instead. What shall happen while a session is
going on happens between two of its requests: :meth:`Backend.meanwhile`.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from fetchtoken.domain.secret import Secret

__all__ = ["REPLY", "Backend", "Seen", "running_backend"]

REPLY = "hello from the fake backend"
"""The text that ``codex exec`` prints when everything went well."""


@dataclass(frozen=True)
class Seen:
    """One request; its bearer by fingerprint, empty where there was none."""

    method: str
    path: str
    bearer: str
    account_id: str
    status: int


class Backend:
    """What was asked, and which bearer is good."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[Seen] = []
        self._current = Secret("")
        self._former = Secret("")
        self._is_good: Callable[[str], bool] = lambda _: False
        self._meanwhile: list[Callable[[], object]] = []
        self._documents: dict[str, bytes] = {}

    def accept(self, access_token: str, *, elsewhere: str = "") -> None:
        """Take this bearer, and no other, from now on.

        Args:
            access_token: the bearer.
            elsewhere: one that counts everywhere but where a model is asked.
        """
        self._current, self._former = Secret(access_token), Secret(elsewhere)

    def meanwhile(self, *actions: Callable[[], object]) -> None:
        """Prolong the next session: the model wants a tool used, an action happens, it is asked again."""
        self._meanwhile.extend(actions)

    def serve(self, path: str, document: object) -> None:
        """Answer a side service's path with this."""
        self._documents[path] = json.dumps(document).encode()

    def document_at(self, path: str) -> bytes | None:
        """Return what a side service answers, or ``None`` where there is none."""
        return self._documents.get(path)

    def respond(self) -> bytes:
        """Return the events of one answer; what is to happen before the next request has happened."""
        if not self._meanwhile:
            return _events(_MESSAGE)
        self._meanwhile.pop(0)()
        return _events(_TOOL_CALL)

    def accept_if(self, is_good: Callable[[str], bool]) -> None:
        """Take every bearer of which this is true as well."""
        self._is_good = is_good

    def is_good(self, bearer: Secret, path: str) -> bool:
        """Tell whether a bearer counts at a path."""
        if bearer and self._is_good(bearer.reveal()):
            return True
        known = (self._current,) if path.endswith("/responses") else (self._current, self._former)
        return bool(bearer) and bearer in known

    @property
    def responses(self) -> list[Seen]:
        """Requests for a model's response."""
        return [seen for seen in self.requests if (seen.method, seen.path) == ("POST", "/v1/responses")]

    @property
    def token_requests(self) -> list[Seen]:
        """Requests that only a holder of refresh tokens makes."""
        return [seen for seen in self.requests if "oauth" in seen.path or "auth.openai.com" in seen.path]


_MESSAGE = {
    "type": "message",
    "role": "assistant",
    "id": "msg_1",
    "content": [{"type": "output_text", "text": REPLY}],
}
_TOOL_CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "update_plan",
    "arguments": '{"plan":[{"step":"go on","status":"in_progress"}]}',
}


def _events(item: dict[str, Any]) -> bytes:
    """Return the three events of a complete answer."""
    usage = {
        "input_tokens": 1,
        "input_tokens_details": None,
        "output_tokens": 1,
        "output_tokens_details": None,
        "total_tokens": 2,
    }
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {"id": "resp_1"}},
        {"type": "response.output_item.done", "item": item},
        {"type": "response.completed", "response": {"id": "resp_1", "usage": usage}},
    ]
    return "".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in events).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    backend: Backend

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        bearer = Secret(self.headers.get("Authorization", "").removeprefix("Bearer "))
        path = self.path.partition("?")[0]
        if not self.backend.is_good(bearer, path):
            status, body = 401, b'{"error":{"message":"not the current bearer","code":"token_expired"}}'
        elif (self.command, path) == ("POST", "/v1/responses"):
            status, body = 200, self.backend.respond()
        elif (document := self.backend.document_at(path)) is not None:
            status, body = 200, document
        else:
            status, body = 404, b"{}"
        self.backend.requests.append(
            Seen(
                method=self.command,
                path=path,
                bearer=bearer.fingerprint() if bearer else "",
                account_id=self.headers.get("ChatGPT-Account-Id", ""),
                status=status,
            )
        )
        self.send_response(status)
        self.send_header("Content-Type", "text/event-stream" if status == 200 else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def __getattr__(self, name: str) -> Any:
        """Answer every method alike."""
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def log_message(self, *_: Any) -> None:
        """Say nothing on stderr."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """A client that was killed in mid-request is no error of the test."""


@contextmanager
def running_backend() -> Iterator[Backend]:
    """Serve on a free port until the block ends."""
    handler = type("Handler", (_Handler,), {})
    with _Server(("127.0.0.1", 0), handler) as server:
        handler.backend = Backend(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield handler.backend
        finally:
            server.shutdown()
            thread.join()
