"""One request, one answer, and how far it got."""

from __future__ import annotations

import os

from fetchtoken.domain.errors import Unsafe
from fetchtoken.net.connect import open_stream, remaining_s
from fetchtoken.net.errors import BadAnswer, NoAnswer, NotSent, words_of
from fetchtoken.net.http1 import AnswerParser, render_request
from fetchtoken.net.url import Url, parse_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from socket import socket

__all__ = ["Response", "request"]

_READ = 64 * 1024


class Response:
    """An answer whose head came whole.

    Args:
        status: 200 to 599.
        headers: names in lower case; repeated ones joined by a comma.
        body: what came of it.
        complete: whether the body is whole by its own framing.
    """

    __slots__ = ("body", "complete", "headers", "status")

    def __init__(self, status: int, headers: dict[str, str], body: bytes, *, complete: bool) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.complete = complete

    def __repr__(self) -> str:
        return f"Response({self.status}, {len(self.body)} bytes, complete={self.complete})"


def request(  # noqa: PLR0913 - the whole of what a request depends on, each named at the call
    method: str,
    url: str | Url,
    *,
    headers: dict[str, str],
    deadline_s: float,
    body: bytes = b"",
    ca_file: str | None = None,
    client_cert: str | None = None,
    client_key: str | None = None,
    environ: Mapping[str, str] = os.environ,
    before_first_byte: Callable[[], None] | None = None,
    max_body: int = 1 << 20,
) -> Response:
    """Send one request on a connection of its own and read its answer. Nothing is sent twice.

    Args:
        method: the HTTP method.
        url: ``https``, or ``http`` and ``unix`` to this machine.
        headers: beside ``Host``, ``Connection`` and ``Content-Length``, which are made here.
        deadline_s: the end of everything, on the monotonic clock.
        body: the whole body.
        ca_file: PEM file of the only authorities to trust.
        client_cert: PEM file with a client certificate.
        client_key: PEM file with its key.
        environ: where proxies and CA files are looked up.
        before_first_byte: called once the connection (and TLS) is up; it may raise ``NotSent``,
            then nothing is sent.
        max_body: most bytes of body; a longer one is cut and not complete.

    Raises:
        ConfigError: the URL, a header, a certificate file or a proxy setting is unusable; no connection.
        Unsafe: plain http to another machine; no connection.
        NotSent: the peer cannot have seen the whole request.
        NoAnswer: it was handed over, and no complete head came back.
        BadAnswer: it was handed over, and what came back is not HTTP.
    """
    peer = parse_url(url) if isinstance(url, str) else url
    if peer.scheme == "http" and not peer.is_local:
        raise Unsafe(f"plain http to {peer.peer} would show the secret to the network", hint="use https://")
    data = render_request(method, peer.path, peer.authority, headers, body)
    stream = open_stream(
        peer,
        deadline_s,
        ca_file=ca_file,
        client_cert=client_cert,
        client_key=client_key,
        environ=environ,
    )
    try:
        if before_first_byte is not None:
            before_first_byte()
        _send(stream, data, peer.peer, deadline_s)
        parser = AnswerParser(max_body, bodiless=method == "HEAD")
        _receive(stream, parser, peer.peer, deadline_s)
    finally:
        stream.close()
    return Response(parser.status, parser.headers, bytes(parser.body), complete=parser.complete)


def _send(stream: socket, data: bytes, peer: str, deadline_s: float) -> None:
    """Hand every byte to the kernel, or raise.

    A ``send`` that raises took nothing of what it was given; under TLS the last record is then
    incomplete and cannot be read by the peer. So an error here means that the whole request
    cannot have arrived.
    """
    view = memoryview(data)
    sent = 0
    try:
        while sent < len(data):
            stream.settimeout(remaining_s(deadline_s))
            sent += stream.send(view[sent:])
    except OSError as error:
        what = f"{sent} of {len(data)} bytes were sent"
        raise NotSent(f"{peer} did not take the request: {words_of(error)} ({what})") from None


def _receive(stream: socket, parser: AnswerParser, peer: str, deadline_s: float) -> None:
    """Read one answer. A failure inside the body ends it as incomplete, before that it raises."""
    reason = "closed the connection"
    try:
        whole = False
        while not whole:
            stream.settimeout(remaining_s(deadline_s))
            data = stream.recv(_READ)
            if not data:
                parser.end(clean=True)
                break
            whole = parser.feed(data)
    except BadAnswer as error:
        raise BadAnswer(f"{peer} answered nonsense: {error}") from None
    except OSError as error:
        reason = words_of(error)
        parser.end(clean=False)
    if not parser.status:
        raise NoAnswer(f"{peer} took the request and gave no answer: {reason}")
