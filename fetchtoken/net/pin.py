"""A certificate known by its SHA-256: found in what a server presents, before anything is said to it."""

from __future__ import annotations

from fetchtoken.domain.errors import ConfigError, Unsafe
from fetchtoken.net.connect import open_raw, remaining_s
from fetchtoken.net.errors import NotSent, words_of
from fetchtoken.net.light_ssl import ssl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from fetchtoken.net.url import Url

__all__ = ["parse_pin", "pinned_pem"]

_HEX = frozenset("0123456789abcdef")


def parse_pin(text: str) -> str:
    """Return a SHA-256 as 64 small hex digits; colons may stand between them.

    Raises:
        ConfigError: it is none.
    """
    pin = text.strip().lower().replace(":", "")
    if len(pin) == 64 and _HEX.issuperset(pin):
        return pin
    raise ConfigError("--ca-sha256 is no SHA-256", hint="64 hex digits, as codex-broker invite printed them")


def pinned_pem(url: Url, pin: str, deadline_s: float, environ: Mapping[str, str]) -> str:
    """Return the certificate with that SHA-256, of those that a server presents, as PEM.

    The handshake here checks nothing and carries nothing. What it brings is believed for its hash
    alone; the connection that a secret goes over is another one, checked with it as authority.

    Args:
        url: an ``https`` URL.
        pin: as :func:`parse_pin` returns it.
        deadline_s: the end of everything, on the monotonic clock.
        environ: where proxies are looked up.

    Raises:
        Unsafe: none of them has that hash.
        NotSent: there is no connection.
    """
    from hashlib import sha256

    for certificate in _presented(url, deadline_s, environ):
        if sha256(certificate).hexdigest() == pin:
            return ssl.DER_cert_to_PEM_cert(certificate)
    raise Unsafe(
        f"{url.peer} presents no certificate with the SHA-256 of --ca-sha256, so nothing was sent",
        hint="compare it with what codex-broker invite printed; somebody may stand between",
    )


def _presented(url: Url, deadline_s: float, environ: Mapping[str, str]) -> list[bytes]:
    """Return the certificates of a server's handshake (DER), its own first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    raw = open_raw(url, deadline_s, environ)
    try:
        raw.settimeout(remaining_s(deadline_s))
        with context.wrap_socket(raw, server_hostname=url.host) as stream:
            return _chain(stream)
    except OSError as error:
        raise NotSent(f"no TLS with {url.peer}: {words_of(error)}") from None
    finally:
        raw.close()


def _chain(stream: ssl.SSLSocket) -> list[bytes]:
    public = getattr(stream, "get_unverified_chain", None)  # Python 3.13
    if public is not None:
        return list(public())
    inner = getattr(getattr(stream, "_sslobj", None), "get_unverified_chain", None)
    if inner is not None:
        return [ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in inner() or ()]
    own = stream.getpeercert(binary_form=True)
    return [own] if own else []
