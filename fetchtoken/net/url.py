"""The URLs that the programs accept: ``http``, ``https`` and ``unix``, strictly parsed.

``unix:/run/broker.sock`` names a socket; ``unix:/run/broker.sock:/codex`` a path behind it.
"""

from fetchtoken.domain.errors import ConfigError

__all__ = ["Url", "is_loopback", "parse_url"]

_HOST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_")
_IPV6 = frozenset("0123456789abcdef:.")
_PORTS = {"http": 80, "https": 443}


class Url:
    """One parsed URL.

    Args:
        scheme: ``http``, ``https`` or ``unix``.
        host: lower case, without brackets; ``localhost`` for ``unix``.
        port: 1 to 65535; 0 for ``unix``.
        path: the request target, path and query, never empty.
        socket_path: the file of a ``unix`` URL, else empty.
    """

    __slots__ = ("host", "path", "port", "scheme", "socket_path")

    def __init__(self, scheme: str, host: str, port: int, path: str, socket_path: str = "") -> None:
        self.scheme = scheme
        self.host = host
        self.port = port
        self.path = path
        self.socket_path = socket_path

    @property
    def peer(self) -> str:
        """Who is spoken to, for messages: ``host:port`` or the socket's path."""
        if self.socket_path:
            return self.socket_path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def authority(self) -> str:
        """The value of ``Host`` (RFC 9110 §7.2): the default port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port in (0, _PORTS.get(self.scheme)) else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port as one text: what a credential belongs to."""
        return f"{self.scheme}:{self.peer}" if self.socket_path else f"{self.scheme}://{self.peer}"

    @property
    def is_local(self) -> bool:
        """Whether it can only reach this machine."""
        return bool(self.socket_path) or is_loopback(self.host)

    def with_path(self, path: str) -> "Url":
        """Return the same peer with another request target."""
        return Url(self.scheme, self.host, self.port, path, self.socket_path)

    def __str__(self) -> str:
        return f"{self.origin}:{self.path}" if self.socket_path else f"{self.origin}{self.path}"

    def __repr__(self) -> str:
        return f"Url({str(self)!r})"


def is_loopback(host: str) -> bool:
    """Tell whether a host is ``localhost``, ``::1`` or a full 127.0.0.0/8 address."""
    if host in ("localhost", "::1"):
        return True
    parts = host.split(".")
    return (
        len(parts) == 4
        and parts[0] == "127"
        and all(part.isdigit() and len(part) <= 3 and int(part) < 256 for part in parts)
    )


def parse_url(text: str, what: str = "URL") -> Url:
    """Parse an absolute URL.

    Args:
        text: the URL; user information and fragments are refused.
        what: the setting it comes from, for the message. The text itself is never shown: a
            mistyped URL may hold a password.

    Raises:
        ConfigError: it is not such a URL.
    """
    if not text.isascii() or any(c <= " " or c in '\\"<>^`{|}\x7f' for c in text):
        raise _bad(what, "holds a character that a URL cannot")
    if "#" in text:
        raise _bad(what, "holds a fragment")
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if colon and scheme == "unix":
        return _unix(rest, what)
    if scheme not in _PORTS or not rest.startswith("//"):
        raise _bad(what, "is not an http, https or unix URL")
    end = min((i for i in (rest.find("/", 2), rest.find("?", 2)) if i >= 0), default=len(rest))
    authority, path = rest[2:end].lower(), rest[end:]
    if "@" in authority:
        raise _bad(what, "holds a user name or password")
    host, port = _host_and_port(authority, what)
    if path.startswith("?"):
        path = "/" + path
    return Url(scheme, host, port or _PORTS[scheme], path or "/")


def _unix(rest: str, what: str) -> Url:
    path, colon, target = rest.partition(":/")
    while path.startswith("//"):
        path = path[1:]
    if not path.startswith("/") or path == "/":
        raise _bad(what, "is a unix URL without an absolute path")
    return Url("unix", "localhost", 0, "/" + target if colon else "/", path)


def _host_and_port(authority: str, what: str) -> tuple[str, int]:
    if authority.startswith("["):
        host, bracket, rest = authority[1:].partition("]")
        good = bool(bracket) and ":" in host and _IPV6.issuperset(host) and rest[:1] in ("", ":")
        port = rest[1:]
    else:
        host, _, port = authority.partition(":")
        good = bool(host) and len(host) < 254 and _HOST.issuperset(host) and ".." not in host
    if not good:
        raise _bad(what, "has no proper host")
    if not port:
        return host, 0
    if not port.isdigit() or len(port) > 5 or not 0 < int(port) < 65_536:
        raise _bad(what, "has no proper port")
    return host, int(port)


def _bad(what: str, reason: str) -> ConfigError:
    return ConfigError(f"{what} {reason}", hint="write it as https://HOST[:PORT]/PATH")
