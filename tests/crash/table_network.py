"""Row 10 of the reliability table, below HTTP: what happens on the way to an issuer and back.

A strict issuer cannot do these, so a scripted peer does. Nothing of a request arrives where the class
is ``not_sent``: names that are not found, connections and handshakes that fail, proxies without a tunnel.
"""

import ssl
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from socket import socket

import trustme

from fetchtoken.oauth.outcome import Kind
from tests.support.peers import Peer, answering, over_tls, read_request, reset

__all__ = ["NETWORK", "Net", "Place", "Trust"]

Script = Callable[[Peer, socket], None]


class Place(StrEnum):
    """Where the issuer is said to be."""

    PEER = "peer"
    """At the scripted peer, over TLS."""
    CLOSED = "closed"
    """At a port where nobody listens."""
    NOWHERE = "nowhere"
    """At a name that does not exist."""
    PROXY = "proxy"
    """Behind a proxy: the scripted peer."""
    PROXY_CLOSED = "proxy closed"


class Trust:
    """An authority that the programs trust, and another one that they do not."""

    def __init__(self) -> None:
        self.ours = trustme.CA()
        self._theirs = trustme.CA()

    def server(self, name: str = "localhost", *, known: bool = True) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (self.ours if known else self._theirs).issue_cert(name).configure_cert(context)
        return context

    def old(self) -> ssl.SSLContext:
        context = self.server()
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        return context


@dataclass(frozen=True, kw_only=True)
class Net:
    """One way to fail, or to answer.

    Attributes:
        name: of the test.
        kind: the class that follows.
        word: what the account's ``last_error`` says.
        place: where the issuer is said to be.
        script: what the peer does with a connection.
    """

    name: str
    kind: Kind
    word: str = ""
    place: Place = Place.PEER
    script: Callable[[Trust], Script] | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def _saying(data: bytes) -> Callable[[Trust], Script]:
    return lambda trust: over_tls(trust.server(), answering(data))


def _http(status: str, body: bytes, *, promised: int | None = None) -> bytes:
    length = len(body) if promised is None else promised
    return f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n".encode() + body


def _chunked(status: str, *chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    framed = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return f"HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + framed + end


def _hang_up(peer: Peer, connection: socket) -> None:
    del peer
    connection.close()


def _reset(peer: Peer, connection: socket) -> None:
    del peer
    reset(connection)


def _not_tls(peer: Peer, connection: socket) -> None:
    del peer
    connection.sendall(b"220 mail.example.com ESMTP\r\n")


def _cut_off_under_tls(trust: Trust) -> Script:
    """Half an answer, and the connection is gone without a closing notice."""
    context = trust.server()

    def script(peer: Peer, connection: socket) -> None:
        secure = context.wrap_socket(connection, server_side=True)
        peer.requests.append(read_request(secure))
        secure.sendall(_http("401 Unauthorized", b'{"error":', promised=400))
        reset(secure)

    return script


TOKENS = b'{"access_token":"at_new","refresh_token":"rt_new","expires_in":864000}'
REUSED = b'{"error":{"code":"refresh_token_reused"}}'

NOT_SENT = [
    Net(name="name not found", kind=Kind.NOT_SENT, place=Place.NOWHERE),
    Net(name="connection refused", kind=Kind.NOT_SENT, place=Place.CLOSED),
    Net(name="proxy refused", kind=Kind.NOT_SENT, place=Place.PROXY_CLOSED),
    *(
        Net(
            name=f"CONNECT {answer[:24]}",
            kind=Kind.NOT_SENT,
            place=Place.PROXY,
            script=lambda _, said=answer: answering(said.encode()),
        )
        for answer in (
            "HTTP/1.1 403 Forbidden\r\n\r\n",
            "HTTP/1.1 407 Who\r\n\r\n",
            "HTTP/1.1 502 Bad\r\n\r\n",
            "SSH-2.0-OpenSSH_9.2\r\n",
        )
    ),
    Net(
        name="unknown authority",
        kind=Kind.NOT_SENT,
        script=lambda trust: over_tls(trust.server(known=False), answering(b"")),
    ),
    Net(
        name="wrong name",
        kind=Kind.NOT_SENT,
        script=lambda trust: over_tls(trust.server("other.test"), answering(b"")),
    ),
    Net(name="TLS 1.1", kind=Kind.NOT_SENT, script=lambda trust: over_tls(trust.old(), answering(b""))),
    Net(name="no TLS", kind=Kind.NOT_SENT, script=lambda _: _not_tls),
    Net(name="closed in the handshake", kind=Kind.NOT_SENT, script=lambda _: _hang_up),
    Net(name="reset in the handshake", kind=Kind.NOT_SENT, script=lambda _: _reset),
]

UNKNOWN = [
    Net(name="closed without an answer", kind=Kind.UNKNOWN, word="no_answer", script=_saying(b"")),
    Net(
        name="half a head",
        kind=Kind.UNKNOWN,
        word="no_answer",
        script=_saying(b"HTTP/1.1 200 OK\r\nContent-"),
    ),
    Net(
        name="not HTTP",
        kind=Kind.UNKNOWN,
        word="no_answer",
        script=_saying(b"\x15\x03\x01\x00\x02\x02\x28" * 9),
    ),
    Net(
        name="torn refusal",
        kind=Kind.UNKNOWN,
        word="torn_answer",
        script=_saying(_http("401 No", REUSED, promised=999)),
    ),
    Net(
        name="torn refusal, chunked",
        kind=Kind.UNKNOWN,
        word="torn_answer",
        script=_saying(_chunked("400 No", REUSED, end=b"9\r\n")),
    ),
    Net(
        name="torn 503",
        kind=Kind.UNKNOWN,
        word="torn_answer",
        script=_saying(_http("503 No", b"", promised=1)),
    ),
    Net(
        name="torn tokens",
        kind=Kind.UNKNOWN,
        word="http_200",
        script=_saying(_http("200 OK", TOKENS[:30], promised=70)),
    ),
    Net(
        name="a refusal without an end",
        kind=Kind.UNKNOWN,
        word="torn_answer",
        script=_saying(_http("401 No", bytes(2 << 20))),
    ),
    Net(name="cut off under TLS", kind=Kind.UNKNOWN, word="torn_answer", script=_cut_off_under_tls),
]

REST = [
    Net(name="in chunks", kind=Kind.TOKENS, script=_saying(_chunked("200 OK", TOKENS[:9], TOKENS[9:]))),
    Net(
        name="after 100 Continue",
        kind=Kind.TOKENS,
        script=_saying(b"HTTP/1.1 100 Continue\r\n\r\n" + _http("200 OK", TOKENS)),
    ),
    Net(name="503 over TLS", kind=Kind.TRY_LATER, word="http_503", script=_saying(_http("503 No", b""))),
    Net(
        name="reused over TLS",
        kind=Kind.REFUSED,
        word="other_holder: refresh_token_reused",
        script=_saying(_http("401 No", REUSED)),
    ),
]

NETWORK = [*NOT_SENT, *UNKNOWN, *REST]
