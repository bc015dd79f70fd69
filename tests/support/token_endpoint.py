"""A token endpoint that answers as a test says: what does a client make of this answer?

It answers each path alike; what was posted, as JSON or as a form, is kept with its path.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

__all__ = ["Reply", "TokenEndpoint", "running_endpoint"]


class Reply(NamedTuple):
    """An answer; a document goes out as JSON, bytes as they are."""

    status: int
    document: Any = b""
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed


Answering = Callable[[dict[str, Any]], Reply]
"""Returns the reply to the fields of a request."""


@dataclass
class TokenEndpoint:
    """What was posted, in order: the fields, the path, and the headers with lower-case names."""

    url: str = ""
    posts: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def reasons(self) -> set[str]:
        """Why a refresh was asked for."""
        return {str(post.get("refresh_reason")) for post in self.posts}


class _Server(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        """A client that was killed in mid-request is no error of the test."""


@contextmanager
def running_endpoint(answer: Answering) -> Iterator[TokenEndpoint]:
    """Serve on a free port until the block ends."""
    endpoint = TokenEndpoint()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fields = json.loads(body) if body.startswith(b"{") else dict(parse_qsl(body.decode()))
            endpoint.posts.append(fields)
            endpoint.paths.append(self.path)
            endpoint.headers.append({name.lower(): value for name, value in self.headers.items()})
            reply = answer(fields)
            body = (
                reply.document if isinstance(reply.document, bytes) else json.dumps(reply.document).encode()
            )
            self.send_response(reply.status)
            headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **reply.headers}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing on stderr."""

    with _Server(("127.0.0.1", 0), Handler) as server:
        endpoint.url = f"http://127.0.0.1:{server.server_port}/oauth/token"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield endpoint
        finally:
            server.shutdown()
            thread.join()
