"""Addresses of callers: one notation each, and what a caller is limited by. Pure."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

__all__ = ["limit_key", "parse_address", "plain_address"]


@lru_cache(maxsize=4096)
def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address in a text, an IPv4 one also where it is mapped into IPv6, or ``None``."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


@lru_cache(maxsize=4096)
def plain_address(text: str) -> str:
    """Return an address in its usual notation; what is none stays."""
    return str(parse_address(text) or text)


@lru_cache(maxsize=4096)
def limit_key(address: str) -> str:
    """Return what an address is limited by: itself, or an IPv6 host's whole /64."""
    parsed = parse_address(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((int(parsed) >> 64 << 64, 64)))
    return address
