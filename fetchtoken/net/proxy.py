"""Which proxy an ``https`` URL goes through, by the usual environment variables."""

from __future__ import annotations

from fetchtoken.domain.errors import ConfigError
from fetchtoken.net.url import Url, parse_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Proxy", "proxy_for"]

_VARIABLES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


class Proxy:
    """An HTTP proxy and what it wants to hear.

    Args:
        url: where it listens.
        headers: ``Proxy-Authorization`` where the variable holds a user name.
    """

    __slots__ = ("headers", "host", "peer", "port")

    def __init__(self, url: Url, headers: dict[str, str]) -> None:
        self.host = url.host
        self.port = url.port
        self.peer = url.peer
        self.headers = headers


def proxy_for(url: Url, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for a URL, or ``None``: this machine is always reached directly.

    Raises:
        ConfigError: the variable does not hold an ``http://`` proxy; its value is not shown.
    """
    if url.scheme != "https" or url.is_local:
        return None
    for variable in _VARIABLES:
        value = environ.get(variable, "").strip()
        if value:
            break
    else:
        return None
    if _excluded(url.host, url.port, environ.get("NO_PROXY") or environ.get("no_proxy") or ""):
        return None
    text = value if "://" in value else f"http://{value}"
    scheme, _, rest = text.partition("://")
    authority = rest.partition("/")[0]
    login, at, address = authority.rpartition("@")
    if scheme.lower() != "http":
        raise ConfigError(f"{variable} is not an http:// proxy", hint=f"set {variable}=http://HOST:PORT")
    headers = {"Proxy-Authorization": f"Basic {_basic(login)}"} if at else {}
    return Proxy(parse_url(f"http://{address}", variable), headers)


def _basic(login: str) -> str:
    from binascii import b2a_base64

    return b2a_base64(_unquote(login), newline=False).decode()


def _unquote(text: str) -> bytes:
    first, *rest = text.split("%")
    out = first.encode()
    for part in rest:
        try:
            out += bytes.fromhex(part[:2]) + part[2:].encode() if len(part) > 1 else b"%" + part.encode()
        except ValueError:
            out += b"%" + part.encode()
    return out


def _excluded(host: str, port: int, no_proxy: str) -> bool:
    """Tell whether ``NO_PROXY`` names a host: exactly, by domain, by network or with a port."""
    for entry in no_proxy.lower().replace(",", " ").split():
        name, _, entry_port = entry.rpartition(":")
        bare_ipv6 = ":" in name and not name.startswith("[")
        if not name or bare_ipv6 or not entry_port.isdigit():
            name, entry_port = entry, ""
        if entry_port and int(entry_port) != port:
            continue
        name = name.strip("[]")
        if name == "*" or _in_network(host, name):
            return True
        name = name.removeprefix("*").strip(".")
        if name and (host == name or host.endswith(f".{name}")):
            return True
    return False


def _in_network(host: str, network: str) -> bool:
    base, slash, bits = network.partition("/")
    here, there = _packed(host), _packed(base)
    if not slash or not here or len(here) != len(there) or not bits.isdigit():
        return False
    drop = len(here) * 8 - int(bits)
    return drop >= 0 and int.from_bytes(here, "big") >> drop == int.from_bytes(there, "big") >> drop


def _packed(address: str) -> bytes:
    from socket import AF_INET, AF_INET6, inet_pton

    try:
        return inet_pton(AF_INET6 if ":" in address else AF_INET, address)
    except OSError:
        return b""
