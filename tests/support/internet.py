"""Everything beyond this machine, on loopback: a proxy that is every host a client asks it for.

Whoever is given the proxy and the authority's certificate finds each name answering under TLS. What was
sent there is kept as it was sent, so that a test sees what would have left the machine.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any

import trustme

__all__ = ["Asked", "Internet", "Reply", "running_internet"]

Reply = tuple[int, str, bytes]
"""Status, content type, body."""

NOTHING: Reply = (404, "application/json", b"{}")


@dataclass(frozen=True)
class Asked:
    """One request to another host; header names in lower case."""

    host: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Internet:
    """What was asked, and what is answered.

    Attributes:
        url: of the proxy.
        ca_file: the certificate of the authority that every host has its own from.
        answer: says what a host answers; nothing is found anywhere unless it is set.
        asked: every request so far.
    """

    url: str
    ca_file: Path
    answer: Callable[[Asked], Reply] = lambda _: NOTHING
    asked: list[Asked] = field(default_factory=list)

    def asked_of(self, host: str) -> list[Asked]:
        """Return what one host was asked."""
        return [each for each in self.asked if each.host == host]

    @property
    def environment(self) -> dict[str, str]:
        """What leads a client here, whichever of the usual variables it knows."""
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), self.url)
        trust = dict.fromkeys(("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"), str(self.ca_file))
        return {**proxies, **trust, "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    internet: Internet
    authority: trustme.CA
    host = ""

    def do_CONNECT(self) -> None:
        """Become the host that is asked for; what follows on the connection is for that one."""
        self.host = self.path.rpartition(":")[0]
        context = SSLContext(PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(self.host).configure_cert(context)
        self.send_response_only(200)
        self.end_headers()
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile.close()
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)

    def _answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", "0")))
        asked = Asked(self.host or headers.get("host", ""), self.command, self.path, headers, body)
        self.internet.asked.append(asked)
        status, kind, data = self.internet.answer(asked)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def __getattr__(self, name: str) -> Any:
        """Answer every method alike."""
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def finish(self) -> None:
        """Close what TLS has put in the place of the connection."""
        super().finish()
        self.connection.close()

    def log_message(self, *_: Any) -> None:
        """Say nothing on stderr."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """A client that went away or trusts nobody is no error of the test."""


@contextmanager
def running_internet(root: Path) -> Iterator[Internet]:
    """Serve on a free port until the block ends; ``root`` gets the authority's certificate."""
    authority = trustme.CA()
    ca_file = root / "internet.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    handler = type("Handler", (_Handler,), {"authority": authority})
    with _Server(("127.0.0.1", 0), handler) as server:
        handler.internet = Internet(f"http://127.0.0.1:{server.server_port}", ca_file)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield handler.internet
        finally:
            server.shutdown()
            thread.join()
