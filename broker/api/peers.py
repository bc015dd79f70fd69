"""Who is calling: the peer's address, or what a trusted proxy says it is. Pure."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from multidict import MultiMapping, istr

__all__ = ["Peers", "limit_key"]

_LONGEST_LIST = 2048
_FORWARDED = istr("X-Forwarded-For")

Headers = MultiMapping[str]


class Peers:
    """Decides the caller's address.

    Args:
        trusted: networks of the proxies in front; only they may name another address.
    """

    def __init__(self, trusted: Iterable[IPv4Network | IPv6Network] = ()) -> None:
        self._trusted = tuple(trusted)
        self._is_trusted = lru_cache(maxsize=4096)(self._looked_up)

    def address(self, remote: str | None, headers: Headers) -> str:
        """Return the caller's address.

        The list is read from its end, the nearest proxy first; the first address that is no
        proxy of ours is the caller. What stands before it is the caller's own claim.

        Args:
            remote: the connection's peer; ``None`` on a Unix socket.
            headers: the request's; ``X-Forwarded-For`` is looked at only where a proxy of ours wrote it.
        """
        nearest = _parsed(remote or "") if self._trusted else None
        if nearest is None or not self._is_trusted(nearest):
            return _plain(remote or "local")
        for item in reversed(",".join(headers.getall(_FORWARDED, ()))[-_LONGEST_LIST:].split(",")):
            address = _parsed(_without_port(item.strip()))
            if address is None:
                break
            nearest = address
            if not self._is_trusted(address):
                break
        return str(nearest)

    def _looked_up(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._trusted)


@lru_cache(maxsize=4096)
def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


@lru_cache(maxsize=4096)
def _plain(text: str) -> str:
    """Return an address in its usual notation; what is none stays."""
    return str(_parsed(text) or text)


def _without_port(text: str) -> str:
    """Return the address of ``1.2.3.4:5`` and ``[::1]:5``, which some proxies write."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


@lru_cache(maxsize=4096)
def limit_key(address: str) -> str:
    """Return what an address is limited by: itself, or an IPv6 host's whole /64."""
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((int(parsed) >> 64 << 64, 64)))
    return address
