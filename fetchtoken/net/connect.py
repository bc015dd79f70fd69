"""A connected byte stream to a peer, within a deadline: TCP, a unix socket, a proxy tunnel, TLS."""

from __future__ import annotations

from time import monotonic

from fetchtoken.net.errors import BadAnswer, NotSent, words_of
from fetchtoken.net.http1 import AnswerParser, render_request
from fetchtoken.net.url import is_loopback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from socket import socket
    from types import ModuleType

    from fetchtoken.net.url import Url

    Address = tuple[int, tuple[object, ...]]

__all__ = ["open_raw", "open_stream", "open_tcp", "remaining_s"]

_TRY_S = 3.0
"""Longest wait for one address while another is left to try."""

_PROXY_HEAD = 16 * 1024


def remaining_s(deadline_s: float) -> float:
    """Return the seconds until a deadline on the monotonic clock; raise ``TimeoutError`` after it."""
    left = deadline_s - monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def open_stream(  # noqa: PLR0913 - what a connection depends on, each named at the call
    url: Url,
    deadline_s: float,
    *,
    ca_file: str | None,
    client_cert: str | None,
    client_key: str | None,
    environ: Mapping[str, str],
) -> socket:
    """Connect to a URL's peer; for ``https`` through the proxy of the environment and with TLS up.

    Raises:
        NotSent: there is no connection; nothing was said to the peer but a handshake.
        ConfigError: a certificate file or proxy setting is unusable.
    """
    if url.scheme == "unix":
        return _unix(url.socket_path, deadline_s)
    if url.scheme == "http":
        return _tcp(_light_sockets(), url.host, url.port, url.peer, deadline_s)
    from fetchtoken.net import tls

    trusts = tls.trusts(ca_file, environ)
    for number, trust in enumerate(trusts, 1):
        context = tls.client_context(trust, client_cert, client_key)
        raw = open_raw(url, deadline_s, environ)
        try:
            return tls.wrap(raw, context, url, deadline_s)
        except tls.UnknownAuthority:
            if number == len(trusts):
                raise
    raise AssertionError("tls.trusts is never empty")


def open_raw(url: Url, deadline_s: float, environ: Mapping[str, str]) -> socket:
    """Connect to an ``https`` URL's peer, through the proxy of the environment, before any TLS.

    Raises:
        NotSent: there is no connection.
        ConfigError: a proxy setting is unusable.
    """
    import socket as sockets

    from fetchtoken.net.proxy import proxy_for

    proxy = proxy_for(url, environ)
    if proxy is None:
        return _tcp(sockets, url.host, url.port, url.peer, deadline_s)
    raw = _tcp(sockets, proxy.host, proxy.port, f"proxy {proxy.peer}", deadline_s)
    _tunnel(raw, url, proxy.peer, proxy.headers, deadline_s)
    return raw


def open_tcp(host: str, port: int, peer: str, deadline_s: float) -> socket:
    """Connect to a host, as ``open_stream`` does, for a protocol other than HTTP.

    Raises:
        NotSent: there is no connection.
    """
    import socket as sockets

    return _tcp(sockets, host, port, peer, deadline_s)


def _light_sockets() -> ModuleType:
    """Return the C module: ``socket`` itself imports ``enum`` and ``selectors``."""
    try:
        import _socket
    except ImportError:  # another interpreter than CPython
        import socket

        return socket
    return _socket


def _unix(path: str, deadline_s: float) -> socket:
    sockets = _light_sockets()
    if not hasattr(sockets, "AF_UNIX"):
        raise NotSent(f"cannot connect to {path}: this system has no unix sockets")
    stream: socket = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
    try:
        stream.settimeout(remaining_s(deadline_s))
        stream.connect(path)
    except OSError as error:
        stream.close()
        raise NotSent(f"cannot connect to {path}: {words_of(error)}") from None
    except BaseException:
        stream.close()
        raise
    return stream


