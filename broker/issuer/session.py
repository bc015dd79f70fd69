"""One HTTP session with the issuer: bounded in time, proxies honoured, loopback asked directly."""

import os
import ssl
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiohttp

from fetchtoken.domain.errors import ConfigError

__all__ = ["LIMIT_S", "open_session"]

LIMIT_S = 10.0
"""As the Codex CLI waits for a revocation."""


def open_session(url: str) -> aiohttp.ClientSession:
    """Return a session for requests to this URL's host.

    The environment's proxies are used, except for an issuer on this machine. ``CODEX_CA_CERTIFICATE``
    names the only authorities to trust, as it does for an exchange.

    Raises:
        ConfigError: that file cannot be read, or holds something else.
    """
    host = urlsplit(url).hostname or ""
    try:
        direct = ip_address(host).is_loopback
    except ValueError:
        direct = host == "localhost"
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=_trust()),
        timeout=aiohttp.ClientTimeout(total=LIMIT_S),
        trust_env=not direct,
    )


def _trust() -> ssl.SSLContext:
    """Return what checks the issuer's certificate, by the system's authorities unless others are named."""
    # aiohttp's own context, made when it is imported, trusts nobody in the daemon (broker.cli.quick).
    file = os.environ.get("CODEX_CA_CERTIFICATE")
    try:
        return ssl.create_default_context(cafile=file or None)
    except OSError:
        raise ConfigError(
            f"cannot load certificate authorities from {file}",
            hint="name a PEM file of CA certificates in CODEX_CA_CERTIFICATE",
        ) from None
