"""One HTTP session with the issuer: bounded in time, proxies honoured, loopback asked directly."""

from ipaddress import ip_address
from urllib.parse import urlsplit

import aiohttp

__all__ = ["LIMIT_S", "open_session"]

LIMIT_S = 10.0
"""As the Codex CLI waits for a revocation."""


def open_session(url: str) -> aiohttp.ClientSession:
    """Return a session for requests to this URL's host.

    The environment's proxies are used, except for an issuer on this machine.
    """
    host = urlsplit(url).hostname or ""
    try:
        direct = ip_address(host).is_loopback
    except ValueError:
        direct = host == "localhost"
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=LIMIT_S), trust_env=not direct)