def _tcp(sockets: ModuleType, host: str, port: int, peer: str, deadline_s: float) -> socket:
    """Connect to the first address of a host that answers."""
    try:
        addresses = _addresses(sockets, host, port, deadline_s)
    except OSError as error:
        raise NotSent(f"cannot find {peer}: {words_of(error)}") from None
    problem = "no address"
    for number, (family, address) in enumerate(addresses, 1):
        stream: socket | None = None
        try:
            stream = sockets.socket(family, sockets.SOCK_STREAM)
            left_s = remaining_s(deadline_s)
            stream.settimeout(left_s if number == len(addresses) else min(left_s, _TRY_S))
            stream.connect(address)
            # TLS writes its last handshake message and the request apart: Nagle would cost a round trip.
            stream.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
        except OSError as error:
            problem = words_of(error)
            if stream is not None:
                stream.close()
        except BaseException:
            if stream is not None:
                stream.close()
            raise
        else:
            return stream
    raise NotSent(f"cannot connect to {peer}: {problem}")


def _addresses(sockets: ModuleType, host: str, port: int, deadline_s: float) -> list[Address]:
    """Return (family, address) pairs, the families taking turns (after RFC 8305 §4).

    ``localhost`` is never looked up: plain HTTP goes there (RFC 6761 §6.3).
    """
    if host == "localhost":
        hosts: list[Address] = [(sockets.AF_INET, ("127.0.0.1", port))]
        return [*hosts, (sockets.AF_INET6, ("::1", port))] if sockets.has_ipv6 else hosts
    flags = sockets.AI_NUMERICHOST if ":" in host or is_loopback(host) else 0
    found = _look_up(sockets, host, port, flags, deadline_s)
    first = [(family, address) for family, address in found if family == found[0][0]]
    other = [(family, address) for family, address in found if family != found[0][0]]
    turns = [pair for both in zip(first, other, strict=False) for pair in both]
    shorter = min(len(first), len(other))
    return turns + first[shorter:] + other[shorter:]


def _look_up(sockets: ModuleType, host: str, port: int, flags: int, deadline_s: float) -> list[Address]:
    """Resolve a name within the deadline; ``getaddrinfo`` knows none, so it runs beside.

    The host goes in as bytes: text would import the IDNA tables.
    """
    import _thread

    done = _thread.allocate_lock()
    done.acquire()
    answer: list[object] = []

    def ask() -> None:
        try:
            answer.append(sockets.getaddrinfo(host.encode(), port, 0, sockets.SOCK_STREAM, 0, flags))
        except OSError as error:
            answer.append(error)
        finally:
            done.release()

    if flags:
        ask()
    else:
        _thread.start_new_thread(ask, ())
    if not done.acquire(timeout=remaining_s(deadline_s)):
        raise TimeoutError("the name lookup timed out")
    result = answer[0] if answer else OSError("the name lookup failed")
    if isinstance(result, OSError):
        raise result
    assert isinstance(result, list)  # noqa: S101 - tells the type checker what getaddrinfo returns
    return [(family, address) for family, _, _, _, address in result]


def _tunnel(stream: socket, url: Url, proxy: str, headers: dict[str, str], deadline_s: float) -> None:
    """Ask a proxy for a tunnel (RFC 9110 §9.3.6); closes the stream where there is none."""
    target = f"[{url.host}]:{url.port}" if ":" in url.host else f"{url.host}:{url.port}"
    try:
        status = _connect_status(stream, render_request("CONNECT", target, target, headers, b""), deadline_s)
    except BadAnswer as error:
        stream.close()
        raise NotSent(f"the proxy {proxy} gave no tunnel: {error}") from None
    except OSError as error:
        stream.close()
        raise NotSent(f"the proxy {proxy} gave no tunnel: {words_of(error)}") from None
    except BaseException:
        stream.close()
        raise
    if 200 <= status < 300:
        return
    stream.close()
    hint = "set HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT" if status == 407 else ""
    raise NotSent(f"the proxy {proxy} answered {status} to CONNECT {target}", hint=hint)


def _connect_status(stream: socket, request: bytes, deadline_s: float) -> int:
    parser = AnswerParser(0, bodiless=True)
    stream.settimeout(remaining_s(deadline_s))
    stream.sendall(request)
    whole = False
    while not whole:
        stream.settimeout(remaining_s(deadline_s))
        data = stream.recv(_PROXY_HEAD)
        if not data:
            raise BadAnswer("it closed the connection")
        whole = parser.feed(data)
    return parser.status
