"""Who is calling: the peer's address, or what a trusted proxy says it is. Pure."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from multidict import MultiMapping, istr

from broker.access.addresses import parse_address, plain_address

__all__ = ["Peers"]

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
        nearest = parse_address(remote or "") if self._trusted else None
        if nearest is None or not self._is_trusted(nearest):
            return plain_address(remote or "local")
        for item in reversed(",".join(headers.getall(_FORWARDED, ()))[-_LONGEST_LIST:].split(",")):
            address = parse_address(_without_port(item.strip()))
            if address is None:
                break
            nearest = address
            if not self._is_trusted(address):
                break
        return str(nearest)

    def _looked_up(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._trusted)


def _without_port(text: str) -> str:
    """Return the address of ``1.2.3.4:5`` and ``[::1]:5``, which some proxies write."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
