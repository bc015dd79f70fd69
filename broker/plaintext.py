"""What must not be: secrets in plain text on their way to or from another machine."""

from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fetchtoken.domain.errors import ConfigError, Unsafe

if TYPE_CHECKING:
    from broker.settings import Settings

__all__ = ["is_loopback", "refuse_plain_text", "refuse_unsafe"]


def refuse_unsafe(settings: "Settings") -> None:
    """Raise unless these settings are safe to serve with.

    Raises:
        ConfigError: half of a pair, or a shifted clock with a real issuer.
        Unsafe: plain http to another machine, in or out.
    """
    issuer = settings.issuer
    for name, url in (("url", issuer.url), ("backend_url", issuer.backend_url)):
        if url.startswith("http:") and not is_loopback(urlsplit(url).hostname or ""):
            raise Unsafe(
                f"issuer.{name} {url} would send tokens in plain text to another machine",
                hint="use https://",
            )
    if settings.clock.offset and not issuer.is_loopback:
        raise ConfigError(
            f"clock.offset is for rehearsals: the issuer {issuer.url} is not on this machine",
            hint="remove clock.offset",
        )
    if (settings.tls.cert is None) != (settings.tls.key is None):
        given, missing = ("cert", "key") if settings.tls.cert else ("key", "cert")
        raise ConfigError(f"tls.{given} is set and tls.{missing} is not", hint="set both, or neither")
    refuse_plain_text(settings, settings.server.host)


def refuse_plain_text(settings: "Settings", host: str, *, what: str = "server.host") -> None:
    """Raise where tokens would be served in plain text to other machines.

    Args:
        settings: whether there is TLS, here or in front.
        host: the address to listen on.
        what: where it comes from, for the message.

    Raises:
        Unsafe: it is no loopback address, and there is neither.
    """
    if not is_loopback(host) and not settings.server.behind_proxy and not settings.tls.is_on:
        raise Unsafe(
            f"{what} {host} would serve tokens in plain text to other machines",
            hint="listen on 127.0.0.1, set tls.cert and tls.key, or name your TLS proxy's addresses in"
            " server.behind_proxy",
        )


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
